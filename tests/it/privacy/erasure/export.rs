//! A copy of all that is kept of somebody.

use tower_guestbook::{
    VisitorId,
    activity::HistoryQuery,
    consent::{ConsentRecord, ConsentState, Decision, DecisionEvent, MergePolicy, Proof, Subject},
    preferences::Overrides,
    store::{ConsentStore, MemoryStore, PreferenceChange, PreferenceStore},
};

use super::*;
use crate::support::faulty_store::{Fault, FaultyStore};

async fn decide<S: ConsentStore>(store: &S, who: &Subject, what: &str, decision: Decision, millis: u64) {
    let now = START.after(Duration::from_millis(millis));
    let purpose = Purpose::new(what, Category::Analytics);
    let mut proof = Proof::new(DecisionMethod::Custom, now);
    proof.source = Some(format!("source {millis}"));
    let consent_state = ConsentState::after(&purpose, &DecisionEvent::new(decision, 1, now));
    let record = ConsentRecord::new(who.clone(), PurposeId::new(what).unwrap(), consent_state, proof).unwrap();
    store.record_consents(vec![record]).await.unwrap();
}

/// A user with two visitors, decisions, preferences and events; and another user on the same
/// browser.
async fn fill<S: Store>(store: &S, events: u64) -> [VisitorId; 2] {
    let visitors = [(); 2].map(|()| VisitorId::generate().unwrap());
    for (visitor, millis) in visitors.iter().zip([1, 2]) {
        decide(store, &Subject::Visitor(*visitor), "analytics", Decision::Granted, millis).await;
    }
    store.link_visitor(visitors[0], user("ada"), MergePolicy::CarryGrants, START).await.unwrap();
    decide(store, &user("ada").into(), "marketing", Decision::Denied, 3).await;
    decide(store, &user("bob").into(), "marketing", Decision::Granted, 4).await;
    let patch = json!({ "theme": "dark", "notifications": { "sms": true }, "own": [1, null, { "deep": "ü" }] });
    let patch = Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys().patch(&patch).unwrap();
    store.change_preferences(user("ada"), patch, None).await.unwrap();
    let mut early = event("ada", "before the login");
    (early.user, early.visitor) = (None, Some(visitors[0]));
    let mut of_bob = event("bob", "on her browser");
    of_bob.visitor = Some(visitors[0]);
    let mut stranger = event("ada", "somebody else");
    (stranger.user, stranger.visitor) = (None, Some(visitors[1]));
    append(store, entries(2, 1, [early, of_bob, stranger])).await;
    let all: Vec<_> = (0..events).map(|number| event("ada", &format!("number {number}"))).collect();
    for (first, part) in (0u64..).step_by(1_000).zip(all.chunks(1_000)) {
        append(store, entries(1, first + 1, part.iter().cloned())).await;
    }
    visitors
}

/// The text without the list of audit entries, which grows with each export.
fn without_audit(text: &str) -> String {
    let (before, rest) = text.split_once("\"audit\":[").unwrap();
    let (_, after) = rest.split_once("],\"sources\"").unwrap();
    format!("{before}{after}")
}

async fn document(guestbook: &Guestbook, name: &str) -> (Vec<usize>, Value, String) {
    read(guestbook.rights().export(&user(name)).await.unwrap()).await
}

#[tokio::test]
async fn export_has_all_data_in_bounded_parts_and_is_deterministic() {
    let place = Place::new();
    let store = place.open();
    let visitors = fill(&store, 5_000).await;
    let (guestbook, clock) = whole(store.clone(), &place, Addresses::new(&place));
    let (sizes, document_of_ada, text) = document(&guestbook, "ada").await;
    assert!(sizes.len() >= 7 && sizes.iter().all(|size| (1..400_000).contains(size)), "{sizes:?}");
    assert_eq!(
        document_of_ada.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "activities",
            "audit",
            "consent",
            "controller",
            "export_date",
            "holds",
            "preferences",
            "purposes",
            "requests",
            "restriction",
            "retention",
            "schema_version",
            "sessions",
            "sources",
            "user_id"
        ]
    );
    clock.advance(Duration::from_millis(1_234));
    let (_, _, again) = document(&guestbook, "ada").await;
    let date = |text: &str, millis: i64| {
        let date = format!("\"export_date\":{}", START.as_millis() + millis);
        assert!(text.contains(&date), "{}", &text[..200]);
        without_audit(&text.replace(&date, ""))
    };
    assert_eq!(date(&text, 0), date(&again, 1_234), "but for the date, and that there was an export before");

    // Each event as the store gives it, hers first, then what she did before she logged in.
    let events = document_of_ada["activities"].as_array().unwrap();
    assert_eq!(events.len(), 5_001);
    let stored = store.history(HistoryQuery::new(of("ada")).limit(1_000)).await.unwrap();
    for (exported, stored) in events[4_000..5_000].iter().rev().zip(&stored.activities) {
        assert_eq!(*exported, serde_json::to_value(stored).unwrap());
    }
    assert_eq!(events[5_000]["event_data"]["data"], "before the login");
    assert!(!text.contains("on her browser") && !text.contains("somebody else"));
    // The decisions of the visitor who was linked, and who they are.
    let consents = document_of_ada["consent"].as_array().unwrap();
    assert_eq!(consents.len(), 3);
    let of_visitor: Vec<_> = consents.iter().filter(|record| record.get("visitor_id").is_some()).collect();
    assert_eq!(of_visitor.len(), 1);
    assert_eq!(of_visitor[0]["visitor_id"], visitors[0].as_uuid().to_string());
    let (_, of_bob, _) = document(&guestbook, "bob").await;
    assert_eq!(of_bob["consent"].as_array().unwrap().len(), 1);
    assert_eq!(of_bob["activities"].as_array().unwrap().len(), 1);
    let (_, nobody, _) = document(&guestbook, "nobody").await;
    assert_eq!(
        (&nobody["activities"], &nobody["consent"], &nobody["preferences"]),
        (&json!([]), &json!([]), &json!({}))
    );
}

