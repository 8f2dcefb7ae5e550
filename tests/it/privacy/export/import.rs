//! Taking over what somebody brings along.

use tower_guestbook::privacy::{AuditAction, ImportReport};

use super::*;
use crate::support::faulty_store::{Fault, FaultyStore};

/// What is equal after an import, as its docs say.
fn brought(document: &Value) -> (Value, Vec<[Value; 4]>) {
    let own = document["consent"].as_array().unwrap().iter().filter(|record| record.get("visitor_id").is_none());
    let of = |record: &Value| ["purpose", "decision", "since", "notice_version"].map(|member| record[member].clone());
    (document["preferences"].clone(), own.map(of).collect())
}

/// Somebody with decisions on several days, and preferences.
async fn somebody() -> (Guestbook, Vec<u8>) {
    let (builder, clock) = rules(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    set(&guestbook, "ada", json!({ "theme": "dark", "notifications": { "sms": true } })).await;
    let custom = || Choices::new(DecisionMethod::Custom);
    decide(&guestbook, "ada", custom().grant(PurposeId::ANALYTICS).decline(PurposeId::MARKETING).source("banner"))
        .await;
    clock.advance(DAY);
    decide(&guestbook, "ada", custom().decline(PurposeId::ANALYTICS)).await;
    clock.advance(DAY);
    decide(&guestbook, "ada", custom().grant(PurposeId::MARKETING)).await;
    clock.advance(DAY);
    decide(&guestbook, "eve", custom().grant(PurposeId::MARKETING)).await;
    let text = text(&guestbook, "ada").await;
    (guestbook, text)
}

async fn is_imported_whole<S: Store>(store: S) {
    let (_, exported) = somebody().await;
    let original: Value = serde_json::from_slice(&exported).unwrap();
    let (builder, clock) = rules(store);
    clock.advance(30 * DAY);
    let guestbook = builder.build().unwrap();
    let imported = guestbook.rights().import(&user("ada"), &exported).await.unwrap();
    assert_eq!((imported.decisions, imported.preferences, imported.left_behind), (4, true, 0));
    let trail = guestbook.audit().entries(0, 10, Some(&user("ada"))).await.unwrap();
    assert_eq!((trail.len(), &trail[0].entry.action), (1, &AuditAction::Imported));
    let again = document(&guestbook, "ada").await;
    assert_eq!(brought(&again), brought(&original));
    let marketing = &again["consent"][0];
    assert_eq!(
        (&marketing["method"], &marketing["since"]),
        (&json!("import"), &json!(START.after(2 * DAY).as_millis()))
    );
    assert_eq!(marketing["valid_until"], START.after(92 * DAY).as_millis(), "it does not last longer for that");
    assert_eq!(again["consent"][3]["source"], "banner", "the proof comes along");
    assert!(again["consent"].as_array().unwrap().iter().all(|record| record["session"].is_null()));

    // It counts as it would have.
    let allowed = async |purpose| {
        let document = document(&guestbook, "ada").await;
        let of_purpose = document["purposes"].as_array().unwrap().iter().find(|entry| entry["id"] == purpose).cloned();
        of_purpose.unwrap()["allowed"].clone()
    };
    assert_eq!((allowed("analytics").await, allowed("marketing").await), (json!(false), json!(true)));
    clock.advance(62 * DAY);
    assert_eq!(allowed("marketing").await, false, "it has expired");

    // Not twice, and into no account that has something.
    for name in ["ada", "eve"] {
        set(&guestbook, "eve", json!({ "theme": "light", "language": "de" })).await;
        let error = guestbook.rights().import(&user(name), &exported).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    assert_eq!(document(&guestbook, "eve").await["consent"], json!([]));
}

#[tokio::test]
async fn import_into_an_empty_account_of_the_memory_store() {
    is_imported_whole(MemoryStore::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn import_into_an_empty_account_of_the_sqlite_store() {
    let directory = tempfile::tempdir().unwrap();
    is_imported_whole(tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).await;
}

async fn refuse(guestbook: &Guestbook, document: &Value) -> Error {
    let error = guestbook.rights().import(&user("new"), document.to_string().as_bytes()).await.unwrap_err();
    let after = self::document(guestbook, "new").await;
    assert_eq!((&after["consent"], &after["preferences"]), (&json!([]), &json!({})), "nothing is stored");
    error
}

#[tokio::test]
async fn import_names_what_is_unknown_and_stores_nothing() {
    let (guestbook, exported) = somebody().await;
    let good: Value = serde_json::from_slice(&exported).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document);
        document
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: [(Change<'_>, &str); 10] = [
        (&|document| document["consent"][1]["purpose"] = json!("astrology"), "\"astrology\""),
        (&|document| document["consent"][1]["purpose"] = json!("billing"), "\"billing\""),
        (&|document| document["consent"][1]["purpose"] = json!("A needle <script>"), "(an invalid name)"),
        (&|document| document["preferences"]["taste"] = json!("sweet"), "taste"),
        (&|document| document["preferences"]["theme"] = json!("plaid"), "theme"),
        (&|document| document["schema_version"] = json!(2), "schema_version"),
        (
            &|document| document["consent"][0]["since"] = json!(START.after(400 * DAY).as_millis()),
            "time or notice version",
        ),
        (&|document| document["consent"][0]["since"] = json!(-1), "time or notice version"),
        (&|document| document["consent"][0]["notice_version"] = json!(0), "time or notice version"),
        (&|document| document["consent"][0]["decision"] = json!("a needle"), "not an export"),
    ];
    for (change, named) in changes {
        let error = refuse(&guestbook, &changed(change)).await;
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let words = error.to_string();
        assert!(words.contains(named) && !words.contains("needle"), "{words}");
    }
    let two = changed(&|document| {
        document["consent"][0]["purpose"] = json!("weather");
        document["consent"][1]["purpose"] = json!("astrology");
    });
    assert!(refuse(&guestbook, &two).await.to_string().contains("\"astrology\", \"weather\""));
    assert_eq!(refuse(&guestbook, &json!({ "consent": [] })).await.kind(), ErrorKind::InvalidInput);

    let long = changed(&|document| document["consent"][0]["actor"] = json!("x".repeat(201)));
    assert_eq!(refuse(&guestbook, &long).await.kind(), ErrorKind::TooLarge);
    let many = changed(&|document| document["consent"] = vec![document["consent"][0].clone(); 10_001].into());
    assert_eq!(refuse(&guestbook, &many).await.kind(), ErrorKind::TooLarge);
    let huge = vec![b' '; (64 << 20) + 1];
    let error = guestbook.rights().import(&user("new"), &huge).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn import_without_preferences_or_purposes_is_refused() {
    let (_, exported) = somebody().await;
    let (builder, _clock) = support::builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let mut document: Value = serde_json::from_slice(&exported).unwrap();
    assert!(refuse(&guestbook, &document).await.to_string().contains("preferences"));
    document["preferences"] = json!({});
    assert!(refuse(&guestbook, &document).await.to_string().contains("\"analytics\", \"marketing\""));
    document["consent"] = json!([]);
    let imported = guestbook.rights().import(&user("new"), document.to_string().as_bytes()).await.unwrap();
    assert_eq!((imported.decisions, imported.preferences), (0, false));
}

#[tokio::test]
async fn import_keeps_the_shorter_expiry_of_a_grant() {
    let (guestbook, exported) = somebody().await;
    let mut document: Value = serde_json::from_slice(&exported).unwrap();
    let import = async |name: &str, document: &Value| {
        guestbook.rights().import(&user(name), document.to_string().as_bytes()).await.unwrap();
        self::document(&guestbook, name).await["consent"][0]["valid_until"].clone()
    };
    document["consent"][0]["valid_until"] = json!(START.after(9_999 * DAY).as_millis());
    assert_eq!(import("one", &document).await, START.after(92 * DAY).as_millis());
    document["consent"][0]["valid_until"] = json!(START.after(10 * DAY).as_millis());
    assert_eq!(import("two", &document).await, START.after(10 * DAY).as_millis());
    document["consent"][0]["valid_until"] = Value::Null;
    assert_eq!(import("three", &document).await, START.after(92 * DAY).as_millis());
}

#[tokio::test]
async fn import_leaves_decisions_of_visitors_behind() {
    let (guestbook, exported) = somebody().await;
    let mut document: Value = serde_json::from_slice(&exported).unwrap();
    let visitor = tower_guestbook::VisitorId::generate().unwrap();
    document["consent"][0]["visitor_id"] = json!(visitor);
    let imported = guestbook.rights().import(&user("new"), document.to_string().as_bytes()).await.unwrap();
    assert_eq!((imported.decisions, imported.left_behind), (3, 1));
    assert_eq!(brought(&self::document(&guestbook, "new").await), brought(&document));
}

#[tokio::test]
async fn import_can_be_repeated_after_a_store_failure() {
    let (_, exported) = somebody().await;
    let store = FaultyStore::default();
    let (builder, clock) = rules(store.clone());
    clock.advance(30 * DAY);
    let guestbook = builder.build().unwrap();
    // Preferences are stored first.
    let preferences: Value = serde_json::from_slice::<Value>(&exported).unwrap()["preferences"].clone();
    set(&guestbook, "ada", preferences).await;
    store.set(Fault::ReadOnly);
    let error = guestbook.rights().import(&user("ada"), &exported).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    store.set(Fault::Good);
    let imported: ImportReport = guestbook.rights().import(&user("ada"), &exported).await.unwrap();
    assert_eq!(imported.decisions, 4);
    let original: Value = serde_json::from_slice(&exported).unwrap();
    assert_eq!(brought(&document(&guestbook, "ada").await), brought(&original));
}

#[tokio::test]
async fn import_refuses_an_erased_user() {
    let (guestbook, exported) = somebody().await;
    guestbook.rights().erase(&user("ada")).await.unwrap();
    let error = guestbook.rights().import(&user("ada"), &exported).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserErased);
}
