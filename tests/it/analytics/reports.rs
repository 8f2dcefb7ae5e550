//! Summaries and reports.

use serde_json::{Value, json};
use tower_guestbook::{
    UserId,
    activity::{ActivityFilter, Event, EventType, RequestTrace},
    analytics::{AnalyticsRules, EventFilter},
    client::DeviceClass,
    store::{MemoryStore, SqliteStore},
};

use super::{at, guestbook, in_memory, login, range, session, view};

fn of(user: i64, number: Option<u128>, mut event: Event) -> Event {
    (event.user, event.session) = (Some(UserId::from(user)), number.map(session));
    event
}

fn from(device: DeviceClass, route: &str, referrer: Option<&str>, mut event: Event) -> Event {
    let mut request = RequestTrace::default();
    (request.route, request.referrer) = (route.into(), referrer.map(Into::into));
    request.agent.device = device;
    event.request = Some(request);
    event
}

fn some_days() -> Vec<Event> {
    vec![
        of(7, Some(1), login(7, "2026-11-20T09:00:00Z")),
        // A pause of an hour: two visits, one session.
        of(7, Some(1), view("/a", "2026-11-20T10:00:00Z")),
        of(7, Some(1), view("/a", "2026-11-20T10:10:00Z")),
        // No session: its visit counts as one.
        of(7, None, view("/b", "2026-11-24T20:00:00Z")),
        of(8, Some(2), login(8, "2026-11-25T08:00:00Z")),
    ]
}

#[tokio::test]
async fn user_summary_equals_manual_counts() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let now = "2026-11-25T12:00:00Z";
    let file = guestbook(store, some_days(), now, AnalyticsRules::new()).await;
    let memory = in_memory(some_days(), now).await;
    for guestbook in [file, memory] {
        let summary = guestbook.analytics().user_summary(UserId::from(7)).await.unwrap();
        let expected = json!({
            "user_id": "7",
            "total_activities": 4,
            "total_sessions": 2,
            "average_session_ms": 35 * 60_000,
            "first_seen": at("2026-11-20T09:00:00Z"),
            "last_activity": at("2026-11-24T20:00:00Z"),
            "days_active": 2,
            "event_breakdown": { "login": 1, "page_view": 3 },
        });
        assert_eq!(serde_json::to_value(summary).unwrap(), expected);
    }
}

#[tokio::test]
async fn user_summary_of_an_unknown_user_is_empty() {
    let guestbook = in_memory(some_days(), "2026-11-25T12:00:00Z").await;
    let summary = guestbook.analytics().user_summary(UserId::from(9)).await.unwrap();
    assert_eq!((summary.total_activities, summary.total_sessions, summary.days_active), (0, 0, 0));
    assert_eq!((summary.first_seen, summary.last_activity, summary.average_session_ms), (None, None, None));
}

#[tokio::test]
async fn user_report_serializes_summary_pages_and_hours() {
    let now = "2026-11-25T09:00:00Z";
    let guestbook = in_memory(some_days(), now).await;
    let report = guestbook.analytics().user_report(UserId::from(7)).await.unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        (&json["user_id"], &json["total_sessions"], &json["generated_at"]),
        (&json!("7"), &json!(2), &json!(at(now)))
    );
    assert_eq!((&json["popular_pages"][0]["page"], &json["hourly_activity"][10]), (&json!("/a"), &json!(2)));
}