#[tokio::test]
async fn export_can_fill_another_store() {
    let place = Place::new();
    let store = place.open();
    fill(&store, 10).await;
    let (guestbook, _clock) = whole(store.clone(), &place, Addresses::new(&place));
    let (_, document, _) = document(&guestbook, "ada").await;
    let (fresh, ada) = (MemoryStore::new(), user("ada"));

    let overrides = Overrides::from_json(document["preferences"].to_string().as_bytes()).unwrap();
    let schema = Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys();
    let patch = schema.patch(&document["preferences"]).unwrap();
    let change = fresh.change_preferences(ada.clone(), patch, None).await.unwrap();
    let PreferenceChange::Stored(stored) = change else { panic!("{change:?}") };
    assert_eq!(stored.overrides, overrides);
    assert_eq!(stored.overrides, store.preferences(ada.clone()).await.unwrap().overrides);

    // The last stored comes first.
    for record in document["consent"].as_array().unwrap().iter().rev() {
        let subject: Subject = match record.get("visitor_id") {
            Some(visitor) => serde_json::from_value::<VisitorId>(visitor.clone()).unwrap().into(),
            None => ada.clone().into(),
        };
        let record = ConsentRecord::new(
            subject,
            serde_json::from_value(record["purpose"].clone()).unwrap(),
            serde_json::from_value(record.clone()).unwrap(),
            Proof::from_json(record.to_string().as_bytes()).unwrap(),
        );
        fresh.record_consents(vec![record.unwrap()]).await.unwrap();
    }
    let subject = Subject::User(ada);
    let consent_states = |consent_states: tower_guestbook::consent::ConsentStates| {
        let of = |what: &str| consent_states.get(&PurposeId::new(what).unwrap()).copied();
        [of("analytics"), of("marketing")]
    };
    let original = consent_states(store.consents(subject.clone()).await.unwrap());
    assert_eq!(consent_states(fresh.consents(subject.clone()).await.unwrap()), original);
    let proofs = async |records: Vec<ConsentRecord>| {
        records.into_iter().map(|record| (record.purpose, record.consent_state, record.proof)).collect::<Vec<_>>()
    };
    let mut of_user = store.consent_history(subject.clone(), 100, None).await.unwrap();
    of_user.retain(|record| record.subject == subject);
    let mine = fresh.consent_history(subject.clone(), 100, None).await.unwrap();
    assert_eq!(proofs(mine).await, proofs(of_user).await);
}

#[tokio::test]
async fn export_ends_with_the_error_of_the_store() {
    let store = FaultyStore::default();
    fill(&*store.store, 3_000).await;
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.build().unwrap();
    for parts in 0..4 {
        let mut export = guestbook.rights().export(&user("ada")).await.unwrap();
        for _ in 0..parts {
            export.next().await.unwrap().unwrap();
        }
        store.set(Fault::Failing);
        let error = loop {
            match export.next().await.expect("it does not end as if it were whole") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(export.next().await.is_none(), "and that is all");
        store.set(Fault::Good);
    }
    store.set(Fault::Failing);
    assert!(guestbook.rights().export(&user("ada")).await.is_err());
}

#[tokio::test]
async fn export_that_is_dropped_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    fill(&store, 3_000).await;
    let (guestbook, _clock) = whole(store.clone(), &place, Addresses::new(&place));
    let (_, _, whole_text) = document(&guestbook, "ada").await;
    for parts in 0..5 {
        let mut export = guestbook.rights().export(&user("ada")).await.unwrap();
        for _ in 0..parts {
            export.next().await.unwrap().unwrap();
        }
        // Also while a part is on its way.
        let mut next = Box::pin(export.next());
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context))).await;
        drop((first, next));
        drop(export);
    }
    assert_eq!(without_audit(&document(&guestbook, "ada").await.2), without_audit(&whole_text));
    assert!(guestbook.rights().erase(&user("ada")).await.unwrap().is_clean, "no reader is left behind");
}
