//! Cases for [`AnalyticsStore`]: scans.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use serde_json::json;

use super::{
    AnalyticsStore,
    activities::{append, entry, page_view, session},
    at,
    cancelled::poll_and_leave,
    user_id,
};
use crate::{
    id::VisitorId,
    model::{
        activity::{ActivityFilter, Event, EventData, EventLimits, EventType, Method, RequestTrace},
        analytics::Range,
    },
    store::{Exclusion, Scan},
};

/// One event of a scan, without borrowing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    sequence: u64,
    time: i64,
    event_type: (u64, String),
    user: Option<u64>,
    visitor: Option<u64>,
    linked_user: Option<u64>,
    session: Option<u64>,
    route: Option<(u64, String)>,
    data: Option<String>,
}

fn range(from: u64, until: u64) -> Range {
    Range::new(at(from), at(until)).expect("it does not end before it begins")
}

/// Returns at most `limit` events of a scan.
async fn some<S: AnalyticsStore>(store: &S, scan: Scan, limit: usize) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    let each = move |event: &crate::store::ScannedEvent<'_>| {
        let mut seen = seen.lock().expect("nothing panics in it");
        seen.push(Seen {
            sequence: event.sequence,
            time: event.time.as_millis(),
            event_type: (event.event_type.number, event.event_type.name.to_owned()),
            user: event.user,
            visitor: event.visitor,
            linked_user: event.linked_user,
            session: event.session,
            route: event.route.map(|route| (route.number, route.name.to_owned())),
            data: event.data.map(str::to_owned),
        });
        if seen.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.scan(scan, Box::new(each)).await.expect("looked through");
    let seen = all.lock().expect("nothing panics in it");
    seen.clone()
}

async fn all<S: AnalyticsStore>(store: &S, scan: Scan) -> Vec<Seen> {
    some(store, scan, usize::MAX).await
}

async fn sequences<S: AnalyticsStore>(store: &S, scan: Scan) -> Vec<u64> {
    all(store, scan).await.iter().map(|seen| seen.sequence).collect()
}

/// Stores events with different people, types, sessions and routes, at times that go up and down.
/// Returns each with its sequence number.
async fn stored<S: AnalyticsStore>(store: &S, count: u64) -> Vec<(u64, Event)> {
    let events: Vec<_> = (0..count).map(event).collect();
    let entries: Vec<_> = (1..).zip(events.iter().cloned()).map(|(number, event)| entry(number, event)).collect();
    let mut sequences = Vec::new();
    for batch in entries.chunks(500) {
        sequences.extend(append(store, batch.to_vec()).await.into_iter().flatten());
    }
    assert_eq!(sequences.len(), events.len());
    sequences.into_iter().zip(events).collect()
}

fn event(number: u64) -> Event {
    let types = [EventType::PAGE_VIEW, EventType::PAGE_VIEW, EventType::LOGIN, EventType::PURCHASE];
    // 7,919 is prime: times are mixed, some of them occur twice.
    let mut event = page_view("ada", at(number * 7_919 % 1_000));
    event.event_type = types[(number % 4) as usize].clone();
    event.user = (!number.is_multiple_of(3)).then(|| user_id(if number % 5 < 3 { "ada" } else { "ben" }));
    event.visitor = number.is_multiple_of(2).then(|| VisitorId::from(uuid::Uuid::from_u128(u128::from(number % 7))));
    event.session = (!number.is_multiple_of(6)).then(|| session(u128::from(number % 11)));
    let method = if number % 9 < 4 { Method::Get } else { Method::Post };
    let route = if number % 8 < 5 { "/a" } else { "/b/{id}" };
    event.request =
        (!number.is_multiple_of(5)).then(|| RequestTrace { route: route.into(), method, ..RequestTrace::default() });
    let data = json!({ "number": number });
    event.data = (number % 4 > 1).then(|| EventData::new(&data, &EventLimits::default()).expect("small"));
    event
}

