//! Answers from rollups equal answers from events, whatever happens in between.

use std::{path::Path, sync::Arc, time::Duration};

use proptest::prelude::*;
use rusqlite::Connection;
use tower_guestbook::{
    Clock, ErrorKind, Guestbook, SessionId, Timestamp, UserId, VisitorId,
    activity::{ActivityFilter, Entry, Event, EventId, EventType, RequestTrace},
    analytics::{ActiveUsers, ActivitySeries, AnalyticsRules, EventFilter, Overview, Period, Range, Weekday, Zone},
    client::DeviceClass,
    privacy::RestrictionReason,
    store::{ActivityStore, Commit, MemoryStore, SqliteStore, Store},
};

use super::view;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Midnight in UTC; New York's clocks go back on the second day after it.
const START: i64 = 1_793_318_400_000;

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

/// Rules without background work, and with one excluded type.
fn rules() -> AnalyticsRules {
    AnalyticsRules::new().roll_up_every(None).except_types([EventType::API_CALL])
}

/// A store with its guestbook and clock.
struct Book<S> {
    store: S,
    guestbook: Guestbook,
    clock: Clock,
}

impl<S: Store + Clone> Book<S> {
    fn new(store: S) -> Self {
        let clock = Clock::manual(time(DAY));
        let guestbook = Guestbook::builder(store.clone()).clock(clock.clone()).analytics(rules()).build().unwrap();
        Self { store, guestbook, clock }
    }

    async fn append(&self, first: u64, events: &[Event]) {
        let entry = |(number, event): (u64, &Event)| Entry { id: EventId { origin: 1, number }, event: event.clone() };
        let entries: Arc<[Entry]> = (first..).zip(events).map(entry).collect();
        if !entries.is_empty() {
            self.store.append(entries, Commit::Relaxed).await.unwrap();
        }
    }

    /// An impossible operation, such as restricting an erased user, is an answer, too.
    async fn act(&self, step: &Step, number: u64) -> Result<(), ErrorKind> {
        let rights = self.guestbook.rights();
        let done = match step {
            Step::Events(events) => {
                self.append(number, events).await;
                Ok(())
            }
            Step::Forget(filter) => self.store.delete_activities(filter.clone(), 1_000).await.map(drop),
            Step::Anonymise(filter) => self.store.anonymise(filter.clone(), 1_000).await.map(drop),
            Step::Erase(user) => rights.erase(&UserId::from(*user)).await.map(drop),
            Step::Restrict(user) => rights.restrict(&UserId::from(*user), RestrictionReason::Accuracy).await.map(drop),
            Step::Lift(user) => rights.lift_restriction(&UserId::from(*user)).await.map(drop),
            Step::Wait(hours) => {
                self.clock.advance(Duration::from_secs(3_600 * hours));
                Ok(())
            }
            Step::RollUp => self.guestbook.analytics().roll_up().await,
        };
        done.map_err(|error| error.kind())
    }

