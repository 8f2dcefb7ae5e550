//! Activities as Parquet files, read back by a Parquet reader, and by DuckDB where it is installed.

use std::{path::Path, process::Command};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};
use serde_json::{Value, json};
use tower_guestbook::{
    Clock, ErrorKind, Guestbook, SessionId, Timestamp, UserId,
    activity::{
        ActivityFilter, Event, EventData, EventLimits, EventType, Method, Offload, OffloadedUsers, Outcome,
        RequestTrace, ResponseTrace,
    },
    analytics::Range,
    client::Agent,
    store::MemoryStore,
};

use crate::support::FIREFOX;

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// 2027-01-15T00:00:00Z.
const MIDNIGHT: i64 = 1_799_971_200_000;

fn guestbook() -> Guestbook {
    let clock = Clock::manual(Timestamp::from_millis(MIDNIGHT));
    Guestbook::builder(MemoryStore::new()).clock(clock).build().unwrap()
}

fn event(event_type: EventType, at: i64, user: Option<&str>) -> Event {
    let mut event = Event::new(event_type, Timestamp::from_millis(MIDNIGHT + at));
    event.user = user.map(|user| UserId::try_from(user).unwrap());
    event
}

/// An event with all fields.
fn full(at: i64, user: &str) -> Event {
    let mut event = event(EventType::PAGE_VIEW, at, Some(user)).with_client_time(Timestamp::from_millis(MIDNIGHT + 7));
    event.session = Some(SessionId::from(uuid::Uuid::from_u128(5)));
    event.data = Some(EventData::new(&json!({ "page": "/prices" }), &EventLimits::default()).unwrap());
    let mut request = RequestTrace::default();
    (request.route, request.method) = ("/prices/{id}".into(), Method::Get);
    request.referrer = Some("news.example".into());
    request.agent = Agent::from_user_agent(FIREFOX);
    request.network = Some(std::net::IpAddr::from([203, 0, 113, 7]).into());
    event.request = Some(request);
    event.response = Some(ResponseTrace::new(200, 1_500, 9_000, Outcome::Completed));
    event
}

async fn record(guestbook: &Guestbook, events: impl IntoIterator<Item = Event>) {
    for event in events {
        guestbook.recorder().record(event);
    }
    guestbook.flush().await.unwrap();
}

