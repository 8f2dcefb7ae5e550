//! Cases for the end of sessions: to the millisecond, and final.

use std::{sync::Arc, time::Duration};

use super::{
    ABSOLUTE, Applied, CAP, EpochRule, IDLE, Loaded, Realm, START, SessionStore, at, changes, data, found, head,
    new_key, set, start, start_with, user_id,
};
use crate::{
    error::ErrorKind,
    model::session::{Lifetime, OnSessionLimit, SessionCap, SessionLimits, SessionRecord},
    store::{ENDED_MEMORY, Revocation},
};

const MS: Duration = Duration::from_millis(1);

/// Returns whether every method refuses a session at `now` and leaves it unchanged.
async fn is_over<S: SessionStore>(store: &S, stored: &super::Stored, now: crate::time::Timestamp) -> bool {
    let before = store.load(stored.key, Realm::default()).await.expect("readable");
    let applied = set(store, stored.id(), &[("late", "write")], now).await.expect("answered");
    let touched = store.touch(stored.id(), now).await.expect("answered");
    let rotation = stored.to(stored.record.head.clone(), changes(&[]));
    let new_key = rotation.new_key;
    let rotated = store.rotate(rotation, SessionLimits::default(), CAP, now).await.expect("answered");
    let unchanged = store.load(stored.key, Realm::default()).await.expect("readable") == before;
    applied == Applied::Ended && !touched && rotated.is_none() && unchanged && found(store, new_key).await.is_none()
}

pub(super) async fn delete_is_final<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, Some("ada"), START).await;
    assert_eq!(store.delete(stored.id(), START).await.expect("deleted"), Some(stored.key));
    assert!(is_over(&*store, &stored, START).await);
    assert_eq!(store.delete(stored.id(), START).await.expect("answered"), None);
    assert!(store.list(user_id("ada"), None, 10, START).await.expect("readable").is_empty());
}

pub(super) async fn revoke_of_a_user_leaves_no_session<S: SessionStore>(store: Arc<S>) {
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(start(&*store, Some("ada"), START).await);
    }
    let other = start(&*store, Some("adam"), START).await;
    let anonymous = start(&*store, None, START).await;
    assert_eq!(store.revoke(Revocation::User(Realm::default(), user_id("ada")), START).await.expect("revoked"), 5);
    for session in &sessions {
        assert!(is_over(&*store, session, START).await);
    }
    assert!(found(&*store, other.key).await.is_some() && found(&*store, anonymous.key).await.is_some());
    assert_eq!(store.revoke(Revocation::User(Realm::default(), user_id("ada")), START).await.expect("answered"), 0);
    assert_eq!(store.revoke(Revocation::User(Realm::default(), user_id("nobody")), START).await.expect("answered"), 0);
}

pub(super) async fn revoke_ends_exactly_the_named_sessions<S: SessionStore>(store: Arc<S>) {
    let (one, two) = (start(&*store, Some("ada"), START).await, start(&*store, Some("ada"), START).await);
    let (three, eve) = (start(&*store, Some("ada"), START).await, start(&*store, Some("eve"), START).await);
    let anonymous = start(&*store, None, START).await;
    let revoke = async |revocation| store.revoke(revocation, START).await.expect("answered");
    assert_eq!(revoke(Revocation::One(Realm::default(), user_id("eve"), one.id())).await, 0, "it is not hers");
    assert_eq!(revoke(Revocation::One(Realm::default(), user_id("ada"), one.id())).await, 1);
    assert!(is_over(&*store, &one, START).await);
    assert_eq!(revoke(Revocation::Others(Realm::default(), user_id("ada"), two.id())).await, 1);
    assert!(is_over(&*store, &three, START).await);
    assert!(found(&*store, two.key).await.is_some() && found(&*store, eve.key).await.is_some());
    assert_eq!(revoke(Revocation::All(Realm::default())).await, 3);
    for session in [&two, &eve, &anonymous] {
        assert!(is_over(&*store, session, START).await);
    }
    assert_eq!(store.load(two.key, Realm::default()).await.expect("readable"), Loaded::Ended { logged_in: true });
    assert_eq!(
        store.load(anonymous.key, Realm::default()).await.expect("readable"),
        Loaded::Unknown,
        "its client may begin a new session"
    );
}

