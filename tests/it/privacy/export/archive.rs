//! The ZIP file, read back.

use std::io::{Cursor, Read};

use sha2::{Digest, Sha256};
use tower_guestbook::{
    VisitorId,
    activity::{Entry, Event, EventData, EventId, EventLimits, EventType},
    consent::{ConsentRecord, ConsentState, Decision, DecisionEvent, MergePolicy, Proof},
    store::{ActivityStore, Commit, ConsentStore},
};
use zip::ZipArchive;

use super::*;
use crate::support::faulty_store::{Fault, FaultyStore};

pub(super) fn open(bytes: &[u8]) -> ZipArchive<Cursor<&[u8]>> {
    ZipArchive::new(Cursor::new(bytes)).unwrap()
}

async fn archive(guestbook: &Guestbook, name: &str) -> (Vec<usize>, Vec<u8>) {
    let mut export = guestbook.rights().export_archive(&user(name)).await.unwrap();
    let (mut sizes, mut bytes) = (Vec::new(), Vec::new());
    while let Some(part) = export.next().await {
        let part = part.unwrap();
        sizes.push(part.len());
        bytes.extend(part);
    }
    (sizes, bytes)
}

/// All files by name, in their order.
fn files(bytes: &[u8]) -> Vec<(String, String)> {
    let mut archive = open(bytes);
    let read = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (file.name().unwrap().into_owned(), text)
    };
    (0..open(bytes).len()).map(read).collect()
}

fn file<'a>(files: &'a [(String, String)], name: &str) -> &'a str {
    &files.iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn manifest(files: &[(String, String)]) -> Value {
    let (name, text) = files.last().unwrap();
    assert_eq!(name, "manifest.json", "it is the last");
    serde_json::from_str(text).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The manifest names each file but itself, with what is true of it.
fn check(files: &[(String, String)]) {
    let manifest = manifest(files);
    let entries = manifest["files"].as_array().unwrap();
    assert_eq!(entries.len(), files.len() - 1);
    for (entry, (name, text)) in entries.iter().zip(files) {
        let sha256: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (&entry["name"], &entry["bytes"], &entry["sha256"]),
            (&json!(name), &json!(text.len()), &json!(sha256))
        );
        let rows = match name.rsplit_once('.').unwrap().1 {
            "ndjson" => json!(text.lines().count()),
            // Nothing in these tests has a line break within.
            "csv" => json!(text.lines().count() - 1),
            _ => Value::Null,
        };
        assert_eq!(entry["rows"], rows, "{name}");
    }
}

async fn append<S: ActivityStore>(store: &S, origin: u64, events: impl IntoIterator<Item = Event>) {
    let entries = events.into_iter().zip(1..).map(|(event, number)| Entry { id: EventId { origin, number }, event });
    store.append(entries.collect(), Commit::Relaxed).await.unwrap();
}

fn event(name: &str, data: &str) -> Event {
    let mut event = Event::new(EventType::ACTION, START);
    event.user = Some(user(name));
    event.data = Some(EventData::new(&json!({ "data": data }), &EventLimits::default()).unwrap());
    event
}

/// Somebody with all kinds of data, and somebody else on the same browser.
async fn fill(store: &FaultyStore, guestbook: &Guestbook, events: u64) {
    let visitor = VisitorId::generate().unwrap();
    let purpose = Purpose::new("analytics", Category::Analytics);
    let consent_state = ConsentState::after(&purpose, &DecisionEvent::new(Decision::Granted, 1, START));
    let record = ConsentRecord::new(
        Subject::Visitor(visitor),
        PurposeId::ANALYTICS,
        consent_state,
        Proof::new(DecisionMethod::Custom, START),
    );
    store.record_consents(vec![record.unwrap()]).await.unwrap();
    store.link_visitor(visitor, user("ada"), MergePolicy::default(), START).await.unwrap();
    let mut early = event("ada", "before the login");
    (early.user, early.visitor) = (None, Some(visitor));
    let mut of_bob = event("bob", "needle of bob");
    of_bob.visitor = Some(visitor);
    append(store, 1, [early, of_bob]).await;
    append(store, 2, (0..events).map(|number| event("ada", &format!("number {number}")))).await;
    for (name, actor) in [("ada", "=HYPERLINK(\"http://evil.example\",\"here\")"), ("bob", "needle of bob")] {
        decide(guestbook, name, Choices::new(DecisionMethod::Api).grant(PurposeId::MARKETING).actor(actor)).await;
        set(guestbook, name, json!({ "theme": "dark", "language": if name == "bob" { "nl" } else { "de" } })).await;
    }
}

