//! Cases for [`ErasureStore`](crate::store::ErasureStore).

mod steps;
pub(super) mod tombstones;

use std::{sync::Arc, time::Duration};

use self::steps::{UNTIL, assert_nothing_is_stored, began, kept, lift_erasure};
pub(super) use self::steps::{
    activities, append, begin_erasure, decide, entries, erase, event, fill, is_over, link, set_theme,
};
use super::{
    Loaded, Realm, START, Store, at,
    consents::{decided, history, record, user},
    found, new_visitor, start,
    support::at_once,
    user_id,
};
use crate::{
    error::{ErrorKind, Result},
    id::UserId,
    model::{
        activity::ActivityFilter,
        consent::{Decision, MergePolicy, PurposeId},
        privacy::{ErasedActivities, ErasedCounts, Erasure, ErasureId},
    },
};

pub(super) async fn begin_erasure_refuses_all_writes<S: Store>(store: Arc<S>) {
    // A known user, and an unknown one.
    fill(&*store, "ada", 1).await;
    for (name, first) in [("ada", 100), ("nobody", 200)] {
        let erasure = begin_erasure(&*store, name).await;
        let before = kept(&*store, name).await;
        assert_nothing_is_stored(&*store, name, first).await;
        assert_eq!(kept(&*store, name).await, before, "while it is under way");
        erase(&*store, erasure.id, 100).await;
        assert!(kept(&*store, name).await.is_nothing());
        assert_nothing_is_stored(&*store, name, first + 50).await;
        assert!(kept(&*store, name).await.is_nothing(), "when it is finished");
    }
}

pub(super) async fn begin_erasure_ends_sessions<S: Store>(store: Arc<S>) {
    let theirs = fill(&*store, "ada", 1).await;
    let others = [start(&*store, Some("bob"), START).await, start(&*store, None, START).await];
    let erasure = begin_erasure(&*store, "ada").await;
    assert_eq!(erasure.erased, ErasedCounts { sessions: 2, ..ErasedCounts::default() });
    assert_eq!((&erasure.user, erasure.began_at, erasure.until), (&Some(user_id("ada")), at(3), UNTIL));
    for session in theirs {
        assert_eq!(
            store.load(session.key, Realm::default()).await.expect("readable"),
            Loaded::Ended { logged_in: true }
        );
        assert!(!store.touch(session.id(), at(4)).await.expect("answered"));
    }
    for session in others {
        assert_eq!(found(&*store, session.key).await, Some(session.record));
    }
}

pub(super) async fn begin_erasure_is_idempotent<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let first = begin_erasure(&*store, "ada").await;
    let answers =
        at_once(|number| {
            let store = store.clone();
            async move {
                store.begin_erasure(user_id("ada"), at(number as u64), began("ada"), at(9)).await.expect("answered")
            }
        })
        .await;
    let who = |erasure: &Erasure| (erasure.id, erasure.pseudonym, erasure.began_at, erasure.until);
    assert!(answers.iter().all(|erasure| who(erasure) == who(&first)));
    let finished = erase(&*store, first.id, 7).await;
    let again = begin_erasure(&*store, "ada").await;
    assert_eq!((who(&again), again.finished_at, again.user), (who(&first), finished.finished_at, None));
    assert_eq!(again.erased.activities, 10);

    let answers = at_once(|_| {
        let store = store.clone();
        async move { store.begin_erasure(user_id("bob"), UNTIL, began("bob"), at(9)).await.expect("answered") }
    })
    .await;
    assert!(answers.iter().all(|erasure| who(erasure) == who(&answers[0])), "of parallel ones one is made");
    assert_ne!((answers[0].id, answers[0].pseudonym), (first.id, first.pseudonym));
}

pub(super) async fn erase_some_works_in_chunks_until_finished<S: Store>(store: Arc<S>) {
    for (number, limit) in [1, 3, 10, 11, 1_000].into_iter().enumerate() {
        let (name, other) = (format!("ada {limit}"), format!("bob {limit}"));
        let first = number as u64 * 1_000;
        fill(&*store, &name, first).await;
        fill(&*store, &other, first + 100).await;
        append(&*store, entries(first + 200, (0..5).map(|_| event(Some(&name), None)))).await;
        for decision in [Decision::Denied, Decision::Granted, Decision::Withdrawn] {
            record(&*store, vec![decided(&user(&name), PurposeId::MARKETING, decision, at(2))]).await;
        }
        let before = kept(&*store, &other).await;
        let erasure = begin_erasure(&*store, &name).await;
        assert_eq!(store.unfinished_erasures().await.expect("readable").len(), 1);
        let erasure = erase(&*store, erasure.id, limit).await;
        let ErasedCounts { activities, preferences, consents, .. } = erasure.erased;
        assert_eq!((activities, preferences, consents), (15, 1, 4), "{limit} at a time");
        assert!(kept(&*store, &name).await.is_nothing());
        assert_eq!(kept(&*store, &other).await, before, "others are as they were");
        assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
    }
}

