//! Time on page, bounces and lengths of visits, which passive events do not change.

use tower_guestbook::{
    Guestbook, Timestamp,
    activity::{Event, EventType},
    analytics::{AnalyticsRules, EventFilter, Overview, Zone},
    store::MemoryStore,
};

use super::{at, guestbook, range, session, view};

const DAY: (&str, &str) = ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");

/// Events of one session, by milliseconds since the start of the day: pages by their name, other
/// types by theirs.
fn events(number: u128, steps: &[(i64, &str)]) -> Vec<Event> {
    let event = |(millis, what): &(i64, &str)| {
        let mut event = match what.starts_with('/') {
            true => view(what, DAY.0),
            false => Event::new(EventType::new(what).unwrap(), at(DAY.0)),
        };
        event.time = Timestamp::from_millis(at(DAY.0).as_millis() + millis);
        event.session = Some(session(number));
        event
    };
    steps.iter().map(event).collect()
}

async fn of_the_day(guestbook: &Guestbook) -> Overview {
    guestbook.analytics().overview(range(DAY.0, DAY.1), Zone::UTC, EventFilter::new(), 10).await.unwrap()
}

/// Returns the answer, which must be equal from memory, from a file, and from rollups.
async fn answer(events: Vec<Event>, rules: AnalyticsRules) -> Overview {
    let (rules, later) = (rules.roll_up_every(None), "2026-11-28T00:00:00Z");
    let answer = of_the_day(&guestbook(MemoryStore::new(), events.clone(), later, rules.clone()).await).await;
    #[cfg(feature = "sqlite")]
    {
        let directory = tempfile::tempdir().unwrap();
        let store = tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
        let file = guestbook(store, events, later, rules).await;
        assert_eq!(of_the_day(&file).await, answer);
        file.analytics().roll_up().await.unwrap();
        assert_eq!(of_the_day(&file).await, answer, "rolled up");
        let check = file.analytics().check_rollups().await.unwrap();
        assert!(check.checked > 0 && check.wrong.is_empty());
    }
    answer
}

fn times(overview: &Overview) -> Vec<(&str, Option<u64>)> {
    overview.popular_pages.iter().map(|page| (page.page.as_str(), page.average_time_ms)).collect()
}

#[tokio::test]
async fn time_on_page_ends_with_the_next_page_view_not_with_passive_events() {
    let steps = [(0, "/a"), (200, "api_call"), (60_200, "/b"), (60_400, "api_call")];
    let overview = answer(events(1, &steps), AnalyticsRules::new()).await;
    assert_eq!(times(&overview), [("/a", Some(60_200)), ("/b", None)]);
    assert_eq!((overview.visits.bounces, overview.visits.average_ms), (0, Some(60_200)));
    assert_eq!(overview.sessions, overview.visits);
}

#[tokio::test]
async fn time_on_the_last_page_ends_with_the_last_interaction_of_the_visit() {
    let hour = 60 * 60_000;
    let steps = [(0, "/a"), (200, "api_call"), (5_000, "form_submit"), (9_000, "purchase"), (9_500, "api_call")];
    let mut steps = steps.to_vec();
    // The next visit, on a page that is left at once.
    steps.extend([(hour, "/b"), (hour + 100, "api_call")]);
    let overview = answer(events(1, &steps), AnalyticsRules::new()).await;
    assert_eq!(times(&overview), [("/a", Some(9_000)), ("/b", None)]);
    let visits = &overview.visits;
    assert_eq!((visits.count, visits.bounces, visits.average_without_bounces_ms), (2, 1, Some(9_000)));
    // The session consists of both visits.
    let sessions = &overview.sessions;
    assert_eq!((sessions.count, sessions.bounces, sessions.average_ms), (1, 0, Some(hour.unsigned_abs())));
}

#[tokio::test]
async fn page_view_with_passive_events_is_a_bounce_of_length_zero() {
    let steps = [(0, "api_call"), (100, "/a"), (200, "api_call"), (90_000, "api_call")];
    let overview = answer(events(1, &steps), AnalyticsRules::new()).await;
    for durations in [&overview.visits, &overview.sessions] {
        assert_eq!((durations.count, durations.bounces, durations.average_ms), (1, 1, Some(0)));
        assert_eq!(durations.average_without_bounces_ms, None);
    }
    assert_eq!(times(&overview), [("/a", None)]);
}

#[tokio::test]
async fn passive_types_are_a_setting() {
    let steps = [(0, "/a"), (200, "api_call"), (300, "action")];
    let calls_count = answer(events(1, &steps[..2]), AnalyticsRules::new().passive_types([])).await;
    assert_eq!((calls_count.visits.bounces, times(&calls_count)), (0, vec![("/a", Some(200))]));
    let passive = [EventType::API_CALL, EventType::ACTION];
    let nothing_counts = answer(events(1, &steps), AnalyticsRules::new().passive_types(passive)).await;
    assert_eq!((nothing_counts.visits.bounces, times(&nothing_counts)), (1, vec![("/a", None)]));
    // A client that only calls has no page: its visit is no bounce, and lasts as long as it calls.
    let calls = answer(events(1, &[(0, "api_call"), (700, "api_call")]), AnalyticsRules::new()).await;
    assert_eq!((calls.visits.bounces, calls.visits.average_ms), (0, Some(700)));
}

#[tokio::test]
async fn passive_events_continue_a_visit_across_hours_and_days() {
    let minute = 60_000;
    let mut steps = vec![(23 * 60 * minute, "/a")];
    steps.extend((1..=9).map(|step| (23 * 60 * minute + step * 6 * minute, "api_call")));
    let mut early = vec![(50 * minute, "/a")];
    early.extend((1..5).map(|step| (50 * minute + step * 20 * minute, "api_call")));
    early.extend([(140 * minute, "/b"), (150 * minute, "/b")]);
    let overview = answer([events(1, &steps), events(2, &early)].concat(), AnalyticsRules::new()).await;
    let mean = |minutes: i64| Some((minutes * minute).unsigned_abs());
    assert_eq!(times(&overview), [("/a", mean(90)), ("/b", mean(10))]);
    assert_eq!((overview.visits.count, overview.visits.bounces), (2, 1));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn rollups_with_other_passive_types_are_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let open = || tower_guestbook::store::SqliteStore::open(&path).unwrap();
    let steps = [(0, "/a"), (200, "api_call")];
    let (default, later) = (AnalyticsRules::new().roll_up_every(None), "2026-11-28T00:00:00Z");
    let first = guestbook(open(), events(1, &steps), later, default.clone()).await;
    first.analytics().roll_up().await.unwrap();
    assert_eq!(of_the_day(&first).await.visits.bounces, 1);
    first.shutdown().await;
    let second = guestbook(open(), Vec::new(), later, default.passive_types([])).await;
    for _ in 0..2 {
        assert_eq!(of_the_day(&second).await.visits.bounces, 0);
        second.analytics().roll_up().await.unwrap();
        assert!(second.analytics().check_rollups().await.unwrap().wrong.is_empty());
    }
}
