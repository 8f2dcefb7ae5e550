//! Cases for answers of an [`AnalyticsStore`] from rollups: they equal the events.

use std::{sync::Arc, time::Duration};

use super::{
    AnalyticsStore,
    activities::{append, entry, page_view, session},
    at, user_id,
};
use crate::{
    id::VisitorId,
    model::{
        activity::{Activity, ActivityFilter, Event, EventType, HistoryQuery, Method, Order, RequestTrace},
        analytics::{Buckets, OverviewBuilder, Period, Range, Slice, Weekday, Zone},
        client::{Agent, DeviceClass},
        consent::Subject,
    },
    store::{AggregateQuery, Exclusion, OverviewParts},
    time::Timestamp,
};

const HOUR: u64 = 60 * 60 * 1_000;
const LIMIT: usize = 4;

/// Events of three days, most of them in visits across the edges of hours and days.
fn events() -> Vec<Event> {
    (0..400).map(event).collect()
}

fn event(number: u64) -> Event {
    let user = ["ada", "ben", "cy"][(number % 3) as usize];
    let mut event = page_view(user, at(number * 11 * 60 * 1_000));
    event.event_type = [EventType::PAGE_VIEW, EventType::LOGIN, EventType::PURCHASE][(number % 7 / 3) as usize].clone();
    event.user = (!number.is_multiple_of(5)).then(|| user_id(user));
    event.visitor = number.is_multiple_of(2).then(|| visitor(number % 4));
    event.session = (number % 9 > 2).then(|| session(u128::from(number / 20)));
    event.request = (!number.is_multiple_of(4)).then(|| RequestTrace {
        route: ["/a", "/b"][(number % 2) as usize].into(),
        method: if number.is_multiple_of(3) { Method::Get } else { Method::Post },
        agent: Agent {
            device: if number % 5 > 2 { DeviceClass::Mobile } else { DeviceClass::Other },
            ..Agent::default()
        },
        ..RequestTrace::default()
    });
    event
}

fn visitor(number: u64) -> VisitorId {
    VisitorId::from(uuid::Uuid::from_u128(u128::from(number)))
}

fn without<const N: usize>(users: [&str; N]) -> Exclusion {
    Exclusion::new(users.map(|user| Subject::User(user_id(user))))
}

fn counting() -> AggregateQuery {
    AggregateQuery::new(Range::new(at(2 * HOUR + 7), at(70 * HOUR)).expect("in order"))
}

fn is_counted(counting: &AggregateQuery, activity: &Activity) -> bool {
    let event = &activity.event;
    counting.range.contains(event.time)
        && !counting.except_types.contains(&event.event_type)
        && !counting.exclusion.iter().any(|exclusion| exclusion.has(event))
        && counting.only.as_ref().is_none_or(|only| has(only, event))
}

fn has(only: &Slice, event: &Event) -> bool {
    let request = event.request.as_ref();
    match only {
        Slice::Type(event_type) => event.event_type == *event_type,
        Slice::Route(route) => request.is_some_and(|request| *request.route == **route),
        Slice::Device(device) => request.is_some_and(|request| request.agent.device == *device),
    }
}

/// All stored events.
async fn stored<S: AnalyticsStore>(store: &S) -> Vec<Activity> {
    let query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst).limit(1_000);
    store.history(query).await.expect("read").activities
}

async fn check_overview<S: AnalyticsStore>(store: &S, counting: &AggregateQuery) {
    let mut gathering = OverviewBuilder::new(counting.range, Zone::UTC, counting.passive_types.clone());
    let stored = stored(store).await;
    stored.iter().filter(|activity| is_counted(counting, activity)).for_each(|activity| gathering.add(activity));
    let expected = gathering.finish(LIMIT);
    let found = store.overview(counting.clone(), Zone::UTC, LIMIT, OverviewParts::ALL).await.expect("answered");
    assert!(found.is_none_or(|found| found == expected), "the overview differs from the events");
}

/// Checks that aggregate answers of the store equal its events.
async fn check<S: AnalyticsStore>(store: &S, counting: AggregateQuery) {
    if counting.only.is_none() {
        check_overview(store, &counting).await;
    }
    let (stored, zone) = (stored(store).await, Zone::UTC);
    let counted = || stored.iter().filter(|activity| is_counted(&counting, activity));
    for period in [Period::Hour, Period::Day, Period::Week, Period::WeekFrom(Weekday::Saturday)] {
        let mut buckets = Buckets::new(counting.range, period, zone.clone()).expect("not too many");
        counted().for_each(|activity| buckets.add(&activity.event));
        let found = store.activity_series(counting.clone(), period, zone.clone()).await.expect("answered");
        let expected = buckets.finish();
        assert!(found.is_none_or(|found| found == expected), "the series differs from the events");
    }

    let (mut days, wider) = Buckets::days(counting.range, zone.clone()).expect("not too many");
    let wider = AggregateQuery { range: wider, ..counting.clone() };
    stored.iter().filter(|activity| is_counted(&wider, activity)).for_each(|activity| days.add(&activity.event));
    let expected = days.finish_days();
    let found = store.active_users_series(counting, zone).await.expect("answered");
    assert!(found.is_none_or(|found| found == expected), "active users differ from the events");
}

