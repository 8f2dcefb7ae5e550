//! Cases for anonymised events.

use std::sync::Arc;

use super::{
    ActivityStore, Store,
    activities::{all, append, entry, full, page_view, session},
    at,
    consents::{history, user},
    erasures::{self, activities, begin_erasure, decide, entries, event, is_over, link},
    holds::{hold, release},
    new_visitor, note, user_id,
};
use crate::{
    id::VisitorId,
    model::{
        activity::{Activity, ActivityFilter, Event, EventType, Order, RequestTrace},
        privacy::{AuditAction, ErasedActivities, Erasure, ErasureId, HeldClass, Restriction, RestrictionReason},
    },
    time::Timestamp,
};

const DAY: u64 = 24 * 60 * 60 * 1_000;

async fn everything<S: ActivityStore>(store: &S) -> Vec<Activity> {
    all(store, ActivityFilter::new(), Order::OldestFirst, 1_000).await
}

async fn count<S: ActivityStore>(store: &S, filter: ActivityFilter) -> u64 {
    store.count(filter).await.expect("counted")
}

pub(super) async fn anonymised_events_match_no_person<S: ActivityStore>(store: Arc<S>) {
    let mut rest = full(at(7));
    rest.user = Some(user_id("bob"));
    rest.session = Some(session(9));
    rest.visitor = None;
    // Before 1970 a day begins earlier, too; the first possible day does not.
    let [before, first] = [-1, i64::MIN + 7].map(|millis| full(Timestamp::from_millis(millis)));
    let events = [full(at(3)), rest, before, Event::new(EventType::ERROR, at(5)), first];
    append(&*store, events.into_iter().zip(1..).map(|(event, number)| entry(number, event)).collect()).await;
    let before = everything(&*store).await;
    let hers = ActivityFilter::new().user(user_id("ada"));
    assert_eq!(store.anonymise(hers.clone(), 10).await.expect("anonymised"), 3);
    let expected = before.into_iter().enumerate().map(|(index, activity)| match index {
        0 | 2 | 4 => activity.anonymised(),
        _ => activity,
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(everything(&*store).await, expected);
    assert!(
        expected[0].anonymised && expected[0].event.time < at(3) && expected[2].event.time < expected[0].event.time
    );
    let visitor = VisitorId::from(uuid::Uuid::from_u128(2));
    for filter in [hers, ActivityFilter::new().session(session(1)), ActivityFilter::new().visitor(visitor)] {
        assert_eq!(count(&*store, filter.clone()).await, 0, "{filter:?}");
        assert_eq!(all(&*store, filter, Order::NewestFirst, 10).await, []);
    }
    assert_eq!(count(&*store, ActivityFilter::new().session(session(9))).await, 1);
    let kind = EventType::new("video.watched").expect("a name");
    assert_eq!(count(&*store, ActivityFilter::new().event_type(kind)).await, 4, "they still count");
    let day = ActivityFilter::new().from(expected[0].event.time).until(at(1));
    assert_eq!(count(&*store, day).await, 1, "at the time that they have now");
}

pub(super) async fn anonymise_handles_the_oldest_in_chunks_and_each_once<S: ActivityStore>(store: Arc<S>) {
    let view = |number: u64| entry(number, page_view(["ada", "bob"][number as usize % 2], at(number)));
    append(&*store, (1..=50).map(view).collect()).await;
    let old = ActivityFilter::new().until(at(31));
    let named = async || all(&*store, ActivityFilter::new().except_anonymised(), Order::OldestFirst, 100).await;
    assert_eq!(store.anonymise(old.clone(), 12).await.expect("anonymised"), 12);
    assert_eq!(named().await[0].event.time, at(13));
    assert_eq!(store.anonymise(old.clone().user(user_id("bob")), 100).await.expect("anonymised"), 9);
    assert_eq!(store.anonymise(old.clone(), 100).await.expect("anonymised"), 9);
    for filter in [old.clone(), ActivityFilter::new().until(at(1)), old.user(user_id("ada"))] {
        assert_eq!(store.anonymise(filter, 100).await.expect("nothing is left"), 0);
    }
    let left = named().await;
    assert!(left.iter().map(|activity| activity.event.time).eq((31..=50).map(at)));
    assert_eq!(count(&*store, ActivityFilter::new()).await, 50);
    assert_eq!(count(&*store, ActivityFilter::new().except_anonymised()).await, 20);
    assert_eq!(count(&*store, ActivityFilter::new().except_anonymised().user(user_id("ada"))).await, 10);
    // Later events beside them are not anonymised.
    append(&*store, (51..=60).map(view).collect()).await;
    assert_eq!(store.anonymise(ActivityFilter::new().from(at(51)), 100).await.expect("anonymised"), 10);
    assert!(append(&*store, (1..=60).map(view).collect()).await.iter().all(Option::is_none), "they are known");
    // Deletion still works.
    assert_eq!(store.delete_activities(ActivityFilter::new().until(at(1)), 100).await.expect("deleted"), 40);
    assert_eq!(count(&*store, ActivityFilter::new()).await, 20);
}

/// Long enough for several blocks of any kind.
pub(super) async fn anonymise_leaves_other_events_unchanged<S: ActivityStore>(store: Arc<S>) {
    const COUNT: u64 = 4_000;
    let rare = EventType::new("rare").expect("a name");
    let event = |number: u64| {
        // A day has 1,000 of them.
        let mut event = page_view(&format!("user{}", number % 10), at(number * DAY / 1_000));
        event.session = Some(session(u128::from(number / 100)));
        if number.is_multiple_of(300) {
            event.event_type = rare.clone();
        }
        event
    };
    let numbers: Vec<u64> = (1..=COUNT).collect();
    for chunk in numbers.chunks(700) {
        append(&*store, chunk.iter().map(|number| entry(*number, event(*number))).collect()).await;
    }
    let mut expected = everything(&*store).await;
    for filter in [
        ActivityFilter::new().event_type(EventType::PAGE_VIEW).until(at(2 * DAY)),
        ActivityFilter::new().user(user_id("user3")).from(at(DAY)),
        ActivityFilter::new().session(session(30)),
        ActivityFilter::new().except_types([EventType::PAGE_VIEW]),
    ] {
        for limit in [300, 5_000] {
            let mut meant: Vec<_> = expected
                .iter_mut()
                .filter(|activity| !activity.anonymised && filter.matches(&activity.event))
                .collect();
            meant.truncate(limit);
            assert_eq!(store.anonymise(filter.clone(), limit).await.expect("anonymised"), meant.len(), "{filter:?}");
            meant.into_iter().for_each(|activity| *activity = activity.clone().anonymised());
        }
        assert_eq!(everything(&*store).await, expected, "{filter:?}");
        let left = expected.iter().filter(|activity| !activity.anonymised).count() as u64;
        assert_eq!(count(&*store, ActivityFilter::new().except_anonymised()).await, left);
        for asked in [ActivityFilter::new().event_type(rare.clone()), ActivityFilter::new().until(at(DAY))] {
            let of = expected.iter().filter(|activity| asked.matches(&activity.event));
            assert_eq!(count(&*store, asked.clone()).await, of.count() as u64, "{asked:?}");
        }
    }
}

fn named(user: &str, event_type: &str, route: &str) -> Event {
    let mut event = event(Some(user), None);
    event.event_type = EventType::new(event_type).expect("a name");
    event.request = Some(RequestTrace { route: route.into(), ..RequestTrace::default() });
    event
}

/// Continues until only held data is left.
async fn leave<S: Store>(store: &S, id: ErasureId, limit: usize, now: Timestamp) -> Erasure {
    for _ in 0..1_000 {
        let step = store.erase_some(id, limit, ErasedActivities::Anonymised, is_over(), now).await.expect("erased");
        if step.is_partial() || step.finished_at.is_some() {
            return step;
        }
    }
    panic!("an erasure does not finish");
}

pub(super) async fn erase_some_can_anonymise_events<S: Store>(store: Arc<S>) {
    for (number, limit) in (0u64..).zip([1, 3, 10, 1_000]) {
        let [ada, bob] = ["ada", "bob"].map(|name| format!("{name} {limit}"));
        let [phone, other] = [(); 2].map(|()| new_visitor());
        for visitor in [phone, other] {
            decide(&*store, &visitor.into()).await;
        }
        link(&*store, phone, &ada).await;
        let [shared, own] = ["shared", "own"].map(|name| format!("{name}{limit}"));
        let [route, her_route] = ["shared", "ada"].map(|name| format!("/{name}/{limit}"));
        let batch = [
            named(&ada, &shared, &route),
            named(&bob, &shared, &route),
            named(&ada, &own, &route),
            named(&ada, &shared, &her_route),
            event(None, Some(phone)),
            event(None, Some(other)),
            event(Some(&bob), Some(phone)),
            named(&ada, &shared, &route),
        ];
        let sequences = erasures::append(&*store, entries(number * 100 + 1, batch)).await;
        let sequences: Vec<u64> = sequences.into_iter().map(|sequence| sequence.expect("new")).collect();
        let since = ActivityFilter::new();
        let before: Vec<_> = activities(&*store, since.clone()).await;
        let erasure = begin_erasure(&*store, &ada).await;
        let erasure = leave(&*store, erasure.id, limit, at(4)).await;
        // Nobody else has the custom type and the custom route.
        assert_eq!((erasure.erased.activities, erasure.erased.anonymised), (2, 3), "{limit} at a time");
        assert_eq!((&erasure.user, erasure.finished_at), (&None, Some(at(4))));
        let gone = [sequences[2], sequences[3]];
        let changed = [sequences[0], sequences[4], sequences[7]];
        let expected = before.into_iter().filter(|activity| !gone.contains(&activity.sequence));
        let expected = expected.map(|activity| match changed.contains(&activity.sequence) {
            true => activity.anonymised(),
            false => activity,
        });
        assert_eq!(activities(&*store, since).await, expected.collect::<Vec<_>>(), "others are as they were");
        assert_eq!(count(&*store, ActivityFilter::new().user(user_id(&ada))).await, 0);
        assert_eq!(history(&*store, &user(&ada)).await, []);
        assert_eq!(store.erasure_of(user_id(&ada)).await.expect("readable"), Some(erasure));
    }
}

pub(super) async fn erase_some_may_change_its_mode_between_steps<S: Store>(store: Arc<S>) {
    let batch = (0..12).map(|number| event(Some(["ada", "bob"][number % 2]), None));
    erasures::append(&*store, entries(1, batch)).await;
    let begun = begin_erasure(&*store, "ada").await;
    let mut modes = [ErasedActivities::Anonymised, ErasedActivities::Deleted].into_iter().cycle();
    for _ in 0..100 {
        let mode = modes.next().expect("it never ends");
        let erasure = store.erase_some(begun.id, 2, mode, is_over(), at(4)).await.expect("erased");
        if erasure.finished_at.is_some() {
            assert_eq!((erasure.erased.anonymised, erasure.erased.activities), (4, 2));
            let left = activities(&*store, ActivityFilter::new()).await;
            assert_eq!(left.iter().filter(|activity| activity.event.user.is_none()).count(), 4);
            assert_eq!((left.len(), count(&*store, ActivityFilter::new().user(user_id("bob"))).await), (10, 6));
            return;
        }
    }
    panic!("an erasure does not finish");
}

pub(super) async fn anonymise_skips_held_and_restricted_activities<S: Store>(store: Arc<S>) {
    let batch = ["ada", "bob", "cid"].map(|name| event(Some(name), None));
    erasures::append(&*store, entries(1, batch.clone())).await;
    hold(&*store, "ada", HeldClass::Activities).await;
    let restriction = Some(Restriction::new(at(3), RestrictionReason::Accuracy));
    store.restrict(user_id("bob"), restriction, note(AuditAction::Restricted, None), at(3)).await.expect("restricted");
    let sparing = ActivityFilter::new().except_restricted(at(9));
    assert_eq!(store.anonymise(sparing.clone(), 9).await.expect("anonymised"), 1);
    assert_eq!(store.anonymise(sparing, 9).await.expect("anonymised"), 0);
    assert_eq!(count(&*store, ActivityFilter::new().except_anonymised()).await, 2);

    let begun = begin_erasure(&*store, "ada").await;
    let part = leave(&*store, begun.id, 5, at(5)).await;
    assert!(part.is_partial() && part.erased.anonymised == 0, "{part:?}");
    assert_eq!(count(&*store, ActivityFilter::new().user(user_id("ada"))).await, 1);
    release(&*store, "ada", HeldClass::Activities).await;
    let whole = leave(&*store, begun.id, 5, at(6)).await;
    assert_eq!((whole.finished_at, whole.erased.anonymised, whole.erased.activities), (Some(at(6)), 1, 0));
    assert_eq!(count(&*store, ActivityFilter::new()).await, 3);
}
