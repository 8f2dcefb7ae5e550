//! Analytics, with equal answers from each store.

#[cfg(feature = "sqlite")]
mod behaviour;
mod edges;
mod load;
mod objections;
mod oracle;
mod reports;
mod rollups;
mod series;
mod stays;
mod zones;

use std::sync::Arc;

use serde_json::json;
use tower_guestbook::{
    Clock, Guestbook, SessionId, Timestamp, UserId,
    activity::{ActivityFilter, Entry, Event, EventData, EventId, EventLimits, EventType},
    analytics::{AnalyticsRules, Overview, Range, Zone},
    store::{Commit, MemoryStore, SqliteStore, Store},
};

const MINUTE: i64 = 60_000;
/// Midnight in UTC.
const DAY: i64 = 1_799_971_200_000;

fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn range(from: &str, until: &str) -> Range {
    Range::new(at(from), at(until)).unwrap()
}

fn login(user: i64, time: &str) -> Event {
    let mut event = Event::new(EventType::LOGIN, at(time));
    event.user = Some(UserId::from(user));
    event
}

fn view(page: &str, time: &str) -> Event {
    let mut event = Event::new(EventType::PAGE_VIEW, at(time));
    event.data = Some(EventData::new(&json!({ "page": page }), &EventLimits::default()).unwrap());
    event
}

fn session(number: u128) -> SessionId {
    SessionId::from(uuid::Uuid::from_u128(number))
}

/// Creates a guestbook with these events, in this order, and a clock at `now`.
async fn guestbook(store: impl Store, events: Vec<Event>, now: &str, rules: AnalyticsRules) -> Guestbook {
    let entries = (1..).zip(events).map(|(number, event)| Entry { id: EventId { origin: 1, number }, event });
    let entries: Arc<[Entry]> = entries.collect();
    if !entries.is_empty() {
        store.append(entries, Commit::Relaxed).await.unwrap();
    }
    Guestbook::builder(store).clock(Clock::manual(at(now))).analytics(rules).build().unwrap()
}

async fn in_memory(events: Vec<Event>, now: &str) -> Guestbook {
    guestbook(MemoryStore::new(), events, now, AnalyticsRules::new()).await
}

fn event(number: u64, user: i64, session: Option<u128>, minute: i64, page: Option<&str>) -> Entry {
    let kind = if page.is_some() { EventType::PAGE_VIEW } else { EventType::LOGIN };
    let mut event = Event::new(kind, Timestamp::from_millis(DAY + minute * MINUTE));
    event.user = Some(UserId::from(user));
    event.session = session.map(|session| SessionId::from(uuid::Uuid::from_u128(session)));
    event.data = page.map(|page| EventData::new(&json!({ "page": page }), &EventLimits::default()).unwrap());
    Entry { id: EventId { origin: 1, number }, event }
}

fn events() -> Arc<[Entry]> {
    [
        event(1, 1, Some(1), 0, Some("/a")),
        // Late: its time lies between those of others.
        event(2, 1, Some(1), 40, Some("/b")),
        event(3, 1, Some(1), 10, Some("/a")),
        // Another visit: the gap is more than 30 minutes.
        event(4, 1, Some(1), 71, None),
        event(5, 2, None, 5, Some("/a")),
        // Not in the range.
        event(6, 3, None, 24 * 60, Some("/a")),
    ]
    .into()
}

async fn overview<S: Store>(store: S, zone: Zone) -> Overview {
    store.append(events(), Commit::Relaxed).await.unwrap();
    let guestbook = Guestbook::builder(store).build().unwrap();
    let range = Range::new(Timestamp::from_millis(DAY), Timestamp::from_millis(DAY + 24 * 60 * MINUTE)).unwrap();
    guestbook.analytics().overview(range, zone, ActivityFilter::new(), 10).await.unwrap()
}

#[tokio::test]
async fn overview_equals_manual_counts() {
    let found = serde_json::to_value(overview(MemoryStore::new(), Zone::UTC).await).unwrap();
    assert_eq!((&found["events"], &found["active_users"], &found["days_active"]), (&json!(5), &json!(2), &json!(1)));
    assert_eq!(found["event_breakdown"], json!({ "login": 1, "page_view": 4 }));
    // `/a`: ten minutes, then thirty, which is not yet a gap; `/b` is followed by nothing within
    // thirty.
    let pages = json!([
        { "page": "/a", "views": 3, "unique_users": 2, "average_time_ms": 20 * MINUTE },
        { "page": "/b", "views": 1, "unique_users": 1, "average_time_ms": null },
    ]);
    assert_eq!(found["popular_pages"], pages);
    assert_eq!(found["top_users"], json!([{ "user_id": "1", "events": 4 }, { "user_id": "2", "events": 1 }]));
    assert_eq!((&found["activity_by_hour"][0], &found["activity_by_hour"][1]), (&json!(4), &json!(1)));
    // 40 minutes, one with a single page, and one with a login and no page.
    assert_eq!((&found["visits"]["count"], &found["visits"]["bounces"]), (&json!(3), &json!(1)));
    assert_eq!(found["visits"]["average_ms"], json!(40 * MINUTE / 3));
    assert_eq!(found["visits"]["average_without_bounces_ms"], json!(20 * MINUTE));
    assert_eq!((&found["visits"]["median_ms"], &found["visits"]["p95_ms"]), (&json!(0), &json!(40 * MINUTE)));
}

#[tokio::test]
async fn overview_is_equal_on_both_stores_in_each_zone() {
    let directory = tempfile::tempdir().unwrap();
    for (index, name) in ["UTC", "Asia/Kolkata", "America/New_York"].into_iter().enumerate() {
        let zone = Zone::named(name).unwrap();
        let file = SqliteStore::open(directory.path().join(format!("{index}.db"))).unwrap();
        assert_eq!(overview(file, zone.clone()).await, overview(MemoryStore::new(), zone).await, "{name}");
    }
}