fn days(first: i64, last: i64) -> Range {
    let day = |day| Timestamp::from_millis(MIDNIGHT + day * DAY);
    Range::new(day(first), day(last)).unwrap()
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn as_json(row: &Row) -> Value {
    let value = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Int(number) => json!(number),
        Field::Long(number) | Field::TimestampMillis(number) => json!(number),
        Field::Str(text) => json!(text),
        field => panic!("a column of another type: {field:?}"),
    };
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

#[tokio::test]
async fn offload_writes_one_file_per_day_of_a_half_open_range() {
    let (guestbook, directory) = (guestbook(), tempfile::tempdir().unwrap());
    let at = [-1, 0, DAY - 1, DAY, 2 * DAY, 4 * DAY];
    record(&guestbook, at.map(|at| event(EventType::ACTION, at, None))).await;
    let written = guestbook.activities().offload(Offload::new(days(0, 4)), directory.path()).await.unwrap();
    let counts: Vec<_> = written.iter().map(|day| (day.day.as_str(), day.rows)).collect();
    assert_eq!(counts, [("2027-01-15", 2), ("2027-01-16", 1), ("2027-01-17", 1)]);
    for day in &written {
        assert_eq!(day.path, directory.path().join(format!("day={}/activities.parquet", day.day)));
        assert_eq!((rows(&day.path).len() as u64, day.bytes), (day.rows, day.path.metadata().unwrap().len()));
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3, "no folder for a day without events");
}

#[tokio::test]
async fn offload_writes_all_fields_and_nulls() {
    let (guestbook, directory) = (guestbook(), tempfile::tempdir().unwrap());
    record(&guestbook, [full(10, "ada"), event(EventType::LOGIN, 11, None)]).await;
    let offload = Offload::new(days(0, 1)).users(OffloadedUsers::Plain);
    let written = guestbook.activities().offload(offload, directory.path()).await.unwrap();
    let rows: Vec<_> = rows(&written[0].path).iter().map(as_json).collect();
    let said: Vec<_> = rows[0].as_object().unwrap().iter().filter(|(name, _)| !name.contains("time")).collect();
    let said: serde_json::Map<_, _> = said.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    assert_eq!(
        Value::Object(said),
        json!({
            "sequence": 1, "event_type": "page_view", "user_id": "ada",
            "session_id": "00000000-0000-0000-0000-000000000005", "visitor_id": null,
            "method": "GET", "route": "/prices/{id}", "referrer": "news.example",
            "utm_source": null, "utm_medium": null, "utm_campaign": null, "utm_term": null, "utm_content": null,
            "browser": "Firefox", "browser_major": 140, "system": "Linux", "device": "desktop",
            "network": "203.0.113.0/24", "status": 200, "latency_us": 1_500, "bytes": 9_000, "outcome": "completed",
            "event_data": "{\"page\":\"/prices\"}", "origin": "server",
        })
    );
    let null = rows[1].as_object().unwrap().iter().filter(|(_, value)| value.is_null()).count();
    assert_eq!((rows[1]["event_type"].as_str(), null), (Some("login"), 22));
}

#[tokio::test]
async fn offload_users_defaults_to_pseudonyms() {
    let guestbook = guestbook();
    record(&guestbook, [event(EventType::LOGIN, 1, Some("ada")), event(EventType::LOGIN, 2, Some("ben"))]).await;
    record(&guestbook, [event(EventType::LOGIN, DAY, Some("ada"))]).await;
    let named = async |users: Option<OffloadedUsers>| {
        let directory = tempfile::tempdir().unwrap();
        let offload = Offload::new(days(0, 2));
        let offload = users.map_or(offload.clone(), |users| offload.users(users));
        let written = guestbook.activities().offload(offload, directory.path()).await.unwrap();
        let rows: Vec<_> = written.iter().flat_map(|day| rows(&day.path)).collect();
        rows.iter().map(|row| as_json(row)["user_id"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(named(Some(OffloadedUsers::Omitted)).await, [None, None, None]);
    assert_eq!(named(Some(OffloadedUsers::Plain)).await.iter().flatten().collect::<Vec<_>>(), ["ada", "ben", "ada"]);
    let pseudonyms = named(None).await;
    assert_eq!(pseudonyms[0], pseudonyms[2], "the same user in each file");
    assert_ne!(pseudonyms[0], pseudonyms[1]);
    // Digits of a hash, which may contain any short name by chance.
    assert!(pseudonyms.iter().flatten().all(|name| name.len() == 64 && name.bytes().all(|c| c.is_ascii_hexdigit())));
    assert_eq!(named(None).await, pseudonyms, "and in each run");
}

#[tokio::test]
async fn offload_again_replaces_files_and_removes_empty_days() {
    let (guestbook, directory) = (guestbook(), tempfile::tempdir().unwrap());
    record(&guestbook, [event(EventType::LOGIN, 1, Some("ada")), event(EventType::LOGIN, DAY, Some("ada"))]).await;
    record(&guestbook, [event(EventType::LOGIN, DAY + 1, Some("ben"))]).await;
    let activities = guestbook.activities();
    assert_eq!(activities.offload(Offload::new(days(0, 2)), directory.path()).await.unwrap().len(), 2);
    guestbook.rights().erase(&UserId::try_from("ada").unwrap()).await.unwrap();
    let written = activities.offload(Offload::new(days(0, 2)), directory.path()).await.unwrap();
    assert_eq!(written.iter().map(|day| (day.day.as_str(), day.rows)).collect::<Vec<_>>(), [("2027-01-16", 1)]);
    assert!(!directory.path().join("day=2027-01-15/activities.parquet").exists());
}

#[tokio::test]
async fn offload_filter_and_many_rows_are_complete() {
    let (guestbook, directory) = (guestbook(), tempfile::tempdir().unwrap());
    for chunk in 0..35 {
        record(&guestbook, (0..2_000).map(|n| event(EventType::ACTION, chunk * 2_000 + n, None))).await;
    }
    record(&guestbook, [event(EventType::LOGIN, 1, Some("ada"))]).await;
    let offload = Offload::new(days(0, 1)).filter(ActivityFilter::new().event_type(EventType::ACTION));
    let written = guestbook.activities().offload(offload, directory.path()).await.unwrap();
    let mut sequences: Vec<_> = rows(&written[0].path).iter().map(|row| as_json(row)["sequence"].as_i64()).collect();
    assert_eq!((sequences.len(), written[0].rows), (70_000, 70_000));
    assert!(sequences.is_sorted());
    sequences.dedup();
    assert_eq!(sequences.len(), 70_000, "each once");
}

#[tokio::test]
async fn offload_error_leaves_no_complete_looking_file() {
    let (guestbook, directory) = (guestbook(), tempfile::tempdir().unwrap());
    record(&guestbook, [event(EventType::LOGIN, 1, None)]).await;
    let file = directory.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = guestbook.activities().offload(Offload::new(days(0, 1)), &file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = guestbook.activities().offload(Offload::new(days(0, 4_000)), &file).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("ten years")), (ErrorKind::InvalidInput, true));
}

/// Runs the query of the docs over these files.
#[tokio::test]
async fn duckdb_computes_the_same_funnel_from_offloaded_files() {
    if std::env::var_os("GUESTBOOK_ORACLES").is_none() {
        return;
    }
    let (guestbook, directory) = (guestbook(), tempfile::tempdir().unwrap());
    let seen = |at, user| {
        let mut event = full(at, user);
        event.request.as_mut().unwrap().route = "/prices".into();
        event
    };
    let bought = |at, user| event(EventType::PURCHASE, at, Some(user));
    let events = [
        // One buys, one bought before, one a moment too late, one only looks, one at the last
        // moment.
        [seen(10, "ada"), bought(20, "ada")],
        [bought(10, "ben"), seen(20, "ben")],
        [seen(0, "cleo"), bought(14 * DAY + 1, "cleo")],
        [seen(5, "dora"), seen(6, "dora")],
        [seen(0, "emil"), bought(14 * DAY, "emil")],
    ];
    record(&guestbook, events.into_iter().flatten()).await;
    guestbook.activities().offload(Offload::new(days(0, 20)), directory.path()).await.unwrap();
    let docs = include_str!("../../../src/engine/activities/offload/mod.rs");
    let (_, query) = docs.split_once("```sql").unwrap();
    let (query, _) = query.split_once("```").unwrap();
    let query = query.replace("///", "").replace("DIRECTORY", directory.path().to_str().unwrap());
    let program = "import duckdb, sys; print(*duckdb.sql(sys.argv[1].strip().rstrip(';')).fetchall()[0])";
    let output = Command::new("python3").args(["-c", program, &query]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "5 2");
}

#[tokio::test]
async fn offload_excludes_restricted_users_and_refused_purposes() {
    use tower_guestbook::{
        consent::{Category, ConsentRules, Mode, Purpose, PurposeId, Purposes},
        privacy::RestrictionReason,
    };
    let counting = Purpose::new("analytics", Category::Analytics).mode(Mode::ExemptWithObjection);
    let rules = ConsentRules::new(Purposes::builder().purpose(counting).build().unwrap());
    let clock = Clock::manual(Timestamp::from_millis(MIDNIGHT));
    let guestbook = Guestbook::builder(MemoryStore::new()).clock(clock).consent(rules).build().unwrap();
    let events =
        ["ada", "ben", "cid"].map(|user| [EventType::PAGE_VIEW, EventType::LOGIN].map(|of| event(of, 1, Some(user))));
    record(&guestbook, events.into_iter().flatten().chain([event(EventType::PAGE_VIEW, 2, None)])).await;
    let directory = tempfile::tempdir().unwrap();
    let written = async || {
        let offload = Offload::new(days(0, 1)).users(OffloadedUsers::Plain);
        let days = guestbook.activities().offload(offload, directory.path()).await.unwrap();
        let rows = rows(&days[0].path);
        let name = |row: &Row| [as_json(row)["user_id"].clone(), as_json(row)["event_type"].clone()];
        rows.iter().map(name).map(|[user, of]| format!("{user} {of}").replace('"', "")).collect::<Vec<_>>().join(", ")
    };
    let all = "ada page_view, ada login, ben page_view, ben login, cid page_view, cid login, null page_view";
    assert_eq!(written().await, all);
    let [ada, ben] = ["ada", "ben"].map(|name| UserId::try_from(name).unwrap());
    guestbook.rights().object(&ada, [PurposeId::ANALYTICS]).await.unwrap();
    guestbook.rights().restrict(&ben, RestrictionReason::Accuracy).await.unwrap();
    assert_eq!(written().await, "ada login, cid page_view, cid login, null page_view");
}
