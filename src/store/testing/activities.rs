//! Cases for [`ActivityStore`]: append, history, filters and deletion.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::json;

use super::{ActivityStore, at, user_id};
use crate::{
    id::{SessionId, VisitorId},
    model::{
        activity::{
            Activity, ActivityFilter, Campaign, Cursor, Entry, Event, EventData, EventId, EventLimits, EventType,
            HistoryQuery, Method, Order, Origin, Outcome, RequestTrace, ResponseTrace,
        },
        client::Agent,
    },
    store::Commit,
    time::Timestamp,
};

const ORIGIN: u64 = 0xfeed_0000_0000_0007;

pub(super) fn entry(number: u64, event: Event) -> Entry {
    Entry { id: EventId { origin: ORIGIN, number }, event }
}

pub(super) fn page_view(user: &str, time: Timestamp) -> Event {
    let mut event = Event::new(EventType::PAGE_VIEW, time);
    event.user = Some(user_id(user));
    event
}

pub(super) fn session(number: u128) -> SessionId {
    SessionId::from(uuid::Uuid::from_u128(number))
}

/// An event with a value in every field.
pub(super) fn full(time: Timestamp) -> Event {
    let mut event = Event::new(EventType::new("video.watched").expect("a name"), time).with_client_time(at(5));
    event.user = Some(user_id("ada"));
    event.session = Some(session(1));
    event.visitor = Some(VisitorId::from(uuid::Uuid::from_u128(2)));
    event.origin = Origin::Client;
    let data = json!({ "title": "für 'Ada' \\ \"x\" \u{1f600}", "list": [1, 2.5, null, true], "empty": {} });
    event.data = Some(EventData::new(&data, &EventLimits::default()).expect("small"));
    event.request = Some(RequestTrace {
        route: "/videos/{id}".into(),
        method: Method::Patch,
        referrer: Some("example.org".into()),
        campaign: Some(Box::new(Campaign { source: Some("news".into()), ..Campaign::default() })),
        agent: Agent::from_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        network: Some("2001:db8:77::/48".parse().expect("a network")),
    });
    event.response = Some(ResponseTrace::new(206, 12_345, 1 << 40, Outcome::Abandoned));
    event
}

pub(super) async fn append<S: ActivityStore>(store: &S, entries: Vec<Entry>) -> Vec<Option<u64>> {
    store.append(entries.into(), Commit::Relaxed).await.expect("appended")
}

pub(super) async fn all<S: ActivityStore>(
    store: &S,
    filter: ActivityFilter,
    order: Order,
    limit: usize,
) -> Vec<Activity> {
    let mut query = HistoryQuery::new(filter).order(order).limit(limit);
    let mut found = Vec::new();
    loop {
        let page = store.history(query.clone()).await.expect("read");
        assert!(page.activities.len() <= limit);
        found.extend(page.activities);
        match page.next {
            Some(next) => {
                let next: Cursor = next.to_string().parse().expect("a cursor is text");
                query = HistoryQuery::new(query.filter).limit(limit).after(next);
            }
            None => return found,
        }
    }
}

pub(super) fn times(activities: &[Activity]) -> Vec<Timestamp> {
    activities.iter().map(|activity| activity.event.time).collect()
}

pub(super) async fn append_stores_events_unchanged<S: ActivityStore>(store: Arc<S>) {
    let mut bare = Event::new(EventType::LOGIN, at(1));
    bare.request = Some(RequestTrace { method: Method::Other, ..RequestTrace::default() });
    let mut said = Event::new(EventType::PAGE_VIEW, at(2));
    said.origin = Origin::Client;
    let events = [full(at(0)), bare, said, Event::new(EventType::ERROR, Timestamp::from_millis(-1))];
    let entries: Vec<_> = events.iter().cloned().zip(1..).map(|(event, number)| entry(number, event)).collect();
    let sequences = store.append(entries.into(), Commit::Durable).await.expect("appended");
    let found = all(&*store, ActivityFilter::new(), Order::OldestFirst, 10).await;
    let expected: Vec<_> =
        sequences.into_iter().zip(events).map(|(n, event)| Activity::new(n.expect("new"), event)).collect();
    assert_eq!(found, expected);
    assert_eq!(store.append(Arc::new([]), Commit::Relaxed).await.expect("nothing is no error"), []);
}

pub(super) async fn append_stores_each_event_once<S: ActivityStore>(store: Arc<S>) {
    let event = |number| entry(number, page_view("ada", at(number)));
    // With gaps, out of order, overlapping, twice in one batch, from two origins.
    for numbers in
        [vec![5, 6, 7], vec![1, 2], vec![6, 7, 8, 9], vec![3, 3, 4, 1], vec![20, 10, 15], vec![1, 2, 3, 10, 11]]
    {
        append(&*store, numbers.into_iter().map(event).collect()).await;
    }
    let mut found = times(&all(&*store, ActivityFilter::new(), Order::OldestFirst, 100).await);
    found.sort_unstable();
    let expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 20];
    assert_eq!(found, expected.map(at));
    let again = append(&*store, expected.map(event).to_vec()).await;
    assert!(again.iter().all(Option::is_none), "all are known");
    let other = Entry { id: EventId { origin: ORIGIN + 1, number: 1 }, event: page_view("ada", at(0)) };
    assert!(
        append(&*store, vec![event(1), other, event(2), event(99)])
            .await
            .iter()
            .map(Option::is_some)
            .eq([false, true, false, true])
    );
    assert_eq!(store.count(ActivityFilter::new()).await.expect("counted"), 15);
}