    async fn ask(&self, question: &Question) -> Answers {
        let analytics = self.guestbook.analytics();
        let range = Range::new(time(question.from), time(question.until.max(question.from))).unwrap();
        let (zone, all) = (|| Zone::named(question.zone).unwrap(), EventFilter::new);
        let views = ActivityFilter::new().event_type(EventType::PAGE_VIEW).except_types([EventType::LOGIN]);
        let phones = EventFilter::new().device(DeviceClass::Mobile);
        Answers {
            overview: analytics.overview(range, zone(), all(), 3).await.unwrap(),
            filtered: analytics
                .event_breakdown(range, ActivityFilter::new().except_types([EventType::LOGIN]))
                .await
                .unwrap()
                .len(),
            pages: serde_json::to_string(&analytics.popular_pages(range, all(), 9).await.unwrap()).unwrap(),
            users: analytics.top_users(range, all(), 2).await.unwrap().len(),
            series: analytics.activity_series(range, question.period, zone(), all()).await.unwrap(),
            views: analytics.activity_series(range, question.period, zone(), views).await.unwrap(),
            phones: analytics.active_users_series(range, zone(), phones).await.unwrap(),
            days: analytics.active_users_series(range, zone(), all()).await.unwrap(),
            active: analytics.active_users(self.clock.now(), Duration::from_secs(36 * 3_600)).await.unwrap(),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Answers {
    overview: Overview,
    filtered: usize,
    pages: String,
    users: usize,
    series: ActivitySeries,
    views: ActivitySeries,
    phones: ActiveUsers,
    days: ActiveUsers,
    active: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Events(Vec<Event>),
    Forget(ActivityFilter),
    Anonymise(ActivityFilter),
    Erase(i64),
    Restrict(i64),
    Lift(i64),
    Wait(u64),
    RollUp,
}

#[derive(Clone, Debug)]
struct Question {
    from: i64,
    until: i64,
    zone: &'static str,
    period: Period,
}

fn event() -> impl Strategy<Value = Event> {
    let when = prop_oneof![
        0..5 * DAY,
        (0..120i64).prop_map(|hour| hour * HOUR),
        (0..240i64).prop_map(|half| half * 30 * MINUTE)
    ];
    let number = || prop::option::of(1..5i64);
    (when, 0..4u8, number(), number(), number(), 1..4u8).prop_map(|(when, kind, user, visitor, session, page)| {
        let page = format!("/page/{page}");
        let mut event = match kind {
            0 | 1 => view(&page, "2026-11-25T00:00:00Z"),
            2 => Event::new(EventType::LOGIN, time(0)),
            _ => Event::new(EventType::API_CALL, time(0)),
        };
        let uuid = |number: i64| uuid::Uuid::from_u128(number as u128);
        event.time = time(when);
        if kind > 0 {
            let mut request = RequestTrace::default();
            request.route = page.into();
            request.agent.device = if kind == 1 { DeviceClass::Mobile } else { DeviceClass::Desktop };
            event.request = Some(request);
        }
        event.user = user.map(UserId::from);
        event.visitor = visitor.map(|visitor| VisitorId::from(uuid(visitor)));
        event.session = session.map(|session| SessionId::from(uuid(session)));
        event
    })
}

fn step() -> impl Strategy<Value = Step> {
    let user = 1..5i64;
    prop_oneof![
        6 => prop::collection::vec(event(), 1..25).prop_map(Step::Events),
        1 => user.clone().prop_map(|user| Step::Forget(ActivityFilter::new().user(UserId::from(user)))),
        1 => (0..5 * DAY).prop_map(|until| Step::Forget(ActivityFilter::new().until(time(until)))),
        1 => user.clone().prop_map(|user| Step::Anonymise(ActivityFilter::new().user(UserId::from(user)))),
        1 => (0..5 * DAY).prop_map(|until| Step::Anonymise(ActivityFilter::new().until(time(until)))),
        1 => user.clone().prop_map(Step::Erase),
        1 => user.clone().prop_map(Step::Restrict),
        1 => user.prop_map(Step::Lift),
        3 => (1..40u64).prop_map(Step::Wait),
        5 => Just(Step::RollUp),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let hour =
        || prop_oneof![(-2..7i64).prop_map(|day| day * DAY), (0..120i64).prop_map(|hour| hour * HOUR), -DAY..6 * DAY];
    let zone = prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kolkata"]);
    let period = prop::sample::select(vec![
        Period::Hour,
        Period::Day,
        Period::Week,
        Period::WeekFrom(Weekday::Sunday),
        Period::Month,
    ]);
    (hour(), hour(), zone, period).prop_map(|(from, until, zone, period)| Question { from, until, zone, period })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rollup_answers_equal_event_answers(
        steps in prop::collection::vec((step(), question()), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let summing = Book::new(SqliteStore::open(directory.path().join("guestbook.db")).unwrap());
            let looking = Book::new(MemoryStore::new());
            let mut number = 1;
            for (step, question) in &steps {
                prop_assert_eq!(summing.act(step, number).await, looking.act(step, number).await);
                number += 100;
                prop_assert_eq!(summing.ask(question).await, looking.ask(question).await);
            }
            let check = summing.guestbook.analytics().check_rollups().await.unwrap();
            prop_assert_eq!(check.wrong, vec![]);
            Ok(())
        })?;
    }
}

/// A file with three days of events, rolled up.
async fn rolled_up(directory: &Path) -> Book<SqliteStore> {
    let book = Book::new(SqliteStore::open(directory.join("guestbook.db")).unwrap());
    book.append(1, &three_days()).await;
    book.clock.advance(Duration::from_secs(3 * 24 * 3_600));
    book.guestbook.analytics().roll_up().await.unwrap();
    book
}

/// A page view every half hour.
fn three_days() -> Vec<Event> {
    let event = |half: i64| {
        let mut event = view(&format!("/page/{}", half % 3), "2026-11-25T00:00:00Z");
        event.time = time(half * 30 * MINUTE);
        event.user = Some(UserId::from(1 + half % 4));
        event
    };
    (0..3 * 48).map(event).collect()
}

fn all() -> Question {
    Question { from: 0, until: 5 * DAY, zone: "UTC", period: Period::Day }
}

fn periods(directory: &Path) -> (i64, i64) {
    let file = Connection::open(directory.join("guestbook.db")).unwrap();
    let count =
        "SELECT coalesce(sum(period < 1 << 40), 0), coalesce(sum(period >= 1 << 40), 0) FROM rollups WHERE finalized";
    file.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn rolled_up_events_are_not_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let book = rolled_up(directory.path()).await;
    assert_eq!(periods(directory.path()), (72, 3));
    let before = book.ask(&all()).await;
    // Behind the store's back, which its API does not allow.
    let file = Connection::open(directory.path().join("guestbook.db")).unwrap();
    file.execute("DELETE FROM activities WHERE sequence % 2 = 0", []).unwrap();
    assert_eq!(book.ask(&all()).await, before);
    // It is found, and repaired.
    let check = book.guestbook.analytics().check_rollups().await.unwrap();
    assert_eq!((check.checked, check.wrong.len()), (75, 75));
    book.guestbook.analytics().rebuild_rollups().await.unwrap();
    assert_eq!(book.guestbook.analytics().check_rollups().await.unwrap().wrong, []);
    assert_eq!(book.ask(&all()).await.overview.events, 72);
}

#[tokio::test]
async fn late_event_counts_immediately() {
    let directory = tempfile::tempdir().unwrap();
    let book = rolled_up(directory.path()).await;
    let mut late = view("/late", "2026-11-25T00:00:00Z");
    late.time = time(DAY + 5 * HOUR + 1);
    late.user = Some(UserId::from(99));
    book.append(1_000, &[late]).await;
    assert_eq!(periods(directory.path()), (71, 2), "its hour and its day are no longer rolled up");
    let found = book.ask(&all()).await;
    assert_eq!((found.overview.events, found.overview.active_users, found.series.buckets[1].active_users), (145, 5, 5));
    book.guestbook.analytics().roll_up().await.unwrap();
    assert_eq!(periods(directory.path()), (72, 3));
    assert_eq!(book.ask(&all()).await, found);
}

#[tokio::test]
async fn damaged_rollup_is_replaced_by_events_and_rebuilt() {
    let directory = tempfile::tempdir().unwrap();
    let book = rolled_up(directory.path()).await;
    let before = book.ask(&all()).await;
    let file = Connection::open(directory.path().join("guestbook.db")).unwrap();
    file.execute("UPDATE rollup_parts SET state = x'ff'", []).unwrap();
    assert_eq!(book.ask(&all()).await, before);
    assert_eq!(book.guestbook.analytics().check_rollups().await.unwrap().wrong.len(), 75);
    book.guestbook.analytics().rebuild_rollups().await.unwrap();
    assert_eq!(book.guestbook.analytics().check_rollups().await.unwrap().wrong, []);
    assert_eq!(book.ask(&all()).await, before);
}

#[tokio::test]
async fn abandoned_rollup_claim_blocks_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let book = Book::new(SqliteStore::open(directory.path().join("guestbook.db")).unwrap());
    book.append(1, &three_days()).await;
    book.clock.advance(Duration::from_secs(3 * 24 * 3_600));
    let file = Connection::open(directory.path().join("guestbook.db")).unwrap();
    file.execute("INSERT INTO rollups VALUES (?1, zeroblob(16), FALSE)", [START / HOUR + 5]).unwrap();
    assert_eq!(book.ask(&all()).await.overview.events, 144, "what is claimed is not used");
    book.guestbook.analytics().roll_up().await.unwrap();
    assert_eq!(periods(directory.path()), (72, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn event_stored_during_its_rollup_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let book = Arc::new(rolled_up(directory.path()).await);
    let writer = book.clone();
    // Late events for all hours, repeatedly, through another handle of the same file.
    let other = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let writing = tokio::spawn(async move {
        for round in 0..40 {
            let events = three_days().into_iter().skip(round as usize % 7).step_by(7).collect::<Vec<_>>();
            let entry = |(number, event)| Entry {
                id: EventId { origin: 2 + round % 2, number: round * 1_000 + number },
                event,
            };
            let entries: Arc<[Entry]> = (1..).zip(events).map(entry).collect();
            match round % 2 {
                0 => writer.store.append(entries, Commit::Relaxed).await.unwrap(),
                _ => other.append(entries, Commit::Relaxed).await.unwrap(),
            };
        }
    });
    while !writing.is_finished() {
        book.guestbook.analytics().roll_up().await.unwrap();
    }
    writing.await.unwrap();
    book.guestbook.analytics().roll_up().await.unwrap();
    assert_eq!(periods(directory.path()), (72, 3));
    assert_eq!(book.guestbook.analytics().check_rollups().await.unwrap().wrong, []);
    let by_count = book.store.count(ActivityFilter::new()).await.unwrap();
    assert_eq!(book.ask(&all()).await.overview.events, by_count);
}

#[tokio::test]
async fn erased_user_is_in_no_rollup() {
    let directory = tempfile::tempdir().unwrap();
    let book = rolled_up(directory.path()).await;
    let file = Connection::open(directory.path().join("guestbook.db")).unwrap();
    let number: i64 = file.query_row("SELECT id FROM users WHERE external = '3'", [], |row| row.get(0)).unwrap();
    assert!(number > 0);
    book.guestbook.rights().erase(&UserId::from(3)).await.unwrap();
    // One of four half hours was theirs: every second hour, and each day.
    assert_eq!(periods(directory.path()), (36, 0));
    let parts: i64 =
        file.query_row("SELECT count(DISTINCT place & (1 << 48) - 1) FROM rollup_parts", [], |row| row.get(0)).unwrap();
    assert_eq!(parts, 36, "nothing is left of the others");
    let found = book.ask(&all()).await;
    assert_eq!((found.overview.events, found.overview.active_users), (108, 3));
    book.guestbook.analytics().roll_up().await.unwrap();
    assert_eq!(book.ask(&all()).await, found);
    assert_eq!(book.guestbook.analytics().check_rollups().await.unwrap().wrong, []);
}

#[tokio::test]
async fn restriction_takes_effect_on_rollups_immediately() {
    let directory = tempfile::tempdir().unwrap();
    let book = rolled_up(directory.path()).await;
    let rights = book.guestbook.rights();
    rights.restrict(&UserId::from(2), RestrictionReason::Accuracy).await.unwrap();
    let found = book.ask(&all()).await;
    assert_eq!((found.overview.events, found.overview.active_users), (108, 3));
    assert_eq!(periods(directory.path()), (72, 3), "it is only not used");
    book.guestbook.analytics().roll_up().await.unwrap();
    assert_eq!((periods(directory.path()), book.ask(&all()).await), ((72, 3), found));
    rights.lift_restriction(&UserId::from(2)).await.unwrap();
    assert_eq!(book.ask(&all()).await.overview.events, 144);
}
