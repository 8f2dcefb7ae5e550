//! Cases for [`ActivityStore`]: excluded event types.

use std::sync::Arc;

use super::{
    ActivityStore,
    activities::{all, append, entry, page_view, session},
    at, new_visitor, user_id,
};
use crate::model::activity::{ActivityFilter, Event, EventType, Order};

fn own(number: u64) -> EventType {
    EventType::new(&format!("own{number}")).expect("a name")
}

/// Checks that history, count and deletion agree with [`ActivityFilter::matches`].
async fn check<S: ActivityStore>(store: &S, events: &[Event], filter: ActivityFilter) {
    let expected: Vec<_> = events.iter().filter(|event| filter.matches(event)).collect();
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut found = all(store, filter.clone(), order, 13).await;
        if order == Order::NewestFirst {
            found.reverse();
        }
        assert!(found.iter().map(|activity| &activity.event).eq(expected.iter().copied()), "{filter:?}");
    }
    assert_eq!(store.count(filter.clone()).await.expect("counted"), expected.len() as u64, "{filter:?}");
}

pub(super) async fn except_types_excludes_in_every_method<S: ActivityStore>(store: Arc<S>) {
    let types = [EventType::PAGE_VIEW, EventType::LOGIN, EventType::LOGOUT, own(1)];
    let visitor = new_visitor();
    let events: Vec<_> = (0..120u64)
        .map(|number| {
            let mut event = page_view(["ada", "bob"][number as usize % 2], at(number));
            event.event_type = types[number as usize / 3 % 4].clone();
            event.session = Some(session(u128::from(number % 5)));
            event.visitor = (number % 7 == 0).then_some(visitor);
            event
        })
        .collect();
    append(&*store, events.iter().cloned().zip(1..).map(|(event, number)| entry(number, event)).collect()).await;
    let excludes = [vec![], vec![EventType::LOGIN], vec![EventType::LOGIN, EventType::LOGOUT], types.to_vec()];
    for except in excludes {
        let filter = ActivityFilter::new().except_types(except);
        check(&*store, &events, filter.clone()).await;
        check(&*store, &events, filter.clone().user(user_id("bob"))).await;
        check(&*store, &events, filter.clone().session(session(3))).await;
        check(&*store, &events, filter.clone().visitor(visitor)).await;
        check(&*store, &events, filter.clone().event_type(EventType::LOGIN)).await;
        check(&*store, &events, filter.clone().from(at(30)).until(at(90))).await;
    }
    let rest = ActivityFilter::new().except_types([EventType::LOGIN, own(1)]).until(at(60));
    assert_eq!(store.delete_activities(rest.clone(), 10).await.expect("deleted"), 10, "in chunks");
    assert_eq!(store.delete_activities(rest.clone(), 100).await.expect("deleted"), 20);
    assert_eq!(store.delete_activities(rest.clone(), 100).await.expect("deleted"), 0);
    let left: Vec<_> = events.into_iter().filter(|event| !rest.matches(event)).collect();
    check(&*store, &left, ActivityFilter::new()).await;
    check(&*store, &left, ActivityFilter::new().except_types([EventType::LOGIN])).await;
}

pub(super) async fn except_types_ignores_unknown_types<S: ActivityStore>(store: Arc<S>) {
    let except = || ActivityFilter::new().except_types([EventType::PURCHASE, own(9)]);
    check(&*store, &[], except()).await;
    assert_eq!(store.delete_activities(except(), 10).await.expect("nothing"), 0);
    let events: Vec<_> = (0..9).map(|number| page_view("ada", at(number))).collect();
    append(&*store, events.iter().cloned().zip(1..).map(|(event, number)| entry(number, event)).collect()).await;
    check(&*store, &events, except()).await;
    assert_eq!(store.delete_activities(except(), 100).await.expect("deleted"), 9);
}

/// More types than a store may have bits for.
pub(super) async fn event_types_are_distinct_however_many<S: ActivityStore>(store: Arc<S>) {
    let events: Vec<_> = (0..400u64)
        .map(|number| {
            let mut event = page_view("ada", at(number));
            event.event_type = own(number % 200);
            event
        })
        .collect();
    for (chunk, numbers) in events.chunks(100).zip(0..) {
        let entries = chunk.iter().cloned().zip(numbers * 100 + 1..).map(|(event, number)| entry(number, event));
        append(&*store, entries.collect()).await;
    }
    for except in [vec![own(0)], vec![own(63), own(126)], (0..63).map(own).collect(), (1..200).map(own).collect()] {
        check(&*store, &events, ActivityFilter::new().except_types(except)).await;
    }
    let rare = ActivityFilter::new().except_types((0..199).map(own));
    assert_eq!(store.delete_activities(rare, 10).await.expect("deleted"), 2);
    let left: Vec<_> = events.into_iter().filter(|event| event.event_type != own(199)).collect();
    check(&*store, &left, ActivityFilter::new()).await;
}
