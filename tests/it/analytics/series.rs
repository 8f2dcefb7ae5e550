//! Series: calendar periods and active users.

use std::time::Duration;

use serde_json::json;
use tower_guestbook::{
    ErrorKind,
    activity::{ActivityFilter, EventType},
    analytics::{AnalyticsRules, CohortQuery, EventFilter, Period, Weekday, Zone},
    store::SqliteStore,
};

use super::{at, guestbook, in_memory, login, range, view};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn active_users_window_is_half_open() {
    let events = vec![
        login(1, "2026-11-24T11:59:59.999Z"),
        login(2, "2026-11-24T12:00:00Z"),
        login(2, "2026-11-24T13:00:00Z"),
        login(3, "2026-11-25T11:59:59.999Z"),
        login(4, "2026-11-25T12:00:00Z"),
    ];
    let now = "2026-11-25T12:00:00Z";
    let analytics = in_memory(events, now).await.analytics().clone();
    assert_eq!(analytics.active_users(at(now), DAY).await.unwrap(), 2);
    assert_eq!(analytics.active_users(at(now), DAY + Duration::from_millis(1)).await.unwrap(), 3);
    assert_eq!(analytics.active_users(at(now), Duration::ZERO).await.unwrap(), 0);
    assert_eq!(analytics.active_users(at("2026-11-25T12:00:00.001Z"), Duration::MAX).await.unwrap(), 4);
}

#[tokio::test]
async fn activity_series_has_a_bucket_for_each_period() {
    let events = vec![
        login(1, "2026-11-23T00:00:00Z"),
        login(1, "2026-11-23T23:59:59.999Z"),
        login(2, "2026-11-23T09:00:00Z"),
        view("/a", "2026-11-25T09:00:00Z"),
        login(2, "2026-11-26T00:00:00Z"),
    ];
    let analytics = in_memory(events, "2026-11-26T00:00:00Z").await.analytics().clone();
    let days = range("2026-11-23T00:00:00Z", "2026-11-26T00:00:00Z");
    let series = analytics.activity_series(days, Period::Day, Zone::UTC, EventFilter::new()).await.unwrap();
    let found: Vec<_> = series.buckets.iter().map(|day| (day.start, day.events, day.active_users)).collect();
    let expected = [
        (at("2026-11-23T00:00:00Z"), 3, 2),
        (at("2026-11-24T00:00:00Z"), 0, 0),
        // Nobody was logged in.
        (at("2026-11-25T00:00:00Z"), 1, 0),
    ];
    assert_eq!(found, expected);
    let json = serde_json::to_value(&series).unwrap();
    assert_eq!((&json["period"], &json["zone"]), (&json!("day"), &json!("UTC")));
    // Only of one type, and by the month, which the range touches once.
    let logins = ActivityFilter::new().event_type(EventType::LOGIN);
    let months = analytics.activity_series(days, Period::Month, Zone::UTC, logins).await.unwrap();
    let months: Vec<_> = months.buckets.iter().map(|month| (month.start, month.events)).collect();
    assert_eq!(months, [(at("2026-11-01T00:00:00Z"), 3)]);
}