pub(super) async fn erase_some_includes_linked_visitors_only<S: Store>(store: Arc<S>) {
    let [phone, laptop, stranger, of_bob] = [(); 4].map(|()| new_visitor());
    let mut before = Vec::new();
    for visitor in [phone, laptop, stranger, of_bob] {
        before.push(decide(&*store, &visitor.into()).await);
    }
    link(&*store, phone, "ada").await;
    link(&*store, laptop, "ada").await;
    link(&*store, of_bob, "bob").await;
    let batch = [Some(phone), Some(laptop), Some(laptop), Some(stranger), Some(of_bob)].map(|who| event(None, who));
    append(
        &*store,
        entries(1, batch.into_iter().chain([event(Some("ada"), Some(phone)), event(Some("bob"), Some(phone))])),
    )
    .await;
    let bob = kept(&*store, "bob").await;

    let erasure = begin_erasure(&*store, "ada").await;
    let erasure = erase(&*store, erasure.id, 2).await;
    assert_eq!((erasure.erased.activities, erasure.erased.consents), (4, 3), "one record is merged, two are theirs");
    for (visitor, record) in [phone, laptop, stranger, of_bob].into_iter().zip(before) {
        let is_gone = [phone, laptop].contains(&visitor);
        let left = activities(&*store, ActivityFilter::new().visitor(visitor)).await;
        let left = left.iter().filter(|activity| activity.event.user.is_none());
        assert_eq!(left.count(), usize::from(!is_gone));
        assert_eq!(history(&*store, &visitor.into()).await, if is_gone { vec![] } else { vec![record] });
        // A linked visitor is listed nowhere.
        assert_eq!(store.consents(visitor.into()).await.expect("readable").is_empty(), visitor != stranger);
    }
    assert_eq!(kept(&*store, "bob").await, bob, "he used the phone, too");
}

pub(super) async fn finished_erasure_names_nobody<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), None);
    let begun = begin_erasure(&*store, "ada").await;
    let known = store.erasure_of(user_id("ada")).await.expect("readable").expect("it is there");
    assert_eq!((known.id, &known.user, known.finished_at), (begun.id, &Some(user_id("ada")), None));
    let finished = erase(&*store, begun.id, 100).await;
    assert_eq!((&finished.user, finished.finished_at), (&None, Some(at(4))));
    assert_eq!(
        store.erase_some(begun.id, 100, ErasedActivities::Deleted, is_over(), at(9)).await.expect("answered"),
        finished,
        "nothing is left to do"
    );
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), Some(finished));
    assert_eq!(store.unfinished_erasures().await.expect("readable"), []);
    assert_eq!(store.erasure_of(user_id("bob")).await.expect("readable"), None);
    let unknown = ErasureId::generate(START).expect("the system has random bytes");
    assert_eq!(
        store.erase_some(unknown, 1, ErasedActivities::Deleted, is_over(), START).await.expect_err("unknown").kind(),
        ErrorKind::InvalidInput
    );
}

pub(super) async fn unfinished_erasures_are_sorted_by_age<S: Store>(store: Arc<S>) {
    for (name, millis) in [("cid", 3), ("ada", 1), ("bob", 2)] {
        store.begin_erasure(user_id(name), UNTIL, began(name), at(millis)).await.expect("erased");
    }
    let unfinished = store.unfinished_erasures().await.expect("readable");
    let names: Vec<_> = unfinished.iter().map(|erasure| erasure.user.as_ref().map(UserId::as_str)).collect();
    assert_eq!(names, [Some("ada"), Some("bob"), Some("cid")]);
    erase(&*store, unfinished[1].id, 10).await;
    let left = store.unfinished_erasures().await.expect("readable");
    assert_eq!(left.iter().map(|erasure| erasure.id).collect::<Vec<_>>(), [unfinished[0].id, unfinished[2].id]);
}