pub(super) async fn scan_returns_each_event_once_in_order<S: AnalyticsStore>(store: Arc<S>) {
    assert_eq!(sequences(&*store, Scan::new(range(0, 1_000))).await, [0; 0], "there is nothing yet");
    let events = stored(&*store, 3_000).await;
    for (from, until) in [(0, 1_000), (0, 1), (1, 2), (500, 700), (999, 1_000), (1_000, 5_000), (300, 300)] {
        let range = range(from, until);
        let expected = events.iter().filter(|(_, event)| range.contains(event.time)).map(|(sequence, _)| *sequence);
        assert_eq!(sequences(&*store, Scan::new(range)).await, expected.collect::<Vec<_>>(), "{from} to {until}");
    }
    let logins = ActivityFilter::new().event_type(EventType::LOGIN);
    store.delete_activities(logins, 700).await.expect("deleted");
    let left = sequences(&*store, Scan::new(range(0, 1_000))).await;
    let is_left = |event: &Event, index: usize| event.event_type != EventType::LOGIN || index / 4 >= 700;
    let expected = (0..).zip(&events).filter(|(index, (_, event))| is_left(event, *index));
    assert_eq!(left, expected.map(|(_, (sequence, _))| *sequence).collect::<Vec<_>>());
}

pub(super) async fn scan_conditions_match<S: AnalyticsStore>(store: Arc<S>) {
    let events = stored(&*store, 2_500).await;
    let everything = || Scan::new(range(0, 1_000));
    let ada = || user_id("ada");
    let is_ada = |event: &Event| event.user == Some(user_id("ada"));
    type Question<'a> = (&'static str, Scan, &'a dyn Fn(&Event) -> bool);
    let questions: &[Question<'_>] = &[
        ("a type", everything().types([EventType::LOGIN]), &|event| event.event_type == EventType::LOGIN),
        ("two types", everything().types([EventType::LOGIN, EventType::PURCHASE]), &|event| {
            event.event_type != EventType::PAGE_VIEW
        }),
        ("no types", everything().types([]), &|_| false),
        ("a type that was never stored", everything().types([EventType::ERROR]), &|_| false),
        ("without a type", everything().except_types([EventType::PAGE_VIEW]), &|event| {
            event.event_type != EventType::PAGE_VIEW
        }),
        ("a type but not", everything().types([EventType::LOGIN]).except_types([EventType::LOGIN]), &|_| false),
        ("a user", everything().user(ada()), &is_ada),
        ("nobody", everything().user(user_id("nobody")), &|_| false),
        ("others", everything().except_users([ada(), user_id("nobody")]), &|event| !is_ada(event)),
        ("a user but not", everything().user(ada()).except_users([ada()]), &|_| false),
        ("a session", everything().session(session(3)), &|event| event.session == Some(session(3))),
        ("an unknown session", everything().session(session(77)), &|_| false),
        ("a session of a user", everything().session(session(3)).user(ada()), &|event| {
            event.session == Some(session(3)) && is_ada(event)
        }),
        ("persons", everything().with_person(), &|event| event.user.is_some() || event.visitor.is_some()),
        ("all at once", Scan::new(range(100, 900)).types([EventType::PAGE_VIEW]).user(ada()).with_person(), &|event| {
            range(100, 900).contains(event.time) && event.event_type == EventType::PAGE_VIEW && is_ada(event)
        }),
    ];
    for (name, scan, is_meant) in questions {
        let expected = events.iter().filter(|(_, event)| is_meant(event)).map(|(sequence, _)| *sequence);
        assert_eq!(sequences(&*store, scan.clone()).await, expected.collect::<Vec<_>>(), "{name}");
    }
}

pub(super) async fn scan_excludes_people_by_type<S: AnalyticsStore>(store: Arc<S>) {
    let (phone, other) = (VisitorId::from(uuid::Uuid::from_u128(7)), VisitorId::from(uuid::Uuid::from_u128(8)));
    let mut events = Vec::new();
    for user in [Some("ada"), Some("bob"), None] {
        for visitor in [Some(phone), Some(other), None] {
            for event_type in [EventType::LOGIN, EventType::PAGE_VIEW, EventType::ERROR] {
                let mut event = Event::new(event_type, at(7));
                (event.user, event.visitor) = (user.map(user_id), visitor);
                events.push(event);
            }
        }
    }
    append(&*store, (1..).zip(&events).map(|(number, event)| entry(number, event.clone())).collect()).await;
    let ada = || Exclusion::new([user_id("ada").into(), user_id("nobody").into()]);
    let visitor = || Exclusion::new([phone.into(), VisitorId::from(uuid::Uuid::from_u128(9)).into()]);
    let never = EventType::new("never.stored").expect("a name");
    for exclusion in [
        vec![],
        vec![Exclusion::new([])],
        vec![ada()],
        vec![visitor()],
        vec![ada().types([EventType::LOGIN, never.clone()])],
        vec![ada().types([EventType::LOGIN]), visitor().except_types([EventType::ERROR])],
        vec![ada().except_types([never.clone()]), visitor().types([never])],
    ] {
        let expected = events.iter().filter(|event| !exclusion.iter().any(|exclusion| exclusion.has(event)));
        let scan = Scan::new(range(0, 10)).exclusion(exclusion.clone());
        let seen = some(&*store, scan, usize::MAX).await;
        let expected: Vec<_> = expected.map(|event| event.event_type.as_str().to_owned()).collect();
        assert_eq!(seen.into_iter().map(|seen| seen.event_type.1).collect::<Vec<_>>(), expected, "{exclusion:?}");
        let has_person = |event: &&Event| event.user.is_some() || event.visitor.is_some();
        let named =
            events.iter().filter(has_person).filter(|event| !exclusion.iter().any(|exclusion| exclusion.has(event)));
        let scan = Scan::new(range(0, 10)).with_person().exclusion(exclusion.clone());
        assert_eq!(some(&*store, scan, usize::MAX).await.len(), named.count());
    }
}

