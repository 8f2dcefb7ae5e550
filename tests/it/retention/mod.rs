//! Retention: what is old goes, everything else stays, whatever happens meanwhile.

mod anonymised;
#[cfg(feature = "sqlite")]
mod files;
mod processes;

use std::time::Duration;

use serde_json::json;
use tower_guestbook::{
    Clock, ErrorKind, Guestbook, GuestbookBuilder, Timestamp, UserId,
    activity::{ActivityFilter, Entry, Event, EventId, EventType, HistoryQuery, Order},
    retention::{Keep, RetentionRules},
    store::{ActivityStore, Commit, Store},
};

use crate::support::{
    self, START, TestClient,
    faulty_store::{Fault, FaultyStore},
    until,
};

const DAY: Duration = Duration::from_secs(86_400);

fn days(days: u32) -> Keep {
    Keep::For(DAY * days)
}

/// So long before [`START`].
fn ago(age: Duration) -> Timestamp {
    Timestamp::from_millis(START.as_millis() - age.as_millis() as i64)
}

fn event(event_type: EventType, time: Timestamp) -> Event {
    let mut event = Event::new(event_type, time);
    event.user = Some(UserId::from(time.as_millis() % 3));
    event
}

/// Stores this number of page views of this age.
fn views(count: usize, age: Duration) -> Vec<Event> {
    (0..count).map(|_| event(EventType::PAGE_VIEW, ago(age))).collect()
}

async fn store_all<S: ActivityStore>(store: &S, origin: u64, events: Vec<Event>) {
    let entries: Vec<_> =
        (1..).zip(events).map(|(number, event)| Entry { id: EventId { origin, number }, event }).collect();
    for batch in entries.chunks(1_000) {
        store.append(batch.into(), Commit::Relaxed).await.unwrap();
    }
}

async fn left<S: ActivityStore>(store: &S) -> Vec<Event> {
    let query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst).limit(1_000);
    store.history(query).await.unwrap().activities.into_iter().map(|activity| activity.event).collect()
}

async fn count<S: ActivityStore>(store: &S) -> u64 {
    store.count(ActivityFilter::new()).await.unwrap()
}

fn guestbook<S: Store>(store: S, rules: RetentionRules) -> (Guestbook, Clock) {
    let (builder, clock): (GuestbookBuilder<S>, Clock) = support::builder(store);
    (builder.retention(rules).build().unwrap(), clock)
}

/// The most specific rule wins, to the millisecond, for every user; a dry run says the same before.
async fn the_rules_decide<S: Store + Clone>(store: S) {
    let own = EventType::new("own").unwrap();
    let rules = RetentionRules::new()
        .max_fraction(1.0)
        .keep_activities(days(10))
        .keep_event_type(EventType::LOGIN, days(20))
        .keep_event_type(EventType::ERROR, days(5))
        .keep_event_type(own.clone(), Keep::Forever);
    let kept = |event_type: &EventType| match event_type.as_str() {
        "login" => Some(20),
        "error" => Some(5),
        "logout" => Some(365),
        "own" => None,
        _ => Some(10),
    };
    let mut events = Vec::new();
    for event_type in [EventType::LOGIN, EventType::ERROR, own, EventType::PAGE_VIEW, EventType::LOGOUT] {
        for limit in [5, 10, 20, 365, 9_999] {
            for millis in [-1, 0, 1] {
                let time = ago(DAY * limit).as_millis() + millis;
                events.push(event(event_type.clone(), Timestamp::from_millis(time)));
            }
        }
    }
    store_all(&store, 1, events.clone()).await;
    let is_kept = |event: &Event| kept(&event.event_type).is_none_or(|days| event.time >= ago(DAY * days));
    let expected: Vec<_> = events.iter().filter(|event| is_kept(event)).cloned().collect();
    assert!(expected.len() > 15 && expected.len() < events.len() - 15);

    let (guestbook, _) = guestbook(store.clone(), rules);
    let would = guestbook.retention().dry_run().await.unwrap();
    assert!(would.dry_run && would.activities_deleted == 0);
    assert_eq!(left(&store).await, events, "nothing has happened");
    let report = guestbook.retention().run_once().await.unwrap();
    assert_eq!(left(&store).await, expected);
    assert_eq!(report.activities_deleted, (events.len() - expected.len()) as u64);
    assert_eq!(report.classes.iter().map(|class| class.deleted).sum::<u64>(), report.activities_deleted);
    for (would, class) in would.classes.iter().zip(&report.classes) {
        assert_eq!((would.would_delete, &would.class), (Some(class.deleted), &class.class));
        let of_class = |event: &&Event| match &class.event_type {
            Some(event_type) => event.event_type == *event_type,
            None => event.event_type == EventType::PAGE_VIEW,
        };
        assert_eq!(class.oldest_left, expected.iter().find(of_class).map(|event| event.time), "{}", class.class);
    }
    let again = guestbook.retention().run_once().await.unwrap();
    assert_eq!((again.activities_deleted, left(&store).await), (0, expected));
    guestbook.shutdown().await;
}

