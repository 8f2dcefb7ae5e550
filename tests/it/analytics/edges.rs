//! Edge cases of overviews: empty ranges, equal times, midnight, the future, logins.

use serde_json::json;
use tower_guestbook::{
    ErrorKind, UserId, VisitorId,
    activity::{Event, EventType},
    analytics::{AnalyticsRules, EventFilter, Funnel, FunnelStep, Period, Zone},
    privacy::RestrictionReason,
    store::MemoryStore,
};

use super::{at, guestbook, in_memory, login, range, session, view};

const DAY: (&str, &str) = ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");

fn by(visitor: u128, mut event: Event) -> Event {
    event.visitor = Some(VisitorId::from(uuid::Uuid::from_u128(visitor)));
    event
}

#[tokio::test]
async fn empty_range_excludes_events_at_its_time() {
    let analytics = in_memory(vec![login(1, DAY.0)], DAY.1).await.analytics().clone();
    let empty = range(DAY.0, DAY.0);
    let overview = analytics.overview(empty, Zone::UTC, EventFilter::new(), 10).await.unwrap();
    assert_eq!((overview.events, overview.active_users, overview.days_active), (0, 0, 0));
    assert_eq!((overview.first_activity, overview.visits.bounce_rate, overview.visits.p95_ms), (None, None, None));
    let series = analytics.activity_series(empty, Period::Day, Zone::UTC, EventFilter::new()).await.unwrap();
    assert!(series.buckets.is_empty());
    let series = analytics.active_users_series(empty, Zone::UTC, EventFilter::new()).await.unwrap();
    assert_eq!((series.days.len(), series.stickiness), (0, None));
}

#[tokio::test]
async fn single_event_is_a_visit_of_length_zero() {
    let mut seen = view("/a", DAY.0);
    seen.user = Some(UserId::from(1));
    // A page left at once is a bounce; a login is an interaction.
    for (event, bounces, without_bounces) in [(seen, 1, json!(null)), (login(1, DAY.0), 0, json!(0))] {
        let analytics = in_memory(vec![event], DAY.1).await.analytics().clone();
        let overview = analytics.overview(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new(), 10).await.unwrap();
        assert_eq!((overview.first_activity, overview.last_activity), (Some(at(DAY.0)), Some(at(DAY.0))));
        let expected = json!({
            "count": 1, "bounces": bounces, "bounce_rate": bounces as f64, "average_ms": 0,
            "average_without_bounces_ms": without_bounces, "median_ms": 0, "p95_ms": 0,
        });
        assert_eq!(serde_json::to_value(&overview.visits).unwrap(), expected);
        assert_eq!(overview.sessions, overview.visits);
    }
}

#[tokio::test]
async fn equal_times_are_ordered_by_sequence() {
    let mut events = vec![view("/a", DAY.0), view("/b", DAY.0), view("/c", DAY.0)];
    events.iter_mut().for_each(|event| event.session = Some(session(1)));
    let analytics = in_memory(events, DAY.1).await.analytics().clone();
    let overview = analytics.overview(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new(), 10).await.unwrap();
    assert_eq!((&*overview.entry_pages[0].name, &*overview.exit_pages[0].name), ("/a", "/c"));
    let times: Vec<_> = overview.popular_pages.iter().map(|page| page.average_time_ms).collect();
    assert_eq!(times, [Some(0), Some(0), None]);
    // Three views at once are no bounce.
    assert_eq!((overview.visits.count, overview.visits.bounces, overview.visits.average_ms), (1, 0, Some(0)));
}

#[tokio::test]
async fn future_events_count_only_within_the_range() {
    let now = "2026-11-25T12:00:00Z";
    let events = vec![login(1, now), login(1, "2026-11-25T12:00:00.001Z"), login(2, "2026-11-25T18:00:00Z")];
    let analytics = in_memory(events, now).await.analytics().clone();
    let summary = analytics.user_summary(UserId::from(1)).await.unwrap();
    assert_eq!((summary.total_activities, summary.last_activity), (1, Some(at(now))));
    assert_eq!(analytics.system_report(at(now)).await.unwrap().activities_24h, 0);
    let morning = analytics.active_users_series(range(DAY.0, now), Zone::UTC, EventFilter::new()).await.unwrap();
    assert_eq!(morning.days[0].daily, 0);
    let whole = analytics.active_users_series(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new()).await.unwrap();
    assert_eq!(whole.days[0].daily, 2);
}

#[tokio::test]
async fn overview_counts_a_login_as_one_visit_and_as_visitor_and_user() {
    let mut events = vec![
        by(1, view("/a", "2026-11-25T09:00:00Z")),
        by(1, login(7, "2026-11-25T09:01:00Z")),
        by(1, view("/a", "2026-11-25T09:02:00Z")),
    ];
    events[2].user = Some(UserId::from(7));
    let in_session = |mut events: Vec<Event>| {
        events.iter_mut().for_each(|event| event.session = Some(session(1)));
        events
    };
    // Without a session nothing links the two.
    for (events, visits) in [(in_session(events.clone()), 1), (events, 2)] {
        let analytics = in_memory(events, DAY.1).await.analytics().clone();
        let overview = analytics.overview(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new(), 10).await.unwrap();
        assert_eq!((overview.visits.count, overview.active_users, overview.visitors), (visits, 1, 1));
        assert_eq!((overview.popular_pages[0].views, overview.popular_pages[0].unique_users), (2, 2));
    }
}