pub(super) async fn scan_returns_requested_properties<S: AnalyticsStore>(store: Arc<S>) {
    let events = stored(&*store, 1_200).await;
    let plain = all(&*store, Scan::new(range(0, 1_000))).await;
    assert!(plain.iter().all(|seen| seen.session.is_none() && seen.route.is_none() && seen.data.is_none()));
    let full = all(&*store, Scan::new(range(0, 1_000)).sessions().routes().data()).await;
    assert_eq!((plain.len(), full.len()), (events.len(), events.len()));
    let (mut users, mut visitors, mut sessions) = (HashMap::new(), HashMap::new(), HashMap::new());
    let (mut types, mut routes) = (HashMap::new(), HashMap::new());
    for (seen, (sequence, event)) in full.iter().zip(&events) {
        assert_eq!((seen.sequence, seen.time), (*sequence, event.time.as_millis()));
        assert_eq!(seen.event_type.1, event.event_type.as_str());
        assert_eq!(seen.data.as_deref(), event.data.as_ref().map(EventData::as_json));
        let route = event.request.as_ref().map(|request| (request.method, request.route.to_string()));
        assert_eq!(seen.route.as_ref().map(|route| &route.1), route.as_ref().map(|route| &route.1));
        same(&mut types, Some(seen.event_type.0), Some(event.event_type.as_str()));
        same(&mut routes, seen.route.as_ref().map(|route| route.0), route);
        same(&mut users, seen.user, event.user.clone());
        same(&mut visitors, seen.visitor, event.visitor);
        same(&mut sessions, seen.session, event.session);
    }
    assert_eq!((users.len(), visitors.len(), sessions.len(), types.len(), routes.len()), (2, 7, 11, 3, 4));
}

/// Asserts that a number belongs to this name and no other.
fn same<T: PartialEq + std::fmt::Debug>(known: &mut HashMap<u64, T>, number: Option<u64>, name: Option<T>) {
    assert_eq!(number.is_some(), name.is_some());
    if let (Some(number), Some(name)) = (number, name) {
        assert!(known.iter().all(|(other, known)| (*other == number) == (*known == name)), "two numbers or two names");
        known.insert(number, name);
    }
}

pub(super) async fn scan_ends_on_break<S: AnalyticsStore>(store: Arc<S>) {
    let events = stored(&*store, 1_500).await;
    for limit in [1, 2, 1_100] {
        let seen = some(&*store, Scan::new(range(0, 1_000)), limit).await;
        let expected = events.iter().take(limit).map(|(sequence, _)| *sequence);
        assert_eq!(seen.iter().map(|seen| seen.sequence).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

pub(super) async fn scan_sees_whole_batches<S: AnalyticsStore>(store: Arc<S>) {
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                let pair = (1..=3).map(|place| entry(3 * number + place, page_view("ada", at(number))));
                append(&*store, pair.collect()).await;
            }
        })
    };
    let mut last = 0;
    while last < 300 {
        let seen = sequences(&*store, Scan::new(range(0, 1_000))).await.len();
        assert!(seen % 3 == 0 && seen >= last, "{seen} after {last}");
        last = seen;
        tokio::task::yield_now().await;
    }
    writer.await.expect("it does not panic");
}

pub(super) async fn dropped_scan_blocks_nobody<S: AnalyticsStore>(store: Arc<S>) {
    let events = stored(&*store, 1_500).await;
    for polls in 0..4 {
        poll_and_leave(store.scan(Scan::new(range(0, 1_000)), Box::new(|_| ControlFlow::Continue(()))), polls).await;
        assert_eq!(all(&*store, Scan::new(range(0, 1_000))).await.len(), events.len());
    }
}