#[tokio::test]
async fn activity_series_handles_days_of_23_and_25_hours() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    for (from, until, hours) in
        [("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23), ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25)]
    {
        let day = range(from, until);
        // At half past each hour.
        let half = |hour: u64| day.from().after(Duration::from_secs(hour * 3_600 + 1_800));
        let events = (0..hours).map(|hour| {
            let mut event = login(1, from);
            event.time = half(hour);
            event
        });
        let analytics = in_memory(events.collect(), until).await.analytics().clone();
        let by = |period| analytics.activity_series(day, period, berlin.clone(), EventFilter::new());
        let each_hour = by(Period::Hour).await.unwrap().buckets;
        assert_eq!(each_hour.iter().map(|hour| hour.events).collect::<Vec<_>>(), vec![1; hours as usize], "{from}");
        let each_day = by(Period::Day).await.unwrap().buckets;
        assert_eq!(each_day.iter().map(|day| day.events).collect::<Vec<_>>(), [hours], "{from}");
        // Two o'clock occurred never, or twice.
        let shown = analytics.activity_by_hour(day, berlin.clone(), EventFilter::new()).await.unwrap();
        assert_eq!((shown[1], shown[2], shown[3]), (1, hours - 23, 1), "{from}");
    }
}

#[tokio::test]
async fn active_users_series_reads_29_days_before_the_range() {
    let events = vec![
        // 29 days before the 25th: still in its month; a day earlier: not.
        login(1, "2026-10-27T00:00:00Z"),
        login(2, "2026-10-26T23:59:59.999Z"),
        // Six days before, and seven.
        login(3, "2026-11-19T12:00:00Z"),
        login(4, "2026-11-18T12:00:00Z"),
        login(5, "2026-11-25T12:00:00Z"),
        login(5, "2026-11-25T13:00:00Z"),
        login(3, "2026-11-26T12:00:00Z"),
    ];
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let now = "2026-11-27T00:00:00Z";
    let guestbook = guestbook(store, events, now, AnalyticsRules::new()).await;
    let days = range("2026-11-25T00:00:00Z", now);
    let found = guestbook.analytics().active_users_series(days, Zone::UTC, EventFilter::new()).await.unwrap();
    let counts: Vec<_> = found.days.iter().map(|day| (day.start, day.daily, day.weekly, day.monthly)).collect();
    // On the 26th user 1 is not in the month any more; 3 is in the week by that day alone.
    assert_eq!(counts, [(at("2026-11-25T00:00:00Z"), 1, 2, 4), (at("2026-11-26T00:00:00Z"), 1, 2, 3)]);
    assert_eq!(found.stickiness, Some(2.0 / 7.0));
}

#[tokio::test]
async fn activity_series_of_too_many_periods_is_refused() {
    let analytics = in_memory(vec![], "2026-11-25T00:00:00Z").await.analytics().clone();
    let week = range("2026-11-18T00:00:00Z", "2026-11-25T00:00:00Z");
    let error = analytics.activity_series(week, Period::Minute, Zone::UTC, EventFilter::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("10000")), (ErrorKind::InvalidInput, true), "{error}");
    let minutes = range("2026-11-18T00:00:00Z", "2026-11-24T22:40:00Z");
    let series = analytics.activity_series(minutes, Period::Minute, Zone::UTC, EventFilter::new()).await.unwrap();
    assert_eq!(series.buckets.len(), 10_000);
}

#[tokio::test]
async fn weeks_may_begin_on_any_day_in_series_and_cohorts() {
    let events = vec![
        login(1, "2026-11-21T23:59:59.999Z"), // Saturday
        login(1, "2026-11-22T00:00:00Z"),     // Sunday
        login(2, "2026-11-22T12:00:00Z"),
        login(2, "2026-11-23T00:00:00Z"), // Monday
        login(1, "2026-11-28T23:00:00Z"), // Saturday
        login(2, "2026-11-29T00:00:00Z"), // Sunday
    ];
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let now = "2026-12-10T00:00:00Z";
    let file = guestbook(file, events.clone(), now, AnalyticsRules::new().roll_up_every(None)).await;
    // All days are rolled up: the weeks are put together from whole days.
    file.analytics().roll_up().await.unwrap();
    let memory = in_memory(events, now).await;
    let all = range("2026-11-16T00:00:00Z", "2026-12-05T00:00:00Z");
    for guestbook in [file, memory] {
        let weeks = async |period| {
            let found =
                guestbook.analytics().activity_series(all, period, Zone::UTC, EventFilter::new()).await.unwrap();
            found.buckets.into_iter().map(|week| (week.start, week.events, week.active_users)).collect::<Vec<_>>()
        };
        let monday = [
            (at("2026-11-16T00:00:00Z"), 3, 2),
            (at("2026-11-23T00:00:00Z"), 3, 2),
            (at("2026-11-30T00:00:00Z"), 0, 0),
        ];
        assert_eq!(weeks(Period::Week).await, monday);
        assert_eq!(weeks(Period::WeekFrom(Weekday::Monday)).await, monday);
        let sunday = [
            (at("2026-11-15T00:00:00Z"), 1, 1),
            (at("2026-11-22T00:00:00Z"), 4, 2),
            (at("2026-11-29T00:00:00Z"), 1, 1),
        ];
        assert_eq!(weeks(Period::WeekFrom(Weekday::Sunday)).await, sunday);

        let query = CohortQuery::new(Period::WeekFrom(Weekday::Sunday));
        let retention = guestbook.analytics().cohort_retention(all, query).await.unwrap();
        let actors = |cohort: usize| retention.cohorts[cohort].cells.iter().map(|cell| cell.actors).collect::<Vec<_>>();
        assert_eq!((actors(0), actors(1), actors(2)), (vec![1, 1, 0], vec![1, 1], vec![0]));
        let starts: Vec<_> = retention.cohorts.iter().map(|cohort| cohort.from).collect();
        assert_eq!(starts, sunday.map(|(start, ..)| start));
    }
    let shown = serde_json::to_value([Period::Week, Period::WeekFrom(Weekday::Sunday)]).unwrap();
    assert_eq!(shown, json!(["week", { "week_from": "sunday" }]));
}