pub(super) async fn append_ignores_a_deleted_event<S: ActivityStore>(store: Arc<S>) {
    let batch: Vec<_> = (1..=3).map(|number| entry(number, page_view("ada", at(number)))).collect();
    append(&*store, batch.clone()).await;
    assert_eq!(store.delete_activities(ActivityFilter::new().user(user_id("ada")), 10).await.expect("deleted"), 3);
    assert_eq!(append(&*store, batch).await, [None, None, None]);
    assert_eq!(store.count(ActivityFilter::new()).await.expect("counted"), 0);
}

pub(super) async fn append_never_reuses_a_sequence<S: ActivityStore>(store: Arc<S>) {
    let mut last = 0;
    for number in 1..50 {
        // The clock may go back; the sequence does not.
        let time = at(1_000 - 10 * number);
        let given =
            append(&*store, vec![entry(2 * number, page_view("a", time)), entry(2 * number + 1, page_view("b", time))]);
        for sequence in given.await {
            let sequence = sequence.expect("new");
            assert!(sequence > last);
            last = sequence;
        }
        if number % 10 == 0 {
            store.delete_activities(ActivityFilter::new(), 1_000).await.expect("deleted");
        }
    }
}

pub(super) async fn history_returns_each_event_once_in_order<S: ActivityStore>(store: Arc<S>) {
    let entries = (0..100).map(|number| entry(number + 1, page_view(["ada", "bob"][number as usize % 2], at(7))));
    append(&*store, entries.collect()).await;
    for filter in [ActivityFilter::new(), ActivityFilter::new().user(user_id("bob"))] {
        let whole = all(&*store, filter.clone(), Order::OldestFirst, HistoryQuery::MAX_LIMIT).await;
        assert!(whole.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
        for limit in [1, 7, 50, 99, 100] {
            assert_eq!(all(&*store, filter.clone(), Order::OldestFirst, limit).await, whole);
            let mut back = all(&*store, filter.clone(), Order::NewestFirst, limit).await;
            back.reverse();
            assert_eq!(back, whole);
        }
    }
}

pub(super) async fn history_pages_are_stable_under_writes_and_deletions<S: ActivityStore>(store: Arc<S>) {
    append(&*store, (1..=20).map(|number| entry(number, page_view("ada", at(number)))).collect()).await;
    let first = store.history(HistoryQuery::new(ActivityFilter::new()).limit(5)).await.expect("read");
    assert_eq!(times(&first.activities), [20, 19, 18, 17, 16].map(at));
    append(&*store, vec![entry(21, page_view("ada", at(21)))]).await;
    // Deletes the row of the cursor itself, and one after it.
    store.delete_activities(ActivityFilter::new().from(at(15)).until(at(17)), 10).await.expect("deleted");
    let next = HistoryQuery::new(ActivityFilter::new()).limit(5).after(first.next.expect("more"));
    let second = store.history(next).await.expect("read");
    assert_eq!(times(&second.activities), [14, 13, 12, 11, 10].map(at));
    let tail = HistoryQuery::new(ActivityFilter::new());
    let tail = tail.after(Cursor::after_sequence(first.activities[0].sequence, Order::OldestFirst));
    assert_eq!(times(&store.history(tail).await.expect("read").activities), [at(21)], "what has come since");
    for edge in [0, i64::MAX as u64] {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let query = HistoryQuery::new(ActivityFilter::new()).after(Cursor::after_sequence(edge, order));
            let nothing = (edge == 0) == (order == Order::NewestFirst);
            assert_eq!(store.history(query).await.expect("read").activities.is_empty(), nothing);
        }
    }
}

