//! Activities in a SQLite file.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Request, header},
    routing::post,
};
use http_body_util::BodyExt;
use rusqlite::Connection;
use serde_json::json;
use tower::ServiceExt;
use tower_guestbook::{
    ErrorKind, Guestbook, Session, SessionId, Timestamp, Tracker, UserId, VisitorId,
    activity::{
        ActivityFilter, Entry, Event, EventId, EventType, HistoryQuery, Method, Outcome, RequestTrace, ResponseTrace,
    },
    client::Agent,
    http::PeerAddress,
    store::{ActivityStore, Commit, SqliteStore},
};

use crate::support::{FIREFOX, START, UNDO_AFTER_SCHEMA_16, until};

/// A plain page view as the layer records it.
fn page_view(number: u64) -> Event {
    let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(START.as_millis() + number as i64 * 300));
    event.user = Some(UserId::from((number * 7_919 % 1_000) as i64));
    // Ten events per session.
    event.session = Some(SessionId::from(uuid::Uuid::from_u128(u128::from(number / 10) << 64 | 7)));
    let mut request = RequestTrace::default();
    request.route = format!("/section/{}", number % 40).into();
    request.method = Method::Get;
    request.agent = Agent::from_user_agent(FIREFOX);
    request.network = Some(std::net::IpAddr::from([203, 0, (number % 200) as u8, 7]).into());
    event.request = Some(request);
    event.response = Some(ResponseTrace::new(200, 200 + number % 20_000, 500 + number % 60_000, Outcome::Completed));
    event
}

fn entry(origin: u64, number: u64, event: Event) -> Entry {
    Entry { id: EventId { origin, number }, event }
}

async fn append(store: &SqliteStore, entries: Vec<Entry>) {
    store.append(entries.into(), Commit::Relaxed).await.unwrap();
}

/// Returns whether any file of the database contains these bytes.
fn found(directory: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test]
async fn page_view_takes_at_most_120_bytes_of_disk_with_indexes() {
    const ROWS: u64 = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    let empty = {
        store.append(Arc::new([]), Commit::Relaxed).await.unwrap();
        std::fs::metadata(&path).unwrap().len()
    };
    for first in (1..=ROWS).step_by(1_000) {
        append(&store, (first..first + 1_000).map(|number| entry(1, number, page_view(number))).collect()).await;
    }
    store.close().await.unwrap();
    let bytes = (std::fs::metadata(&path).unwrap().len() - empty) as f64 / ROWS as f64;
    println!("bytes a row: {bytes:.1}");
    assert!(bytes <= 120.0, "{bytes} bytes a row");
}

#[tokio::test]
async fn files_contain_no_secret_and_no_full_address() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let guestbook = Guestbook::builder(store.clone()).accept_bearer().accept_header("x-session-id").build().unwrap();
    let handler = async |session: Session, tracker: Tracker| {
        session.login("ada").await.unwrap();
        tracker.track("seen", &json!({ "needle": "kept" })).unwrap();
        ([(header::SET_COOKIE, "own=needleownsetcookie")], "needleresponsebody")
    };
    let app = Router::new().route("/login/{code}", post(handler)).fallback(async || "x").layer(guestbook.layer());
    let token = "needletokenneedletokenneedletokenneedletoke";
    let send = async |path: &str| {
        let mut request = Request::post(path)
            .header(header::USER_AGENT, format!("{FIREFOX} needleagent"))
            .header(header::COOKIE, "__Host-session=needlecookie; other=needleothercookie")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("x-session-id", token)
            .header("x-api-key", "needleapikey")
            .header("x-own", "needleheader")
            .header(header::REFERER, "https://news.example/needlereferrerpath?q=needlereferrerquery")
            .body(Body::from("needlerequestbody"))
            .unwrap();
        request.extensions_mut().insert(PeerAddress(([203, 0, 113, 77], 40_000).into()));
        let response = app.clone().oneshot(request).await.unwrap();
        let cookie = response.headers().get(header::SET_COOKIE).cloned();
        response.into_body().collect().await.unwrap();
        cookie
    };
    let cookie = send("/login/needlepathcode77?token=needlequery&needlekey=1").await;
    send("/reset/needle-at%40example.org?x=needlequery").await;
    guestbook.flush().await.unwrap();
    let history = guestbook.activities().history(HistoryQuery::new(ActivityFilter::new())).await.unwrap();
    assert_eq!(history.activities.len(), 4, "login, seen and two requests");
    // While the log is moved into the database, a reader of one file after the other may miss data.
    let kept = async || found(directory.path(), b"kept") && found(directory.path(), b"/login/{code}");
    until(kept).await;

    for closed in [false, true] {
        if closed {
            guestbook.shutdown().await;
            store.close().await.unwrap();
        }
        let issued = cookie.as_ref().unwrap().to_str().unwrap();
        let issued = issued.split(['=', ';']).nth(1).unwrap();
        for needle in [
            "needletoken",
            "needlecookie",
            "needleothercookie",
            "needleapikey",
            "needleheader",
            "needleagent",
            "needlereferrerpath",
            "needlereferrerquery",
            "needlerequestbody",
            "needleresponsebody",
            "needleownsetcookie",
            "needlequery",
            "needlekey",
            "needlepathcode77",
            "needle-at",
            "203.0.113.77",
            "Bearer",
            issued,
        ] {
            assert!(!found(directory.path(), needle.as_bytes()), "{needle} is in a file");
        }
        let address = [203u8, 0, 113, 77];
        assert!(!found(directory.path(), &address), "the address as bytes");
    }
}