#[tokio::test]
async fn archive_has_all_data_and_a_correct_manifest() {
    let store = FaultyStore::default();
    let (builder, _clock) = rules(store.clone());
    let guestbook = builder.personal_data(Rows::new("orders", 3)).build().unwrap();
    fill(&store, &guestbook, 1_000).await;
    let (_, bytes) = archive(&guestbook, "ada").await;
    let files = files(&bytes);
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "preferences.json",
            "rights.json",
            "sessions.ndjson",
            "consent.ndjson",
            "consent.csv",
            "activities.ndjson",
            "activities.csv",
            "audit.ndjson",
            "sources/orders.ndjson",
            "manifest.json",
        ]
    );
    check(&files);
    assert!(files.iter().all(|(_, text)| !text.contains("needle of bob")));

    // The same as in the document.
    let document = document(&guestbook, "ada").await;
    let manifest = manifest(&files);
    for member in ["schema_version", "user_id", "export_date", "controller", "purposes", "retention"] {
        assert_eq!(manifest[member], document[member], "{member}");
    }
    assert_eq!(manifest["incomplete"], json!([]));
    assert_eq!(serde_json::from_str::<Value>(file(&files, "preferences.json")).unwrap(), document["preferences"]);
    for (name, member) in [
        ("consent.ndjson", &document["consent"]),
        ("activities.ndjson", &document["activities"]),
        ("sources/orders.ndjson", &document["sources"]["orders"]),
    ] {
        assert_eq!(&Value::from(lines(file(&files, name))), member, "{name}");
    }
    assert_eq!(lines(file(&files, "activities.ndjson")).len(), 1_001);
    assert_eq!(file(&files, "activities.csv").lines().count(), 1_002);
    assert!(file(&files, "activities.csv").contains("before the login"));

    // Nothing for a spreadsheet to run.
    let csv = file(&files, "consent.csv");
    assert!(
        csv.contains(",\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"here\"\")\",") && csv.contains("\r\n"),
        "{csv}"
    );
}

#[tokio::test]
async fn archive_is_deterministic_and_streams_small_parts() {
    let store = FaultyStore::default();
    let (builder, clock) = rules(store.clone());
    let guestbook = builder.personal_data(Rows::new("orders", 3)).build().unwrap();
    fill(&store, &guestbook, 5_000).await;
    let (sizes, first) = archive(&guestbook, "ada").await;
    assert!(sizes.len() >= 5 && sizes.iter().all(|size| (1..200_000).contains(size)), "{sizes:?}");
    // The trail has one more export now, and the manifest says so.
    let lasting = |bytes: &[u8]| {
        let mut files = files(bytes);
        files.retain(|(name, _)| !["audit.ndjson", "manifest.json"].contains(&name.as_str()));
        files
    };
    assert_eq!(lasting(&archive(&guestbook, "ada").await.1), lasting(&first));
    clock.advance(DAY);
    let (_, next_day) = archive(&guestbook, "ada").await;
    assert_eq!(lasting(&next_day), lasting(&first));
    let dates: Vec<_> = {
        let mut archive = open(&next_day);
        (0..archive.len()).map(|index| archive.by_index(index).unwrap().last_modified().unwrap().to_string()).collect()
    };
    assert!(dates.iter().all(|date| date == "2027-01-16 08:00:00"), "{dates:?}");
}

#[tokio::test]
async fn archive_is_identical_for_equal_stores() {
    let twins = [(); 2].map(|()| {
        let (builder, _clock) = rules(MemoryStore::new());
        builder.personal_data(Rows::new("orders", 3)).build().unwrap()
    });
    let [one, other] = [archive(&twins[0], "ada").await, archive(&twins[1], "ada").await];
    assert_eq!(one, other);
}

#[tokio::test]
async fn archive_names_a_failed_source_and_completes_the_rest() {
    let (builder, _clock) = rules(MemoryStore::new());
    let failing = Rows::new("shop orders", 5).failing_at(2);
    let guestbook = builder
        .personal_data(failing)
        .personal_data(Rows::new("Shop/Orders", 2))
        .personal_data(Rows::new("mails", 1).failing_at(0))
        .build()
        .unwrap();
    let (_, bytes) = archive(&guestbook, "ada").await;
    let files = files(&bytes);
    check(&files);
    let manifest = manifest(&files);
    assert_eq!(
        manifest["incomplete"],
        json!([
            { "name": "shop orders", "reason": "the source failed: Unavailable" },
            { "name": "mails", "reason": "the source failed: Unavailable" },
        ])
    );
    assert_eq!(lines(file(&files, "sources/shop_orders.ndjson")).len(), 2, "as far as it came");
    assert_eq!(lines(file(&files, "sources/shop_orders-2.ndjson")).len(), 2, "no name is taken twice");
    assert_eq!(file(&files, "sources/mails.ndjson"), "");
    let of_second =
        manifest["files"].as_array().unwrap().iter().find(|entry| entry["source"] == "Shop/Orders").unwrap();
    assert_eq!(of_second["name"], "sources/shop_orders-2.ndjson");
}

#[tokio::test]
async fn archive_of_a_failed_store_is_no_valid_zip() {
    let store = FaultyStore::default();
    let (builder, _clock) = rules(store.clone());
    let guestbook = builder.build().unwrap();
    fill(&store, &guestbook, 1_000).await;
    let mut export = guestbook.rights().export_archive(&user("ada")).await.unwrap();
    let mut bytes = export.next().await.unwrap().unwrap().to_vec();
    store.set(Fault::Failing);
    let error = loop {
        match export.next().await.expect("it does not end as if it were whole") {
            Ok(part) => bytes.extend(part),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(export.next().await.is_none());
    assert!(ZipArchive::new(Cursor::new(&bytes[..])).is_err());
    assert!(guestbook.rights().export_archive(&user("ada")).await.is_err());
}

#[tokio::test]
async fn archive_of_an_unknown_user_is_complete() {
    let (builder, _clock) = support::builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let files = files(&archive(&guestbook, "nobody").await.1);
    check(&files);
    assert_eq!(file(&files, "activities.ndjson"), "");
    assert!(file(&files, "activities.csv").starts_with("sequence,event_type,timestamp,"));
}