pub(super) async fn activity_filter_combinations_match<S: ActivityStore>(store: Arc<S>) {
    let types = [EventType::PAGE_VIEW, EventType::LOGIN, EventType::new("own").expect("a name")];
    let mut entries = Vec::new();
    for number in 0..120u64 {
        let mut event = Event::new(types[number as usize % 3].clone(), at(number));
        event.user = (number % 4 != 0).then(|| user_id(["ada", "bob"][number as usize % 2]));
        event.session = (number % 5 != 0).then(|| session(u128::from(number % 7)));
        entries.push(entry(number + 1, event));
    }
    let events: Vec<_> = entries.iter().map(|entry| entry.event.clone()).collect();
    append(&*store, entries).await;
    let mut filters = vec![ActivityFilter::new()];
    let makes: [fn(ActivityFilter) -> ActivityFilter; 8] = [
        |filter| filter.user(user_id("ada")),
        |filter| filter.session(session(3)),
        |filter| filter.event_type(EventType::LOGIN),
        |filter| filter.from(at(40)),
        |filter| filter.until(at(80)),
        |filter| filter.user(user_id("nobody")),
        |filter| filter.session(session(99)),
        |filter| filter.event_type(EventType::PURCHASE),
    ];
    for (index, make) in makes.into_iter().enumerate() {
        // Each with and without all before: every combination of the first five.
        let with: Vec<_> = filters.iter().cloned().map(make).collect();
        if index < 5 { filters.extend(with) } else { filters.push(make(ActivityFilter::new())) }
    }
    for filter in filters {
        let expected: Vec<_> = events.iter().filter(|event| filter.matches(event)).collect();
        let found = all(&*store, filter.clone(), Order::OldestFirst, 11).await;
        assert!(found.iter().map(|activity| &activity.event).eq(expected.iter().copied()), "{filter:?}");
        assert_eq!(store.count(filter.clone()).await.expect("counted"), expected.len() as u64, "{filter:?}");
    }
}

pub(super) async fn delete_activities_deletes_the_oldest_in_chunks<S: ActivityStore>(store: Arc<S>) {
    append(
        &*store,
        (1..=50).map(|number| entry(number, page_view(["ada", "bob"][number as usize % 2], at(number)))).collect(),
    )
    .await;
    let old = ActivityFilter::new().until(at(31));
    assert_eq!(store.delete_activities(old.clone(), 12).await.expect("deleted"), 12);
    let left = times(&all(&*store, ActivityFilter::new(), Order::OldestFirst, 100).await);
    assert_eq!(left.first(), Some(&at(13)));
    assert_eq!(store.delete_activities(old.clone().user(user_id("bob")), 100).await.expect("deleted"), 9);
    assert_eq!(store.delete_activities(old.clone(), 100).await.expect("deleted"), 9);
    assert_eq!(store.delete_activities(old, 100).await.expect("deleted"), 0);
    let left = times(&all(&*store, ActivityFilter::new(), Order::OldestFirst, 100).await);
    assert!(left.iter().copied().eq((31..=50).map(at)));
}

/// Long enough for several blocks of any kind, with late events and a rare type among them.
pub(super) async fn history_is_correct_over_many_blocks<S: ActivityStore>(store: Arc<S>) {
    const COUNT: u64 = 6_000;
    let rare = EventType::new("rare").expect("a name");
    let event = |number: u64| {
        let time = if number % 1_000 == 500 { at(0) } else { at(number) };
        let mut event = page_view(&format!("user{}", number % 10), time);
        event.session = Some(session(u128::from(number / 100)));
        if number % 1_500 == 700 {
            event.event_type = rare.clone();
        }
        event
    };
    let numbers: Vec<u64> = (1..=COUNT).collect();
    for chunk in numbers.chunks(700) {
        append(&*store, chunk.iter().map(|number| entry(*number, event(*number))).collect()).await;
    }
    for filter in [
        ActivityFilter::new().from(at(2_990)).until(at(3_010)),
        ActivityFilter::new().until(at(1)),
        ActivityFilter::new().event_type(rare.clone()),
        ActivityFilter::new().event_type(rare.clone()).from(at(2_000)),
        ActivityFilter::new().user(user_id("user3")).from(at(5_900)),
        ActivityFilter::new().session(session(17)),
    ] {
        let expected: Vec<_> =
            numbers.iter().map(|number| event(*number)).filter(|event| filter.matches(event)).collect();
        let mut found = all(&*store, filter.clone(), Order::NewestFirst, 3).await;
        found.reverse();
        assert!(found.iter().map(|activity| &activity.event).eq(expected.iter()), "{filter:?}");
        assert_eq!(store.count(filter).await.expect("counted"), expected.len() as u64);
    }
}

pub(super) async fn append_keeps_all_parallel_batches<S: ActivityStore>(store: Arc<S>) {
    let tasks: Vec<_> = (0..8u64)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut given = Vec::new();
                for batch in 0..10u64 {
                    let numbers = 1 + batch * 5..=batch * 5 + 5;
                    let entry = |number| Entry {
                        id: EventId { origin: task, number },
                        event: page_view(&format!("user{task}"), at(number)),
                    };
                    let entries: Vec<_> = numbers.map(entry).collect();
                    given.extend(append(&*store, entries).await);
                }
                given
            })
        })
        .collect();
    let mut sequences = HashSet::new();
    for task in tasks {
        sequences.extend(task.await.expect("no panic").into_iter().map(|sequence| sequence.expect("new")));
    }
    assert_eq!(sequences.len(), 400, "each its own");
    assert_eq!(store.count(ActivityFilter::new()).await.expect("counted"), 400);
    let last = ActivityFilter::new().user(user_id("user7")).from(at(0).after(Duration::from_millis(50)));
    assert_eq!(store.count(last).await.expect("counted"), 1);
}
