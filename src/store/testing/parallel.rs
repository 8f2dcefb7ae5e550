//! Cases with many tasks on the same session or user.

use std::sync::Arc;

use super::{
    Applied, CAP, ConsentStore, EpochRule, Realm, START, SessionStore, changes,
    consents::{checked, decided, ids, user},
    data, found, head, new_key, set, start,
    support::{TASKS, at_once},
    user_id, value,
};
use crate::{
    model::{
        consent::{Decision, PurposeId},
        session::{Changes, OnSessionLimit, SessionCap, SessionLimits, SessionRecord},
    },
    store::Revocation,
};

pub(super) async fn apply_keeps_parallel_changes_of_different_keys<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    at_once(|number| {
        let (store, id) = (store.clone(), stored.id());
        async move {
            for round in 0..8 {
                let key = format!("{number}-{round}");
                let applied = set(&*store, id, &[(&key, &key)], START).await.expect("written");
                let Applied::Merged { record, .. } = applied else { panic!("{applied:?}") };
                assert_eq!(record.data.get::<String>(&key).expect("text"), Some(key));
            }
        }
    })
    .await;
    assert_eq!(found(&*store, stored.key).await.expect("live").data.len(), TASKS * 8);
}

pub(super) async fn apply_with_expected_value_has_one_winner<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    set(&*store, stored.id(), &[("other", "kept")], START).await.expect("written");
    at_once(|_| {
        let (store, id, mut seen) = (store.clone(), stored.id(), stored.record.data.clone());
        async move {
            for _ in 0..8 {
                loop {
                    let mut changes = Changes::default();
                    changes.expect("count", &seen);
                    let count = seen.get::<u64>("count").expect("a number").unwrap_or(0);
                    changes.set("count", &(count + 1)).expect("a number is JSON");
                    match store.apply(id, changes, SessionLimits::default(), START).await.expect("answered") {
                        Applied::Merged { record, .. } => {
                            seen = record.data;
                            break;
                        }
                        Applied::Mismatch(record) => seen = record.data,
                        Applied::Ended => panic!("nobody ended it"),
                    }
                }
            }
        }
    })
    .await;
    let data = found(&*store, stored.key).await.expect("live").data;
    assert_eq!(data.get::<u64>("count").expect("a number"), Some(TASKS as u64 * 8));
    assert_eq!(data.get::<String>("other").expect("text").as_deref(), Some("kept"));
}

pub(super) async fn apply_follows_a_parallel_rotation<S: SessionStore>(store: Arc<S>) {
    let mut stored = start(&*store, Some("ada"), START).await;
    for round in 0..10 {
        let rotation = stored.to(stored.record.head.clone(), changes(&[]));
        let new_key = rotation.new_key;
        let (rotator, id) = (store.clone(), stored.id());
        let rotating =
            tokio::spawn(async move { rotator.rotate(rotation, SessionLimits::default(), CAP, START).await });
        at_once(|number| {
            let store = store.clone();
            async move {
                let applied = set(&*store, id, &[(&format!("{round}-{number}"), "1")], START).await;
                assert!(matches!(applied.expect("written"), Applied::Merged { .. }));
            }
        })
        .await;
        rotating.await.expect("no panic").expect("answered").expect("rotated");
        assert_eq!(found(&*store, stored.key).await, None);
        stored.key = new_key;
        let live = found(&*store, new_key).await.expect("live");
        assert_eq!(live.data.len(), (round + 1) * TASKS);
    }
    assert_eq!(store.revoke(Revocation::All(Realm::default()), START).await.expect("answered"), 1, "one live session");
}

pub(super) async fn rotate_has_one_winner_in_parallel<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    let outcomes = at_once(|number| {
        let head = if number % 2 == 0 { stored.record.head.clone() } else { head(Some("ada"), START) };
        let (store, rotation) = (store.clone(), stored.to(head, changes(&[])));
        async move {
            let key = rotation.new_key;
            (key, store.rotate(rotation, SessionLimits::default(), CAP, START).await.expect("answered").is_some())
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|(_, won)| *won).count(), 1);
    for (key, won) in outcomes {
        assert_eq!(found(&*store, key).await.is_some(), won);
    }
}