/// Rolls up until nothing is left to do.
async fn roll_up<S: AnalyticsStore>(store: &S, counting: &AggregateQuery, now: Timestamp) {
    for _ in 0..1_000 {
        if !store.roll_up(counting.clone(), now).await.expect("rolled up") {
            return;
        }
    }
    panic!("rolling up does not end");
}

pub(super) async fn aggregate_answers_equal_the_events<S: AnalyticsStore>(store: Arc<S>) {
    check(&*store, counting()).await;
    let entries = (1..).zip(events()).map(|(number, event)| entry(number, event)).collect();
    append(&*store, entries).await;
    check(&*store, counting()).await;
    let now = at(80 * HOUR);
    roll_up(&*store, &counting(), now).await;
    check(&*store, counting()).await;
    let always = Range::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).expect("in order");
    check_overview(&*store, &AggregateQuery::new(always)).await;
    let empty = Range::new(at(30 * HOUR), at(30 * HOUR)).expect("in order");
    check(&*store, AggregateQuery::new(empty)).await;
    assert_eq!(store.check_rollups(counting()).await.expect("compared").wrong, []);
    store.delete_rollups().await.expect("forgotten");
    check(&*store, counting()).await;
}

pub(super) async fn activity_series_of_one_property_equals_the_events<S: AnalyticsStore>(store: Arc<S>) {
    let slices = [
        Slice::Type(EventType::LOGIN),
        Slice::Type(EventType::LOGOUT),
        Slice::Route("/a".to_owned()),
        Slice::Route("/nowhere".to_owned()),
        Slice::Device(DeviceClass::Mobile),
        Slice::Device(DeviceClass::Other),
    ];
    let entries = (1..).zip(events()).map(|(number, event)| entry(number, event)).collect();
    append(&*store, entries).await;
    for _ in 0..2 {
        for slice in &slices {
            check(&*store, counting().only(slice.clone())).await;
            let exclusion = vec![without(["ada"]).types([EventType::LOGIN])];
            check(&*store, counting().only(slice.clone()).exclusion(exclusion)).await;
        }
        roll_up(&*store, &counting(), at(80 * HOUR)).await;
    }
}

pub(super) async fn rollups_follow_changes_of_events<S: AnalyticsStore>(store: Arc<S>) {
    let entries = (1..).zip(events()).map(|(number, event)| entry(number, event)).collect();
    append(&*store, entries).await;
    let now = at(80 * HOUR);
    roll_up(&*store, &counting(), now).await;

    // Late events, and events in the future.
    let late = [at(30 * HOUR + 5), at(50 * HOUR), at(200 * HOUR)].map(|time| page_view("dan", time));
    append(&*store, (1_001..).zip(late).map(|(number, event)| entry(number, event)).collect()).await;
    check(&*store, counting()).await;
    roll_up(&*store, &counting(), now).await;
    check(&*store, counting()).await;

    // Deletions by user and by time.
    store.delete_activities(ActivityFilter::new().user(user_id("ben")), 1_000).await.expect("deleted");
    check(&*store, counting()).await;
    roll_up(&*store, &counting(), now).await;
    check(&*store, counting()).await;
    store.delete_activities(ActivityFilter::new().until(at(26 * HOUR + 1)), 1_000).await.expect("deleted");
    check(&*store, counting()).await;
    roll_up(&*store, &counting(), now.after(Duration::from_secs(200 * 60 * 60))).await;
    check(&*store, counting()).await;
    assert_eq!(store.check_rollups(counting()).await.expect("compared").wrong, []);
}

pub(super) async fn rollups_respect_exclusions<S: AnalyticsStore>(store: Arc<S>) {
    let entries = (1..).zip(events()).map(|(number, event)| entry(number, event)).collect();
    append(&*store, entries).await;
    let now = at(80 * HOUR);
    let questions = [
        counting(),
        counting().exclusion(vec![without(["ada"])]),
        counting().exclusion(vec![without(["cy", "nobody"])]).except_types([EventType::LOGIN]),
        // Different exclusions by type: what one excludes, another may count.
        counting().exclusion(vec![
            without(["ada", "ben"]).types([EventType::LOGIN]),
            without(["ben", "cy"]).except_types([EventType::LOGIN]),
        ]),
        counting().exclusion(vec![without(["ada"]).types([EventType::PURCHASE])]),
        counting().exclusion(vec![Exclusion::new([Subject::Visitor(visitor(2))])]),
        counting().except_types([EventType::PURCHASE, EventType::LOGOUT]),
        counting(),
    ];
    // Whatever exclusions it was rolled up for before.
    for rolled_up in &questions {
        roll_up(&*store, rolled_up, now).await;
        assert_eq!(store.check_rollups(rolled_up.clone()).await.expect("compared").wrong, []);
        for asked in &questions {
            check(&*store, asked.clone()).await;
        }
    }
}