pub(super) async fn lift_erasure_allows_new_data<S: Store>(store: Arc<S>) {
    assert!(!lift_erasure(&*store).await.expect("answered"), "nobody was erased");
    fill(&*store, "ada", 1).await;
    let erasure = begin_erasure(&*store, "ada").await;
    assert_eq!(lift_erasure(&*store).await.expect_err("under way").kind(), ErrorKind::Conflict);
    erase(&*store, erasure.id, 100).await;
    assert!(lift_erasure(&*store).await.expect("answered"));
    assert!(!lift_erasure(&*store).await.expect("answered"));
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), None);
    // An old event is not stored again, a new one is.
    assert_eq!(append(&*store, entries(1, [event(Some("ada"), None)])).await, [None]);
    fill(&*store, "ada", 100).await;
    let again = kept(&*store, "ada").await;
    assert_eq!((again.sessions.len(), again.consents.len(), again.activities.len()), (2, 1, 10));
    let second = begin_erasure(&*store, "ada").await;
    assert_ne!(second.id, erasure.id);
    assert_eq!(erase(&*store, second.id, 100).await.erased.activities, 10);
}

pub(super) async fn delete_tombstones_deletes_expired_erasures<S: Store>(store: Arc<S>) {
    for (name, millis) in [("ada", 10), ("bob", 20), ("cid", 30), ("dan", 10)] {
        let erasure = store.begin_erasure(user_id(name), at(millis), began(name), START).await.expect("erased");
        if name != "dan" {
            erase(&*store, erasure.id, 10).await;
        }
    }
    let is_out = async |name| store.erasure_of(user_id(name)).await.expect("readable").is_some();
    assert_eq!(store.delete_tombstones(at(9), 10).await.expect("answered"), 0);
    assert_eq!(store.delete_tombstones(at(10), 10).await.expect("answered"), 1, "to the millisecond");
    assert!(!is_out("ada").await && is_out("bob").await && is_out("dan").await);
    append(&*store, entries(1, [event(Some("ada"), None)])).await;
    assert_eq!(kept(&*store, "ada").await.activities.len(), 1, "stored again");
    assert_eq!(store.delete_tombstones(at(99), 1).await.expect("answered"), 1);
    assert_eq!(store.delete_tombstones(at(99), 10).await.expect("answered"), 1);
    assert!(!is_out("bob").await && !is_out("cid").await && is_out("dan").await, "what is under way is kept");
    assert_eq!(store.unfinished_erasures().await.expect("readable").len(), 1);
}

pub(super) async fn scrub_succeeds_without_readers<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let erasure = begin_erasure(&*store, "ada").await;
    erase(&*store, erasure.id, 5).await;
    assert!(store.scrub().await.expect("scrubbed"));
    assert!(store.scrub().await.expect("scrubbed"), "again");
    assert_nothing_is_stored(&*store, "ada", 100).await;
}

pub(super) async fn begin_erasure_refuses_parallel_writes<S: Store>(store: Arc<S>) {
    const EVENTS: u64 = 20;
    for round in 0..8u64 {
        let (name, visitor) = (format!("ada {round}"), new_visitor());
        fill(&*store, &name, round * 100_000).await;
        decide(&*store, &visitor.into()).await;
        at_once(|number| {
            let (store, name) = (store.clone(), name.clone());
            async move {
                if number == 8 {
                    tokio::time::sleep(Duration::from_micros(300 * round)).await;
                    let erasure = begin_erasure(&*store, &name).await;
                    erase(&*store, erasure.id, 7).await;
                    return;
                }
                for step in 0..EVENTS {
                    let first = round * 100_000 + 1_000 * (number as u64 + 1) + step * 3;
                    let batch = [Some(name.as_str()), Some("other"), None].map(|user| event(user, None));
                    let sequences = append(&*store, entries(first, batch)).await;
                    assert!(sequences[1..].iter().all(Option::is_some), "others are stored");
                    let results = match number % 4 {
                        0 => [set_theme(&*store, &name).await, Ok(())],
                        1 => {
                            let decision = decided(&user(&name), PurposeId::ANALYTICS, Decision::Denied, at(step));
                            let linked = store.link_visitor(visitor, user_id(&name), MergePolicy::default(), at(5));
                            [linked.await.map(drop), store.record_consents(vec![decision]).await.map(drop)]
                        }
                        _ => [Ok(()), Ok(())],
                    };
                    for error in results.into_iter().filter_map(Result::err) {
                        assert_eq!(error.kind(), ErrorKind::UserErased);
                    }
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        assert!(kept(&*store, &name).await.is_nothing(), "round {round}");
        let others = ActivityFilter::new().user(user_id("other"));
        assert_eq!(store.count(others).await.expect("counted"), (round + 1) * 15 * EVENTS);
        let all = store.count(ActivityFilter::new()).await.expect("counted");
        assert_eq!(all, (round + 1) * 15 * EVENTS * 2, "those of nobody as well");
    }
}
