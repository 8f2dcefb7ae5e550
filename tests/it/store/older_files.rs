//! Database files of earlier versions are opened, migrated, and keep their data.
//!
//! `tests/fixtures/schema-16.db` was written through the public API by the version with that
//! schema: Ada has one remembered session (its token is [`TOKEN`]), two decisions, preferences, six
//! activities and an open request for access; Bob's processing is restricted; Eve is erased; an
//! anonymous session holds one value.
//!
//! `tests/fixtures/schema-21.db`, likewise: Ada has two decisions, four page views and an open
//! request for access; Bob's activities are under a legal hold and his processing is restricted;
//! three days later retention has deleted two audit entries and signed a checkpoint, and the events
//! are rolled up.

use std::{fs, path::Path, time::Duration};

use axum::http::StatusCode;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tower_guestbook::{
    Clock, Guestbook, UserId,
    activity::ActivityFilter,
    consent::{Category, ConsentRules, Decision, Purpose, PurposeId, Purposes, Subject},
    preferences::{PreferenceRules, StandardPreferences, Theme},
    privacy::RequestKind,
    session::Realm,
    store::{RequestQuery, SqliteStore},
};

use crate::support::{self, START, TestClient, minutes};

fn user(name: &str) -> UserId {
    UserId::try_from(name).unwrap()
}

fn guestbook(store: SqliteStore, clock: &Clock) -> Guestbook {
    let purposes = Purposes::builder()
        .purpose(Purpose::new("analytics", Category::Analytics).expiry(Duration::from_secs(180 * 86_400)))
        .purpose(Purpose::new("marketing", Category::Marketing).expiry(Duration::from_secs(180 * 86_400)));
    let rules = ConsentRules::new(purposes.build().unwrap()).accept_grants_without_notice();
    let preferences = PreferenceRules::<StandardPreferences>::standard().unwrap();
    Guestbook::builder(store).clock(clock.clone()).consent(rules).preferences(preferences).build().unwrap()
}

/// Opens a copy of the fixture of schema 16, with the clock three hours after its first event.
fn open(directory: &TempDir) -> (SqliteStore, Guestbook, Clock) {
    open_schema(16, directory)
}

fn open_schema(schema: u32, directory: &TempDir) -> (SqliteStore, Guestbook, Clock) {
    let path = directory.path().join("guestbook.db");
    let fixture = format!("tests/fixtures/schema-{schema}.db");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture), &path).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let clock = Clock::manual(START.after(minutes(184)));
    (store.clone(), guestbook(store, &clock), clock)
}

#[tokio::test]
async fn schema_16_keeps_sessions_activities_decisions_and_preferences() {
    let directory = TempDir::new().unwrap();
    let (store, book, _) = open(&directory);
    let mut ada = TestClient::with_cookie(&support::app(&book), TOKEN);
    assert_eq!(ada.user().await.as_deref(), Some("ada"));
    assert_eq!(ada.value("theme").await, "dark");
    let sessions = book.sessions().list(&user("ada")).await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].created_at, START);
    assert_eq!(sessions[0].realm, Realm::default());
    assert_eq!(book.sessions().credential_epoch(&user("ada")).await.unwrap().number(), 0);
    let admins = Guestbook::builder(store.clone()).realm(Realm::try_from("admins").unwrap()).build().unwrap();
    assert_eq!(TestClient::with_cookie(&support::app(&admins), TOKEN).user().await, None);

    let activities = book.activities();
    assert_eq!(activities.count(ActivityFilter::new().user(user("ada"))).await.unwrap(), 6);
    assert_eq!(activities.count(ActivityFilter::new()).await.unwrap(), 9);
    let states = book.consents().unwrap().consent_states(&Subject::User(user("ada"))).await.unwrap();
    assert_eq!(states.len(), 2);
    let preferences = book.preferences::<StandardPreferences>().unwrap();
    assert_eq!(preferences.get(&user("ada")).await.unwrap().value.theme, Theme::Dark);

    book.shutdown().await;
    store.close().await.unwrap();
    let raw = Connection::open(directory.path().join("guestbook.db")).unwrap();
    let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let broken = raw.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
    assert!(!broken, "a reference leads nowhere");
}

#[tokio::test]
async fn schema_16_keeps_rights_and_the_audit_trail() {
    let directory = TempDir::new().unwrap();
    let (_, book, _) = open(&directory);
    let rights = book.rights();
    let requests = rights.requests(RequestQuery::new()).await.unwrap();
    assert_eq!(requests.iter().map(|request| request.kind).collect::<Vec<_>>(), [RequestKind::Access]);
    assert!(rights.restriction_of(&user("bob")).await.unwrap().is_some());
    assert!(rights.erasure_of(&user("eve")).await.unwrap().is_some());
    let login = TestClient::new(&support::app(&book)).get("/login/eve").await;
    assert_ne!(login.status, StatusCode::OK, "an erased user logs in again");
    let report = book.audit().verify(None).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.entries, 4);
    let mut export = rights.export(&user("ada")).await.unwrap();
    let mut text = Vec::new();
    while let Some(part) = export.next().await {
        text.extend(part.unwrap());
    }
    let document: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(document["activities"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn schema_16_rollups_are_correct_or_rebuilt() {
    let directory = TempDir::new().unwrap();
    let (_, book, _) = open(&directory);
    book.analytics().roll_up().await.unwrap();
    let check = book.analytics().check_rollups().await.unwrap();
    assert_eq!(check.checked, 1);
    assert_eq!(check.wrong, []);
}

#[tokio::test]
async fn schema_22_renames_keep_data() {
    let directory = TempDir::new().unwrap();
    let (_, book, _) = open_schema(21, &directory);
    let rights = book.rights();
    let requests = rights.requests(RequestQuery::new()).await.unwrap();
    assert_eq!(requests.iter().map(|request| request.kind).collect::<Vec<_>>(), [RequestKind::Access]);
    let again = rights.file_request(&user("ada"), RequestKind::Access, None).await.unwrap();
    assert_eq!(again.request.id, requests[0].id, "a user has one open request of a kind");
    let holds = rights.holds_of(&user("bob")).await.unwrap();
    assert_eq!(holds.iter().map(|hold| &*hold.reason).collect::<Vec<_>>(), ["a lawsuit"]);
    assert!(rights.restriction_of(&user("bob")).await.unwrap().is_some());
    let consents = book.consents().unwrap();
    let states = consents.consent_states(&Subject::User(user("ada"))).await.unwrap();
    let decision = |purpose: &PurposeId| states.get(purpose).map(|state| state.decision);
    assert_eq!(decision(&PurposeId::ANALYTICS), Some(Decision::Granted));
    assert_eq!(decision(&PurposeId::MARKETING), Some(Decision::Denied));
    assert_eq!(consents.history(&Subject::User(user("ada")), 10, None).await.unwrap().len(), 2);
    assert_eq!(consents.rebuild().await.unwrap(), 0, "the states follow from the records");
    let report = book.audit().verify(None).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.dropped, report.entries), (2, 1), "filing it again changed nothing");
    let check = book.analytics().check_rollups().await.unwrap();
    assert_eq!((check.checked, check.wrong.len()), (2, 0));
}

/// The token of Ada's session.
const TOKEN: &str = "N_O6jAnAFmCEFxSPvY-8rPdUXgzKyDw8bH6mKV6e90U";