#[tokio::test]
async fn run_once_applies_the_most_specific_rule_as_dry_run_predicts() {
    the_rules_decide(FaultyStore::default()).await;
}

#[tokio::test]
async fn retention_report_has_stable_json_names() {
    let store = FaultyStore::default();
    store_all(&store, 1, [views(2, DAY * 91), views(1, DAY * 3)].concat()).await;
    let (guestbook, _) =
        guestbook(store.clone(), RetentionRules::new().keep_event_type(EventType::ERROR, Keep::Forever));
    let mut json = serde_json::to_value(guestbook.retention().run_once().await.unwrap()).unwrap();
    assert!(json["duration_ms"].take().is_u64());
    let class = |name: &str, days: Option<u64>| {
        let event_type = name.trim_start_matches("activities:");
        json!({ "class": name, "event_type": event_type, "keep_days": days, "deleted": 0, "anonymised": 0, "oldest_left": null })
    };
    let rest =
        json!({ "class": "activities", "keep_days": 90, "deleted": 2, "anonymised": 0, "oldest_left": ago(DAY * 3) });
    let expected = json!({
        "activities_deleted": 2,
        "activities_anonymised": 0,
        "sessions_deleted": 0,
        "retention_days": 90,
        "applied_at": START,
        "classes": [rest, class("activities:login", Some(365)), class("activities:logout", Some(365)),
            class("activities:error", None)],
        "audit": { "class": "audit", "keep_days": 3 * 365, "deleted": 0, "anonymised": 0, "oldest_left": null },
        "chunks": 3,
        "duration_ms": null,
        "dry_run": false,
        "pages_freed": 0,
        "complete": true,
    });
    assert_eq!(json, expected);
    let rules = RetentionRules::new().keep_activities(Keep::For(DAY / 2));
    let half = support::builder(FaultyStore::default()).0.retention(rules).build().unwrap();
    assert_eq!(serde_json::to_value(half.retention().dry_run().await.unwrap()).unwrap()["retention_days"], 0.5);
    let off = support::builder(FaultyStore::default()).0.retention(RetentionRules::off()).build().unwrap();
    assert!(serde_json::to_value(off.retention().dry_run().await.unwrap()).unwrap()["retention_days"].is_null());
}

#[tokio::test]
async fn max_fraction_is_overridden_by_run_forced_only() {
    for (old, new, refused) in [(600, 1_400, false), (601, 1_399, true), (1_000, 0, false), (1_001, 0, true)] {
        let store = FaultyStore::default();
        let mut events = [views(old, DAY * 91), views(new, DAY * 80)].concat();
        // Others do not count.
        events.extend((0..5_000).map(|_| event(EventType::LOGIN, ago(DAY))));
        store_all(&store, 1, events).await;
        let (guestbook, _) = guestbook(store.clone(), RetentionRules::new());
        assert_eq!(guestbook.retention().dry_run().await.unwrap().classes[0].refused, refused, "{old} {new}");
        let report = guestbook.retention().run_once().await.unwrap();
        let class = &report.classes[0];
        assert_eq!((class.refused, class.deleted), (refused, if refused { 0 } else { old as u64 }), "{old} {new}");
        assert_eq!(class.would_delete, refused.then_some(old as u64));
        assert_eq!(guestbook.retention().stats().refused, u64::from(refused));
        let forced = guestbook.retention().run_forced().await.unwrap();
        assert_eq!(forced.activities_deleted, if refused { old as u64 } else { 0 });
        assert_eq!(count(&store).await, new as u64 + 5_000);
    }
}