#[tokio::test]
async fn system_report_covers_the_last_24_hours() {
    let now = "2026-11-25T09:00:00Z";
    let guestbook = in_memory(some_days(), now).await;
    let report = guestbook.analytics().system_report(at(now)).await.unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        (&json["active_users_24h"], &json["activities_24h"], &json["generated_at"]),
        (&json!(2), &json!(2), &json!(at(now)))
    );
    let pages = json!([{ "page": "/b", "views": 1, "unique_users": 1, "average_time_ms": Value::Null }]);
    assert_eq!(json["popular_pages"], pages);
    assert_eq!(json["top_users"], json!([{ "user_id": "7", "events": 1 }, { "user_id": "8", "events": 1 }]));
    assert_eq!((&json["hourly_activity"][8], &json["hourly_activity"][20]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn overview_lists_are_sorted_by_count() {
    let (desktop, mobile) = (DeviceClass::Desktop, DeviceClass::Mobile);
    let events = vec![
        // A login is no page: the entry page is the next one.
        of(1, Some(1), from(desktop, "/login", None, login(1, "2026-11-25T08:59:00Z"))),
        of(1, Some(1), from(desktop, "/a", Some("example.org"), view("/a", "2026-11-25T09:00:00Z"))),
        of(1, Some(1), from(desktop, "/b", None, view("/b", "2026-11-25T09:01:00Z"))),
        of(2, Some(2), from(mobile, "/b", Some("example.com"), view("/b", "2026-11-25T09:00:00Z"))),
        of(3, Some(3), from(mobile, "/a", Some("example.org"), view("/a", "2026-11-25T09:00:00Z"))),
        // Without a request there is no device, and without a page no page.
        of(4, Some(4), login(4, "2026-11-25T09:00:00Z")),
    ];
    let analytics = in_memory(events, "2026-11-25T12:00:00Z").await.analytics().clone();
    let day = range("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");
    let all = analytics.overview(day, Default::default(), EventFilter::new(), 10).await.unwrap();
    let json = serde_json::to_value(&all).unwrap();
    let counts = |counts: [(&str, u64); 2]| json!(counts.map(|(name, count)| json!({ "name": name, "count": count })));
    assert_eq!(json["entry_pages"], counts([("/a", 2), ("/b", 1)]));
    assert_eq!(json["exit_pages"], counts([("/b", 2), ("/a", 1)]));
    assert_eq!(json["referrers"], counts([("example.org", 2), ("example.com", 1)]));
    assert_eq!(json["devices"], counts([("desktop", 3), ("mobile", 2)]));
    // Each single list is equal, and the limit applies.
    let one = analytics.popular_pages(day, EventFilter::new(), 1).await.unwrap();
    assert_eq!(one, all.popular_pages[..1]);
    let top = analytics.top_users(day, EventFilter::new(), 2).await.unwrap();
    assert_eq!(top, all.top_users[..2]);
    assert_eq!(analytics.event_breakdown(day, EventFilter::new()).await.unwrap(), all.event_breakdown);
    // By device class, by route, by both.
    let breakdown = async |filter| analytics.event_breakdown(day, filter).await.unwrap().into_values().sum::<u64>();
    assert_eq!(breakdown(EventFilter::new().device(mobile)).await, 2);
    assert_eq!(breakdown(EventFilter::new().route("/b")).await, 2);
    assert_eq!(breakdown(EventFilter::new().route("/b").device(mobile)).await, 1);
}

#[tokio::test]
async fn excluded_types_make_no_user_active() {
    let ping = |user: i64, time: &str| {
        let mut event = login(user, time);
        event.event_type = EventType::new("ping").unwrap();
        event
    };
    let events = vec![
        login(1, "2026-11-25T08:00:00Z"),
        ping(1, "2026-11-25T08:20:00Z"),
        login(1, "2026-11-25T08:40:00Z"),
        ping(2, "2026-11-25T08:00:00Z"),
    ];
    let now = "2026-11-25T09:00:00Z";
    let rules = AnalyticsRules::new().except_types([EventType::new("ping").unwrap()]);
    let analytics = guestbook(MemoryStore::new(), events, now, rules).await.analytics().clone();
    let day = range("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");
    let report = analytics.system_report(at(now)).await.unwrap();
    assert_eq!((report.active_users_24h, report.activities_24h), (1, 2));
    // Excluded events do not continue a visit: 40 minutes lie between two that count.
    assert_eq!((report.visits.count, report.visits.average_ms), (2, Some(0)));
    assert_eq!(analytics.user_summary(UserId::from(2)).await.unwrap().total_activities, 0);
    let hour = std::time::Duration::from_secs(3_601);
    assert_eq!(analytics.active_users(at(now), hour).await.unwrap(), 1);
    let series = analytics.active_users_series(day, Default::default(), EventFilter::new()).await.unwrap();
    assert_eq!((series.days[0].daily, series.stickiness), (1, Some(1.0)));
    // Nor if it is queried, nor in addition to a query's own exclusions.
    let pings = ActivityFilter::new().event_type(EventType::new("ping").unwrap());
    assert!(analytics.event_breakdown(day, pings).await.unwrap().is_empty());
    let others = ActivityFilter::new().except_types([EventType::LOGIN]);
    assert!(analytics.event_breakdown(day, others).await.unwrap().is_empty());
}