#[tokio::test]
async fn open_migrates_a_database_of_the_first_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    let guestbook = Guestbook::builder(store.clone()).build().unwrap();
    let app = crate::support::app(&guestbook);
    let mut client = crate::support::TestClient::new(&app);
    client.ok("/login/ada").await;
    guestbook.shutdown().await;
    store.close().await.unwrap();
    // The first version has only sessions and users.
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(UNDO_AFTER_SCHEMA_16).unwrap();
    for table in [
        "activities",
        "activity_blocks",
        "activity_session_blocks",
        "activity_user_blocks",
        "activity_sessions",
        "agents",
        "audit_entries",
        "audit_payloads",
        "audit_checkpoint",
        // The records before the subjects that they refer to.
        "consent_records",
        "consent_refusals",
        "consent_subjects",
        "counters",
        "erasure_journal",
        "erasure_leftovers",
        "erasure_rows",
        "erasures",
        "event_types",
        "holds",
        "leases",
        "notices",
        "preferences",
        "recorded_events",
        "requests",
        "restrictions",
        "rollup_parts",
        "rollups",
        "routes",
        "secrets",
        "visitors",
    ] {
        raw.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    let left: Vec<String> = raw
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(left, ["ended_sessions", "sessions", "users"]);
    raw.execute_batch("PRAGMA user_version = 1").unwrap();
    drop(raw);

    let store = SqliteStore::open(&path).unwrap();
    let guestbook = Guestbook::builder(store.clone()).build().unwrap();
    client.app = crate::support::routes().layer(guestbook.layer());
    assert_eq!(client.user().await.as_deref(), Some("ada"), "still logged in");
    guestbook.flush().await.unwrap();
    let ada = ActivityFilter::new().user(UserId::try_from("ada").unwrap());
    assert_eq!(guestbook.activities().count(ada).await.unwrap(), 1);
}

#[tokio::test]
async fn append_from_two_writers_keeps_names_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let stores = [SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap()];
    let named = |number: u64, name: &str| {
        let mut event = page_view(number);
        event.user = Some(UserId::try_from(name).unwrap());
        event.event_type = EventType::new(name).unwrap();
        event
    };
    // Each caches names to which the other gives other ids, unless it invalidates its cache.
    for round in 0..20u64 {
        for (origin, store) in (0u64..).zip(&stores) {
            let names = [format!("name{}", round % 7), format!("own{origin}x{round}"), "shared".to_owned()];
            let entries =
                names.iter().zip(1..).map(|(name, number)| entry(origin, round * 3 + number, named(number, name)));
            append(store, entries.collect()).await;
        }
        if round % 5 == 4 {
            // Rows and their sessions are deleted while the other still has their ids cached.
            stores[0]
                .delete_activities(ActivityFilter::new().event_type(EventType::new("shared").unwrap()), 100)
                .await
                .unwrap();
        }
    }
    let history = stores[1].history(HistoryQuery::new(ActivityFilter::new()).limit(1_000)).await.unwrap();
    assert_eq!(history.activities.len(), 80);
    for activity in &history.activities {
        assert_eq!(activity.event.user.as_ref().unwrap().as_str(), activity.event.event_type.as_str());
        assert!(activity.event.session.is_some() && activity.event.request.is_some(), "no number points to nothing");
    }
}