pub(super) async fn idle_timeout_ends_to_the_millisecond<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, Some("ada"), START).await;
    let end = START.after(IDLE);
    let before = START.after(IDLE - MS);
    assert_eq!(store.list(user_id("ada"), None, 10, before).await.expect("readable").len(), 1);
    assert!(store.list(user_id("ada"), None, 10, end).await.expect("readable").is_empty());
    assert!(is_over(&*store, &stored, end).await);
    assert!(found(&*store, stored.key).await.is_some(), "the caller judges what is expired");
    assert!(matches!(set(&*store, stored.id(), &[("a", "1")], before).await.expect("written"), Applied::Merged { .. }));
    assert!(is_over(&*store, &stored, end).await, "a write is no touch");
    assert!(store.touch(stored.id(), before).await.expect("touched"));
    assert!(store.touch(stored.id(), before.after(IDLE - MS)).await.expect("touched"));
    assert!(is_over(&*store, &stored, before.after(IDLE - MS).after(IDLE)).await);
}

pub(super) async fn absolute_timeout_ends_to_the_millisecond<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, Some("ada"), START).await;
    let mut now = START;
    while now.since(START) + IDLE < ABSOLUTE {
        now = now.after(IDLE - MS);
        assert!(store.touch(stored.id(), now).await.expect("touched"));
    }
    let last = START.after(ABSOLUTE - MS);
    assert!(store.touch(stored.id(), last).await.expect("touched"));
    assert_eq!(found(&*store, stored.key).await.expect("live").head.expires_at(), START.after(ABSOLUTE));
    assert!(is_over(&*store, &stored, START.after(ABSOLUTE)).await);
}

pub(super) async fn touch_never_moves_last_seen_back<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, at(1_000)).await;
    assert!(store.touch(stored.id(), at(5_000)).await.expect("touched"));
    assert!(store.touch(stored.id(), at(2_000)).await.expect("it is live"));
    assert_eq!(found(&*store, stored.key).await.expect("live").head.last_seen, at(5_000));
    assert!(is_over(&*store, &stored, at(5_000).after(IDLE)).await);
}

pub(super) async fn load_remembers_ended_keys_for_a_minute<S: SessionStore>(store: Arc<S>) {
    let deleted = start(&*store, Some("ada"), START).await;
    let revoked = start(&*store, Some("eve"), START).await;
    let rotated = start(&*store, None, START).await;
    store.delete(deleted.id(), START).await.expect("deleted");
    store.revoke(Revocation::User(Realm::default(), user_id("eve")), START).await.expect("revoked");
    let rotation = rotated.to(rotated.record.head.clone(), changes(&[]));
    store.rotate(rotation, SessionLimits::default(), CAP, START).await.expect("answered").expect("rotated");
    let left = start(&*store, None, START).await;
    store.delete(left.id(), START).await.expect("deleted");
    let keys = [(deleted.key, true), (revoked.key, true), (rotated.key, false), (left.key, false)];
    store.delete_expired(START.after(ENDED_MEMORY), 100).await.expect("deleted");
    for (key, logged_in) in keys {
        assert_eq!(store.load(key, Realm::default()).await.expect("readable"), Loaded::Ended { logged_in });
    }
    store.delete_expired(START.after(ENDED_MEMORY + MS), 100).await.expect("deleted");
    for (key, _) in keys {
        assert_eq!(
            store.load(key, Realm::default()).await.expect("readable"),
            Loaded::Unknown,
            "nothing is kept for ever"
        );
    }
}