#[tokio::test]
async fn keep_forever_and_off_delete_nothing() {
    let store = FaultyStore::default();
    store_all(&store, 1, views(1_500, DAY * 10_000)).await;
    for rules in [RetentionRules::off(), RetentionRules::new().keep_activities(Keep::Forever)] {
        let (guestbook, _) = guestbook(store.clone(), rules);
        assert_eq!(guestbook.retention().run_forced().await.unwrap().activities_deleted, 0);
    }
    assert_eq!(count(&store).await, 1_500);
}

#[tokio::test]
async fn invalid_retention_rules_are_refused_by_name() {
    let rules = RetentionRules::new().max_fraction(0.0);
    let error = support::builder(FaultyStore::default()).0.retention(rules).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("retention(): max_fraction()"), "{error}");
}

#[tokio::test]
async fn run_once_deletes_expired_sessions() {
    let (builder, clock) = support::builder(FaultyStore::default());
    let guestbook = builder.build().unwrap();
    let app = support::app(&guestbook);
    TestClient::new(&app).ok("/login/ada").await;
    let mut bob = TestClient::new(&app);
    bob.ok("/login/bob").await;
    clock.advance(support::minutes(29));
    bob.ok("/set/a/b").await;
    clock.advance(support::minutes(2));
    let report = guestbook.retention().run_once().await.unwrap();
    assert_eq!((report.sessions_deleted, guestbook.retention().stats().sessions_deleted), (1, 1));
    assert_eq!(bob.user().await.as_deref(), Some("bob"));
}

#[tokio::test]
async fn run_once_after_a_store_failure_continues() {
    let store = FaultyStore::default();
    store_all(&store, 1, views(900, DAY * 91)).await;
    let (guestbook, _) = guestbook(store.clone(), RetentionRules::new());
    for mood in [Fault::Failing, Fault::ReadOnly] {
        store.set(mood);
        assert_eq!(guestbook.retention().run_once().await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    store.set(Fault::Good);
    assert_eq!(count(&store).await, 900);
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_deleted, 900);
    let stats = guestbook.retention().stats();
    assert_eq!((stats.failed, stats.runs, stats.activities_deleted), (2, 1, 900));
    assert_eq!(stats.last_success, Some(START));
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_one_chunk_of_retention() {
    let store = FaultyStore::default();
    store_all(&store, 1, views(50_000, DAY * 91)).await;
    let (guestbook, _) = guestbook(store.clone(), RetentionRules::new());
    let retention = guestbook.retention().clone();
    let run = tokio::spawn(async move { retention.run_forced().await });
    until(async || count(&*store.store).await < 50_000).await;
    guestbook.shutdown().await;
    let left = count(&*store.store).await;
    assert!(left > 40_000, "{left}");
    let report = run.await.unwrap().unwrap();
    assert_eq!((report.complete, report.activities_deleted), (false, 50_000 - left));
    assert_eq!(guestbook.retention().run_once().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(count(&*store.store).await, left);
    // The next start need not wait for the lease.
    let (next, _) = self::guestbook(store.clone(), RetentionRules::new());
    assert_eq!(next.retention().run_forced().await.unwrap().activities_deleted, left);
}

#[tokio::test]
async fn run_once_continues_when_its_caller_is_dropped() {
    let store = FaultyStore::default();
    store_all(&store, 1, views(900, DAY * 91)).await;
    let (guestbook, _) = guestbook(store.clone(), RetentionRules::new());
    let retention = guestbook.retention().clone();
    let run = tokio::spawn(async move { retention.run_once().await });
    until(async || count(&*store.store).await < 900).await;
    run.abort();
    guestbook.shutdown().await;
    // A lease that is over does not keep the next one waiting.
    let (next, _) = self::guestbook(store.clone(), RetentionRules::new());
    next.retention().run_once().await.unwrap();
    assert_eq!(count(&*store.store).await, 0);
}