pub(super) async fn revoke_ends_parallel_sessions<S: SessionStore>(store: Arc<S>) {
    for round in 0..8 {
        // A revocation raises the epoch, so each round has its own user.
        let user = format!("ada {round}");
        let stored = start(&*store, Some(&user), START).await;
        let (revoker, ada) = (store.clone(), user_id(&user));
        let revoking =
            tokio::spawn(async move { revoker.revoke(Revocation::User(Realm::default(), ada), START).await });
        let late = at_once(|number| {
            let (store, id) = (store.clone(), stored.id());
            let rotation = stored.to(stored.record.head.clone(), changes(&[]));
            async move {
                let key = rotation.new_key;
                match number % 3 {
                    0 => drop(set(&*store, id, &[("a", "1")], START).await.expect("answered")),
                    1 => drop(store.touch(id, START).await.expect("answered")),
                    _ => drop(store.rotate(rotation, SessionLimits::default(), CAP, START).await.expect("answered")),
                }
                key
            }
        })
        .await;
        revoking.await.expect("no panic").expect("revoked");
        for key in late.into_iter().chain([stored.key]) {
            assert_eq!(found(&*store, key).await, None);
        }
        assert!(store.list(user_id(&user), None, 10, START).await.expect("readable").is_empty());
        assert_eq!(value(&*store, stored.key, "a").await, None);
    }
}

pub(super) async fn insert_with_cap_holds_in_parallel<S: SessionStore>(store: Arc<S>) {
    let cap = SessionCap { max: 3, on_limit: OnSessionLimit::EndOldest };
    let insert = |cap| {
        let store = store.clone();
        move |_| {
            let record = SessionRecord { head: head(Some("ada"), START), data: data(&[]) };
            let store = store.clone();
            async move { store.insert(new_key(), record, cap, EpochRule::Keep, START).await.is_ok() }
        }
    };
    assert!(at_once(insert(cap)).await.into_iter().all(|stored| stored));
    assert_eq!(store.list(user_id("ada"), None, 100, START).await.expect("readable").len(), 3);
    let refuse = SessionCap { max: 5, on_limit: OnSessionLimit::Refuse };
    assert_eq!(at_once(insert(refuse)).await.into_iter().filter(|stored| *stored).count(), 2);
}

pub(super) async fn record_consents_keeps_all_parallel_records<S: ConsentStore>(store: Arc<S>) {
    let ada = user("ada");
    let stored = at_once(|number| {
        let (store, ada) = (store.clone(), ada.clone());
        async move {
            let mut all = Vec::new();
            for round in 0..4 {
                let decision = if (number + round) % 2 == 0 { Decision::Granted } else { Decision::Withdrawn };
                let decided = |what| {
                    let mut record = decided(&ada, what, decision, START);
                    // Each decision differs from all others, so none is a repetition.
                    record.consent_state.notice_version = u32::try_from(number * 4 + round + 1).expect("a few");
                    record
                };
                let records = vec![decided(PurposeId::ANALYTICS), decided(PurposeId::MARKETING)];
                let consent_states = store.record_consents(records.clone()).await.expect("stored");
                for record in records {
                    let held = consent_states.recorded(&record.purpose).map(|held| held.record);
                    assert_eq!(held, Some(record.id), "the answer is of this moment");
                    all.push(record.id);
                }
            }
            all
        }
    })
    .await;
    let records = ids(&checked(&*store, &ada).await);
    assert_eq!(records.len(), stored.iter().flatten().count());
    for of_one in stored {
        let places: Vec<_> = of_one.iter().map(|id| records.iter().position(|record| record == id)).collect();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "each task's in its order");
        assert!(places.chunks(2).all(|pair| pair[0].map(|place| place + 1) == pair[1]), "each call's together");
    }
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}
