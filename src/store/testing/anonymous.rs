//! Cases for the limit on anonymous sessions.

use std::sync::Arc;

use super::{
    CAP, IDLE, Loaded, START, SessionStore, Stored, at, changes, data, found, head, set, start, start_with,
    support::at_once,
};
use crate::{
    model::session::{Realm, SessionLimits, SessionRecord},
    store::{AnonymousBound, AnonymousTotal, EpochRule, Revocation},
    time::Timestamp,
};

const NO_BOUND: AnonymousBound = AnonymousBound { sessions: u64::MAX, bytes: u64::MAX };

async fn total<S: SessionStore>(store: &S) -> (u64, u64) {
    let total = store.trim_anonymous(NO_BOUND, 100).await.expect("answered");
    assert_eq!(total.ended, 0);
    (total.sessions, total.bytes)
}

/// Stores an anonymous session whose value has this size, key and quotes included.
async fn of_bytes<S: SessionStore>(store: &S, bytes: usize, now: Timestamp) -> Stored {
    let record = SessionRecord { head: head(None, now), data: data(&[("k", &"x".repeat(bytes - 3))]) };
    assert_eq!(record.data.bytes(), bytes);
    start_with(store, record, now).await
}

pub(super) async fn trim_anonymous_ends_the_least_recently_used<S: SessionStore>(store: Arc<S>) {
    let ada = start(&*store, Some("ada"), at(0)).await;
    let [used, idle, third] =
        [start(&*store, None, at(1)).await, start(&*store, None, at(2)).await, start(&*store, None, at(3)).await];
    assert!(store.touch(used.id(), at(9)).await.expect("touched"));
    let bound = AnonymousBound { sessions: 3, bytes: u64::MAX };
    let trim = async || store.trim_anonymous(bound, 100).await.expect("answered");
    assert_eq!(trim().await, AnonymousTotal { sessions: 3, bytes: 0, ended: 0 }, "at the bound, not beyond it");
    let last = start(&*store, None, at(4)).await;
    assert_eq!(trim().await, AnonymousTotal { sessions: 3, bytes: 0, ended: 1 });
    assert_eq!(
        store.load(idle.key, Realm::default()).await.expect("readable"),
        Loaded::Unknown,
        "its client may begin a new session"
    );
    for kept in [&used, &third, &last, &ada] {
        assert!(found(&*store, kept.key).await.is_some());
    }
    assert_eq!(trim().await.ended, 0);
}

pub(super) async fn trim_anonymous_bounds_bytes<S: SessionStore>(store: Arc<S>) {
    let [first, second] = [of_bytes(&*store, 100, at(1)).await, of_bytes(&*store, 200, at(2)).await];
    assert_eq!(total(&*store).await, (2, 300));
    // Rewriting a value larger or smaller counts.
    let write = async |bytes: usize| {
        set(&*store, second.id(), &[("k", &"x".repeat(bytes - 3))], at(3)).await.expect("written");
    };
    write(1_000).await;
    assert_eq!(total(&*store).await, (2, 1_100));
    let bound = AnonymousBound { sessions: u64::MAX, bytes: 1_050 };
    let trimmed = store.trim_anonymous(bound, 100).await.expect("answered");
    assert_eq!(trimmed, AnonymousTotal { sessions: 1, bytes: 1_000, ended: 1 });
    assert!(found(&*store, first.key).await.is_none() && found(&*store, second.key).await.is_some());
    write(50).await;
    assert_eq!(total(&*store).await, (1, 50));
    let alone = AnonymousBound { sessions: 1, bytes: 10 };
    assert_eq!(store.trim_anonymous(alone, 100).await.expect("answered").ended, 0, "the last one stays");
}

pub(super) async fn trim_anonymous_works_in_steps_to_below_the_limit<S: SessionStore>(store: Arc<S>) {
    for millis in 0..200 {
        of_bytes(&*store, 10, at(millis)).await;
    }
    let bound = AnonymousBound { sessions: 128, bytes: u64::MAX };
    let trim = async || store.trim_anonymous(bound, 30).await.expect("answered");
    let ended = [trim().await.ended, trim().await.ended, trim().await.ended, trim().await.ended];
    assert_eq!(ended, [30, 30, 14, 0]);
    assert_eq!(total(&*store).await, (126, 1_260));
}

pub(super) async fn anonymous_total_counts_every_end_of_a_session<S: SessionStore>(store: Arc<S>) {
    let mut sessions = Vec::new();
    for millis in 0..6 {
        sessions.push(of_bytes(&*store, 100, at(millis)).await);
    }
    start(&*store, Some("ada"), START).await;
    assert_eq!(total(&*store).await, (6, 600));
    store.delete(sessions[0].id(), at(9)).await.expect("deleted");
    assert_eq!(total(&*store).await, (5, 500));
    // A login moves the data out of the count; a new key does not.
    let rotation = sessions[1].to(head(Some("ada"), at(9)), changes(&[]));
    store.rotate(rotation, SessionLimits::default(), CAP, at(9)).await.expect("answered").expect("rotated");
    assert_eq!(total(&*store).await, (4, 400));
    let rotation = sessions[2].to(sessions[2].record.head.clone(), changes(&[("k", "")]));
    store.rotate(rotation, SessionLimits::default(), CAP, at(9)).await.expect("answered").expect("rotated");
    assert_eq!(total(&*store).await, (4, 303));
    // Expired sessions count until they are deleted.
    assert_eq!(store.delete_expired(at(4).after(IDLE), 100).await.expect("deleted"), 4, "three, and that of ada");
    assert_eq!(total(&*store).await, (1, 100));
    store.revoke(Revocation::All(Realm::default()), at(9)).await.expect("revoked");
    assert_eq!(total(&*store).await, (0, 0));
    // A failed insert does not count.
    let stored = of_bytes(&*store, 100, at(9)).await;
    store.insert(stored.key, stored.record.clone(), CAP, EpochRule::Keep, at(9)).await.expect_err("the key is taken");
    set(&*store, stored.id(), &[("k", &"x".repeat(70_000))], at(9)).await.expect_err("too large");
    assert_eq!(total(&*store).await, (1, 100));
}

pub(super) async fn trim_anonymous_holds_the_limit_in_parallel<S: SessionStore>(store: Arc<S>) {
    let bound = AnonymousBound { sessions: 20, bytes: 1_500 };
    at_once(|number| {
        let store = store.clone();
        async move {
            for round in 0..10 {
                let now = at(100 * round + number as u64);
                let stored = of_bytes(&*store, 50, now).await;
                // Another task may have ended it by now.
                set(&*store, stored.id(), &[("k", &"x".repeat(97))], now).await.expect("answered");
                store.trim_anonymous(bound, 100).await.expect("answered");
            }
        }
    })
    .await;
    let left = store.trim_anonymous(bound, 100).await.expect("answered");
    assert!(!bound.is_exceeded_by(left) && left.sessions > 1 && left.bytes <= 100 * left.sessions, "{left:?}");
    let kept = store.revoke(Revocation::All(Realm::default()), START).await.expect("revoked");
    assert_eq!((kept, total(&*store).await), (left.sessions, (0, 0)), "the count is true");
}