pub(super) async fn delete_expired_works_in_chunks<S: SessionStore>(store: Arc<S>) {
    for _ in 0..7 {
        start(&*store, Some("ada"), START).await;
    }
    let live = start(&*store, None, at(1)).await;
    let now = START.after(IDLE);
    let delete_expired = async || store.delete_expired(now, 3).await.expect("deleted");
    assert_eq!(
        [delete_expired().await, delete_expired().await, delete_expired().await, delete_expired().await],
        [3, 3, 1, 0]
    );
    assert!(found(&*store, live.key).await.is_some());
    assert_eq!(
        store.revoke(Revocation::All(Realm::default()), now).await.expect("answered"),
        1,
        "nothing else is left"
    );
}

pub(super) async fn insert_with_cap_ends_the_oldest<S: SessionStore>(store: Arc<S>) {
    let cap = SessionCap { max: 2, on_limit: OnSessionLimit::EndOldest };
    let expired = start(&*store, Some("ada"), START).await;
    let now = |millis| START.after(IDLE).after(Duration::from_millis(millis));
    let first = start(&*store, Some("ada"), now(0)).await;
    let second = start(&*store, Some("ada"), now(1)).await;
    start(&*store, Some("eve"), now(0)).await;
    assert!(store.touch(first.id(), now(2)).await.expect("touched"));
    let record = SessionRecord { head: head(Some("ada"), now(3)), data: data(&[]) };
    let started = store.insert(new_key(), record, cap, EpochRule::Keep, now(3)).await.expect("stored");
    assert_eq!(started.ended, [second.id()], "the one not seen for longest; not {:?}", expired.id());
    assert_eq!(store.load(second.key, Realm::default()).await.expect("readable"), Loaded::Ended { logged_in: true });
    assert!(found(&*store, first.key).await.is_some());
    // A session that logs in again makes room for itself.
    let rotation = first.to(head(Some("ada"), now(4)), changes(&[]));
    let rotated = store.rotate(rotation, SessionLimits::default(), cap, now(4)).await.expect("answered");
    assert_eq!(rotated.expect("rotated").ended, []);
    // Anonymous sessions do not count.
    for _ in 0..3 {
        let record = SessionRecord { head: head(None, now(5)), data: data(&[]) };
        assert_eq!(store.insert(new_key(), record, cap, EpochRule::Keep, now(5)).await.expect("stored").ended, []);
    }
    assert_eq!(store.list(user_id("ada"), None, 10, now(5)).await.expect("readable").len(), 2);
}

pub(super) async fn insert_with_cap_refuses<S: SessionStore>(store: Arc<S>) {
    let cap = SessionCap { max: 1, on_limit: OnSessionLimit::Refuse };
    let ada = start(&*store, Some("ada"), START).await;
    let anonymous = start(&*store, None, START).await;
    let key = new_key();
    let record = SessionRecord { head: head(Some("ada"), START), data: data(&[]) };
    let error = store.insert(key, record.clone(), cap, EpochRule::Keep, START).await.expect_err("the cap refuses");
    assert_eq!(error.kind(), ErrorKind::SessionLimit);
    let rotation = anonymous.to(head(Some("ada"), START), changes(&[("a", "1")]));
    let error = store.rotate(rotation, SessionLimits::default(), cap, START).await.expect_err("the cap refuses");
    assert_eq!(error.kind(), ErrorKind::SessionLimit);
    assert_eq!(found(&*store, anonymous.key).await, Some(anonymous.record), "as it was");
    assert_eq!(found(&*store, key).await, None);
    store
        .insert(key, record, cap, EpochRule::Keep, START.after(IDLE))
        .await
        .expect("an expired session takes no place");
    assert_eq!(found(&*store, ada.key).await.map(|record| record.head.id), Some(ada.id()));
}

pub(super) async fn insert_accepts_huge_lifetimes<S: SessionStore>(store: Arc<S>) {
    let mut head = head(None, START);
    head.lifetime = Lifetime::new(Duration::from_secs(86_400 * 365 * 1_000), Duration::from_secs(86_400 * 365 * 1_000));
    let stored = start_with(&*store, SessionRecord { head, data: data(&[]) }, START).await;
    let later = START.after(Duration::from_secs(86_400 * 365 * 999));
    assert!(store.touch(stored.id(), later).await.expect("touched"));
}
