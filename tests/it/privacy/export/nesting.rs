//! Deeply nested values: what is accepted can be exported, and an export can be read and imported.

use axum::http::StatusCode;
use tower_guestbook::{
    SessionId,
    activity::{Entry, Event, EventData, EventId, EventLimits, EventType},
    preferences::Schema,
    privacy::{Actor, AuditAction},
    session::{Changes, Lifetime, SessionCap, SessionData, SessionHead, SessionRecord},
    store::{ActivityStore, Commit, EpochRule, SessionStore},
};

use super::*;

/// The deepest value that is stored.
const MOST: usize = 100;

/// Nested arrays, to this depth.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

/// Preferences whose values may be anything.
fn guestbook_of_anything(store: MemoryStore) -> Guestbook {
    let schema = Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys();
    support::builder(store).0.preferences(PreferenceRules::new(schema)).build().unwrap()
}

#[test]
fn changes_refuse_a_value_of_more_than_100_levels() {
    let mut changes = Changes::default();
    for (levels, is_accepted) in [(1, true), (MOST, true), (MOST + 1, false), (127, false), (5_000, false)] {
        let value = nested_text(levels);
        let raw = serde_json::value::RawValue::from_string(value);
        let set = changes.set("deep", &raw.unwrap());
        assert_eq!(set.is_ok(), is_accepted, "{levels}");
        if let Err(error) = set {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert_eq!(error.to_string(), "too large: a session value has at most 100 levels of nesting");
        }
    }
}

fn nested_text(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

async fn of_deep_data(guestbook: &Guestbook) -> (StatusCode, StatusCode) {
    let app = axum::Router::new()
        .route("/login", axum::routing::get(async |session: tower_guestbook::Session| session.login("ada").await))
        .route(
            "/set/{levels}",
            axum::routing::get(
                async |session: tower_guestbook::Session, axum::extract::Path(levels): axum::extract::Path<usize>| {
                    session.insert("deep", &nested(levels))
                },
            ),
        )
        .route(
            "/update/{levels}",
            axum::routing::get(
                async |session: tower_guestbook::Session, axum::extract::Path(levels): axum::extract::Path<usize>| {
                    session.update("deep", |_: Option<Value>| Some(nested(levels))).await.map(drop)
                },
            ),
        )
        .layer(guestbook.session_layer());
    let mut client = support::TestClient::new(&app);
    client.ok("/login").await;
    client.ok(&format!("/set/{MOST}")).await;
    let (set, updated) = (client.get("/set/127").await, client.get("/update/127").await);
    (set.status, updated.status)
}

#[tokio::test]
async fn insert_and_update_refuse_what_an_export_could_not_be_read_with() {
    let guestbook = guestbook_of_anything(MemoryStore::new());
    let (set, updated) = of_deep_data(&guestbook).await;
    assert_eq!((set, updated), (StatusCode::PAYLOAD_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE));
    assert_eq!(document(&guestbook, "ada").await["sessions"][0]["data"]["deep"], nested(MOST));
}

#[tokio::test]
async fn an_export_passes_session_data_through_that_is_too_deep_to_be_read() {
    // As it was stored before there was a limit.
    let store = MemoryStore::new();
    let mut head = SessionHead::new(SessionId::generate(START).unwrap(), START, Lifetime::default());
    head.user = Some(user("ada"));
    let deep = nested_text(127);
    let data = SessionData::from_json(format!(r#"{{"deep":{deep},"hidden":{deep},"plain":1}}"#).as_bytes()).unwrap();
    let key = tower_guestbook::SessionToken::generate().unwrap().key();
    store.insert(key, SessionRecord { head, data }, SessionCap::default(), EpochRule::Keep, START).await.unwrap();
    let guestbook = support::builder(store).0.secret_session_keys(["hidden"]).build().unwrap();
    let exported = String::from_utf8(text(&guestbook, "ada").await).unwrap();
    let expected = format!(r#""data":{{"deep":{deep},"hidden":null,"plain":1}}"#);
    assert!(exported.contains(&expected), "{exported}");
    assert!(exported.ends_with("}}"), "it is whole");

    #[cfg(feature = "zip")]
    {
        let mut archive = guestbook.rights().export_archive(&user("ada")).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(part) = archive.next().await {
            bytes.extend(part.unwrap());
        }
        let mut zip = super::archive::open(&bytes);
        let index = (0..zip.len()).find(|index| zip.by_index(*index).unwrap().name().unwrap() == "sessions.ndjson");
        let mut lines = String::new();
        std::io::Read::read_to_string(&mut zip.by_index(index.unwrap()).unwrap(), &mut lines).unwrap();
        assert!(lines.contains(&expected) && lines.ends_with("}\n"), "{lines}");
    }
}

#[tokio::test]
async fn preferences_refuse_what_an_import_could_not_read_and_take_over_the_rest() {
    let guestbook = guestbook_of_anything(MemoryStore::new());
    let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
    // With the object itself and the category.
    let patch = |levels: usize| json!({ "ours": { "deep": nested(levels - 2) } });
    for levels in [MOST + 1, 127] {
        let error = preferences.update(&user("ada"), &patch(levels), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(error.to_string(), "too large: preferences have at most 100 levels of nesting");
        let error =
            guestbook.rights().rectify(&user("ada"), &json!({ "preferences": patch(levels) })).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    preferences.update(&user("ada"), &patch(MOST), None).await.unwrap();
    let exported = text(&guestbook, "ada").await;
    let other = guestbook_of_anything(MemoryStore::new());
    assert!(other.rights().import(&user("ada"), &exported).await.unwrap().preferences);
    assert_eq!(document(&other, "ada").await["preferences"], patch(MOST));
}

#[tokio::test]
async fn the_audit_trail_refuses_a_detail_that_could_not_be_read_again() {
    let guestbook = guestbook_of_anything(MemoryStore::new());
    let action = || AuditAction::custom("desk.looked").unwrap();
    let record =
        async |levels| guestbook.audit().record(action(), Actor::System, Some(&user("ada")), nested(levels)).await;
    for levels in [MOST + 1, 127] {
        assert_eq!(record(levels).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }
    record(MOST).await.unwrap();
    let entries = guestbook.audit().entries(0, 10, Some(&user("ada"))).await.unwrap();
    assert_eq!(entries[0].content().unwrap().unwrap().detail, nested(MOST));
    assert_eq!(document(&guestbook, "ada").await["audit"][0]["detail"], nested(MOST));
}

#[tokio::test]
async fn events_of_the_most_levels_are_exported() {
    let store = MemoryStore::new();
    let limits = EventLimits { bytes: 8_192, depth: MOST };
    let data = EventData::new(&json!({ "deep": nested(MOST - 1) }), &limits).unwrap();
    assert!(EventData::new(&json!({ "deep": nested(MOST) }), &limits).is_err());
    let mut event = Event::new(EventType::ACTION, START);
    (event.user, event.data) = (Some(user("ada")), Some(data));
    let id = EventId { origin: 1, number: 1 };
    store.append([Entry { id, event }].into(), Commit::Durable).await.unwrap();
    let guestbook = guestbook_of_anything(store);
    let document = document(&guestbook, "ada").await;
    assert_eq!(document["activities"][0]["event_data"]["deep"], nested(MOST - 1));
}
