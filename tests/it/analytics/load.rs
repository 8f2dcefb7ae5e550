//! Many queries at the same time, and queries over too many events.

use std::time::Duration;

use tower_guestbook::{
    ErrorKind, UserId,
    activity::EventType,
    analytics::{Analytics, AnalyticsRules, EventFilter, Funnel, FunnelStep, Period, Zone},
    store::MemoryStore,
};

use super::{at, guestbook, login, range};
use crate::support::faulty_store::{Fault, FaultyStore};

const DAY: (&str, &str) = ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");

async fn funnel(analytics: Analytics) -> tower_guestbook::Result<u64> {
    let funnel = Funnel::new([FunnelStep::new(EventType::LOGIN)]);
    Ok(analytics.funnel(range(DAY.0, DAY.1), funnel).await?.stages[0].actors)
}

/// Lets spawned tasks run as far as they can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn queries_beyond_max_concurrent_events_are_unavailable() {
    let store = FaultyStore::default();
    let rules = AnalyticsRules::new().max_concurrent_events(1).max_wait(Duration::from_millis(100));
    let events = vec![login(1, DAY.0), login(2, "2026-11-25T01:00:00Z")];
    let analytics = guestbook(store.clone(), events, DAY.1, rules).await.analytics().clone();
    assert_eq!(funnel(analytics.clone()).await.unwrap(), 2, "more than all of the room is all of it");
    store.set(Fault::Stuck);
    let first = tokio::spawn(funnel(analytics.clone()));
    settle().await;
    let error = funnel(analytics.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.kind().status().as_u16()), (ErrorKind::Unavailable, 503), "{error}");
    let overview = analytics.overview(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new(), 10);
    assert_eq!(overview.await.unwrap_err().kind(), ErrorKind::Unavailable);
    // The caller leaves.
    first.abort();
    let _ = first.await;
    store.set(Fault::Good);
    assert_eq!(funnel(analytics).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn on_behalf_of_runs_one_query_per_user() {
    let store = FaultyStore::default();
    let rules = AnalyticsRules::new().max_wait(Duration::from_secs(1));
    let analytics = guestbook(store.clone(), vec![login(1, DAY.0)], DAY.1, rules).await.analytics().clone();
    let (ada, eve) = (UserId::from(1), UserId::from(2));
    store.set(Fault::Stuck);
    let first = tokio::spawn(funnel(analytics.on_behalf_of(&ada)));
    settle().await;
    store.set(Fault::Good);
    for _ in 0..3 {
        assert_eq!(funnel(analytics.on_behalf_of(&ada)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let summary = analytics.on_behalf_of(&ada).user_summary(ada.clone()).await;
    assert_eq!(summary.unwrap_err().kind(), ErrorKind::Unavailable);
    let journey = analytics.on_behalf_of(&ada).journey(ada.clone(), None, range(DAY.0, DAY.1), 10).await;
    assert_eq!(journey.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(funnel(analytics.on_behalf_of(&eve)).await.unwrap(), 1);
    assert_eq!(funnel(analytics.clone()).await.unwrap(), 1, "dashboards do not wait for a user");
    first.abort();
    let _ = first.await;
    assert_eq!(funnel(analytics.on_behalf_of(&ada)).await.unwrap(), 1);
    // Twenty at once: one after the other.
    let many = (0..20).map(|_| tokio::spawn(funnel(analytics.on_behalf_of(&ada)))).collect::<Vec<_>>();
    for one in many {
        assert_eq!(one.await.unwrap().unwrap(), 1);
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn system_report_survives_a_burst_of_events() {
    let now = "2026-11-25T12:05:00Z";
    let mut events = vec![login(1, "2026-11-25T09:00:00Z"), login(2, "2026-11-25T10:00:00Z")];
    // In the current hour, which is not rolled up.
    events.extend((0..50).map(|_| login(3, "2026-11-25T12:01:00Z")));
    let rules = AnalyticsRules::new().max_events(20).roll_up_every(None);
    let directory = tempfile::tempdir().unwrap();
    let store = tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let file = guestbook(store, events.clone(), now, rules.clone()).await;
    let (analytics, all) = (file.analytics(), EventFilter::new);
    let overview = async || analytics.overview(range(DAY.0, now), Zone::UTC, all(), 10).await;
    assert_eq!(overview().await.unwrap_err().kind(), ErrorKind::TooLarge, "nothing is rolled up yet");
    analytics.roll_up().await.unwrap();

    let found = overview().await.unwrap();
    assert_eq!((found.events, found.active_users, found.visits.count), (2, 2, 2));
    assert_eq!(found.unread, [range("2026-11-25T11:00:00Z", now)]);
    let report = analytics.system_report(at(now)).await.unwrap();
    assert_eq!((report.activities_24h, report.unread), (2, found.unread.clone()));
    let series = analytics.activity_series(range(DAY.0, now), Period::Hour, Zone::UTC, all()).await.unwrap();
    assert_eq!(series.buckets.iter().map(|bucket| bucket.events).sum::<u64>(), 2);
    assert_eq!(series.unread, found.unread);
    let active = analytics.active_users_series(range(DAY.0, now), Zone::UTC, all()).await.unwrap();
    assert_eq!((active.days[0].daily, active.unread), (2, found.unread));

    // Everything can be read: nothing is missing.
    let quiet = guestbook(MemoryStore::new(), events[..2].to_vec(), now, rules.clone()).await;
    let whole = quiet.analytics().overview(range(DAY.0, now), Zone::UTC, all(), 10).await.unwrap();
    assert!(whole.unread.is_empty() && serde_json::to_value(&whole).unwrap().get("unread").is_none());
    let memory = guestbook(MemoryStore::new(), events, now, rules).await;
    let error = memory.analytics().overview(range(DAY.0, now), Zone::UTC, all(), 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "memory has nothing rolled up");
}