#[tokio::test]
async fn visit_across_midnight_counts_on_two_days() {
    let mut events = vec![login(1, "2026-11-25T23:50:00Z"), login(1, "2026-11-26T00:10:00Z")];
    events.iter_mut().for_each(|event| event.session = Some(session(1)));
    let analytics = in_memory(events, "2026-11-27T00:00:00Z").await.analytics().clone();
    let both = range(DAY.0, "2026-11-27T00:00:00Z");
    let overview = analytics.overview(both, Zone::UTC, EventFilter::new(), 10).await.unwrap();
    assert_eq!((overview.days_active, overview.visits.count, overview.visits.average_ms), (2, 1, Some(20 * 60_000)));
    assert_eq!((overview.activity_by_hour[23], overview.activity_by_hour[0]), (1, 1));
    // In a zone where it is one in the morning, it is one day.
    let berlin = Zone::named("Europe/Berlin").unwrap();
    assert_eq!(analytics.overview(both, berlin, EventFilter::new(), 10).await.unwrap().days_active, 1);
    // A range that ends within the visit has its earlier part.
    let first = analytics.overview(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new(), 10).await.unwrap();
    assert_eq!((first.visits.count, first.visits.average_ms), (1, Some(0)));
}

#[tokio::test]
async fn visit_ends_after_24_hours() {
    // Every 20 minutes for 25 hours.
    let events = (0..75).map(|step| {
        let mut event = login(1, DAY.0);
        event.time = event.time.after(std::time::Duration::from_secs(step * 20 * 60));
        event.session = Some(session(1));
        event
    });
    let analytics = in_memory(events.collect(), "2026-11-27T00:00:00Z").await.analytics().clone();
    let both = range(DAY.0, "2026-11-27T00:00:00Z");
    let overview = analytics.overview(both, Zone::UTC, EventFilter::new(), 10).await.unwrap();
    // 24 hours exactly are still one visit; the last two events are another.
    let hour = 60 * 60_000;
    assert_eq!((overview.visits.count, overview.visits.p95_ms), (2, Some(24 * hour)));
    assert_eq!(overview.visits.average_ms, Some((24 * hour + hour * 20 / 60) / 2));
    assert_eq!((overview.sessions.count, overview.sessions.average_ms), (1, Some(24 * hour + hour * 40 / 60)));
}

#[tokio::test]
async fn overview_beyond_its_limit_is_too_large() {
    let events = vec![login(1, DAY.0), login(1, "2026-11-25T01:00:00Z"), login(1, "2026-11-25T02:00:00Z")];
    let rules = AnalyticsRules::new().max_events(2);
    let analytics = guestbook(MemoryStore::new(), events, DAY.1, rules).await.analytics().clone();
    let error = analytics.user_summary(UserId::from(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains('2')), (ErrorKind::TooLarge, true), "{error}");
    let first_two = range(DAY.0, "2026-11-25T02:00:00Z");
    let overview = analytics.overview(first_two, Zone::UTC, EventFilter::new(), 10).await.unwrap();
    assert_eq!(overview.events, 2);
}

#[tokio::test]
async fn restricted_user_does_not_count_until_lifted() {
    let events = vec![login(1, "2026-11-25T01:00:00Z"), login(2, "2026-11-25T02:00:00Z")];
    let guestbook = in_memory(events, DAY.1).await;
    let (analytics, rights, ada) = (guestbook.analytics(), guestbook.rights(), UserId::from(1));
    let count = async || {
        let overview = analytics.overview(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new(), 10).await.unwrap();
        let funnel = Funnel::new([FunnelStep::new(EventType::LOGIN)]);
        let funnel = serde_json::to_value(analytics.funnel(range(DAY.0, DAY.1), funnel).await.unwrap()).unwrap();
        let journey = analytics.journey(ada.clone(), None, range(DAY.0, DAY.1), 10).await.unwrap();
        (overview.events, overview.active_users, funnel["stages"][0]["actors"].clone(), journey.steps.len())
    };
    assert_eq!(count().await, (2, 2, json!(2), 1));
    rights.restrict(&ada, RestrictionReason::Accuracy).await.unwrap();
    assert_eq!(count().await, (1, 1, json!(1), 0));
    assert!(rights.lift_restriction(&ada).await.unwrap());
    assert_eq!(count().await, (2, 2, json!(2), 1));
}

#[tokio::test]
async fn every_query_future_is_send() {
    let analytics = in_memory(vec![login(1, DAY.0)], DAY.1).await.analytics().clone();
    let task = tokio::spawn(async move {
        let (day, all) = (range(DAY.0, DAY.1), EventFilter::new);
        let hours = analytics.activity_series(day, Period::Hour, Zone::UTC, all()).await.unwrap();
        let active = analytics.active_users_series(day, Zone::UTC, all()).await.unwrap();
        let window = std::time::Duration::from_secs(24 * 60 * 60);
        let users = analytics.active_users(at(DAY.1), window).await.unwrap();
        let report = analytics.user_report(UserId::from(1)).await.unwrap();
        let system = analytics.system_report(at(DAY.1)).await.unwrap();
        // The user is named in the answer, but not in its debug output.
        assert!([format!("{report:?}"), format!("{system:?}")].iter().all(|log| log.contains("UserId(redacted)")));
        (hours.buckets[0].events, active.days[0].daily, users, report.summary.total_activities, system.activities_24h)
    });
    assert_eq!(task.await.unwrap(), (1, 1, 1, 1, 1));
}