#[tokio::test]
async fn failed_append_stores_nothing_and_the_next_batch_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    append(&store, vec![entry(1, 1, page_view(1))]).await;
    let mut own = page_view(2);
    own.user = Some(UserId::try_from("new user").unwrap());
    own.visitor = Some(VisitorId::from(uuid::Uuid::from_u128(3)));
    // A number that no store can keep makes the batch fail after its first entries.
    let broken = vec![entry(1, 2, own.clone()), entry(1, u64::MAX, page_view(3))];
    let error = store.append(broken.into(), Commit::Relaxed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // Names cached by a batch that was undone must be looked up again.
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TRIGGER full BEFORE INSERT ON activity_blocks BEGIN SELECT raise(ABORT, 'no'); END")
        .unwrap();
    store.append(vec![entry(1, 2, own.clone())].into(), Commit::Relaxed).await.unwrap_err();
    raw.execute_batch("DROP TRIGGER full").unwrap();
    append(&store, vec![entry(1, 2, own.clone())]).await;
    let history = store.history(HistoryQuery::new(ActivityFilter::new())).await.unwrap();
    let events: Vec<_> = history.activities.into_iter().map(|activity| activity.event).collect();
    assert_eq!(events, [own, page_view(1)]);
}

#[tokio::test]
async fn delete_activities_removes_data_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    let session = uuid::Uuid::from_u128(0x5e55_1011_5e55_1011_5e55_1011_5e55_1011);
    let visitor = uuid::Uuid::from_u128(0x7151_7041_7151_7041_7151_7041_7151_7041);
    let entries = (1..=2_000).map(|number| {
        let mut event = page_view(number);
        if number % 100 == 0 {
            event.session = Some(SessionId::from(session));
            event.visitor = Some(VisitorId::from(visitor));
            let mut trace = RequestTrace::default();
            trace.referrer = Some("needle.example".into());
            event.request = Some(trace);
        }
        entry(1, number, event)
    });
    append(&store, entries.collect()).await;
    assert!(found(directory.path(), session.as_bytes()) && found(directory.path(), visitor.as_bytes()));
    let of_session = ActivityFilter::new().session(SessionId::from(session));
    assert_eq!(store.delete_activities(of_session, 1_000).await.unwrap(), 20);
    store.close().await.unwrap();
    for needle in [session.as_bytes().as_slice(), visitor.as_bytes(), b"needle.example"] {
        assert!(!found(directory.path(), needle));
    }
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.delete_activities(ActivityFilter::new(), 10_000).await.unwrap(), 1_980);
    store.close().await.unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(UNDO_AFTER_SCHEMA_16).unwrap();
    for table in [
        "activities",
        "activity_blocks",
        "activity_session_blocks",
        "activity_user_blocks",
        "activity_sessions",
        "visitors",
    ] {
        let rows: i64 = raw.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn block_tables_match_the_rows_of_their_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    let check = |round: usize| {
        let raw = Connection::open(&path).unwrap();
        for (table, stored, counted) in [
            ("users", "SELECT segment << 8, block, user FROM activity_user_blocks", "user"),
            ("sessions", "SELECT 0, block, session FROM activity_session_blocks", "session"),
        ] {
            let segment = if counted == "user" { "sequence >> 18 << 8" } else { "0" };
            let counted = format!(
                "SELECT DISTINCT {segment}, sequence >> 10, {counted} FROM activities WHERE {counted} IS NOT NULL"
            );
            let differs = format!(
                "SELECT count(*) FROM (SELECT * FROM ({counted} EXCEPT {stored}) UNION ALL SELECT * FROM ({stored} EXCEPT {counted}))"
            );
            let differs: i64 = raw.query_row(&differs, [], |row| row.get(0)).unwrap();
            assert_eq!(differs, 0, "{table} after round {round}");
        }
        let outside: i64 = raw
            .query_row(
                "SELECT count(*) FROM activities a LEFT JOIN activity_blocks b ON b.block = a.sequence >> 10
                 WHERE b.block IS NULL OR a.time NOT BETWEEN b.min_time AND b.max_time
                    OR b.types & (1 << a.type % 63) = 0",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(outside, 0, "after round {round}");
    };
    let mut number = 0;
    for round in 0..30 {
        // From one event to more than a block.
        let size = [1, 7, 300, 1_500][round % 4];
        append(
            &store,
            (0..size)
                .map(|_| {
                    number += 1;
                    entry(1, number, page_view(number * 31 % 5_000))
                })
                .collect(),
        )
        .await;
        check(round);
        let filter = ActivityFilter::new();
        let filter = match round % 3 {
            0 => filter.user(UserId::from((round as i64 * 37) % 1_000)),
            1 => filter.until(Timestamp::from_millis(START.as_millis() + round as i64 * 7_000)),
            _ => filter.session(page_view(round as u64 * 31 % 5_000).session.unwrap()),
        };
        store.delete_activities(filter, 200).await.unwrap();
        check(round);
    }
}
