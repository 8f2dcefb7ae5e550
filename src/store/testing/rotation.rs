//! Cases for rotation: a new key for a session, or a new session with its data.

use std::sync::Arc;

use super::{
    Applied, CAP, IDLE, Loaded, Realm, START, SessionStore, Started, at, changes, data, found, head, set, start, value,
};
use crate::{
    error::ErrorKind,
    model::session::{Lifetime, SessionLimits, SessionRecord},
};

pub(super) async fn rotate_moves_the_session_to_the_new_key<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, Some("ada"), START).await;
    set(&*store, stored.id(), &[("a", "1"), ("b", "1")], START).await.expect("written");
    let mut head = stored.record.head.clone();
    head.last_seen = at(7);
    let rotation = stored.to(head.clone(), changes(&[("b", "2")]));
    let new_key = rotation.new_key;
    let rotated = store.rotate(rotation, SessionLimits::default(), CAP, at(7)).await.expect("answered");
    let record = SessionRecord { head, data: data(&[("a", "1"), ("b", "2")]) };
    assert_eq!(rotated, Some(Started { record: record.clone(), ended: Vec::new() }));
    assert_eq!(found(&*store, new_key).await, Some(record));
    assert_eq!(store.load(stored.key, Realm::default()).await.expect("readable"), Loaded::Ended { logged_in: true });
    let applied = set(&*store, stored.id(), &[("c", "3")], at(8)).await.expect("written");
    assert!(matches!(applied, Applied::Merged { key, .. } if key == new_key), "the answer names the current key");
    assert_eq!(value(&*store, new_key, "c").await.as_deref(), Some("3"), "the id stays");
    assert_eq!(store.delete(stored.id(), at(9)).await.expect("deleted"), Some(new_key), "whatever its key is now");
}

pub(super) async fn rotate_to_the_same_key_replaces_head_and_data<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    set(&*store, stored.id(), &[("a", "1")], START).await.expect("written");
    let mut longer = stored.record.head.clone();
    longer.lifetime = Lifetime::new(2 * IDLE, 2 * IDLE);
    for head in [longer, head(Some("ada"), at(1))] {
        let mut rotation = stored.to(head.clone(), changes(&[("b", "2")]));
        rotation.new_key = stored.key;
        rotation.id = found(&*store, stored.key).await.expect("live").head.id;
        let record = SessionRecord { head, data: data(&[("a", "1"), ("b", "2")]) };
        let rotated = store.rotate(rotation, SessionLimits::default(), CAP, at(1)).await.expect("answered");
        assert_eq!(rotated, Some(Started { record: record.clone(), ended: Vec::new() }));
        assert_eq!(found(&*store, stored.key).await, Some(record));
    }
    let taken = stored.to(stored.record.head.clone(), changes(&[]));
    assert_eq!(store.rotate(taken, SessionLimits::default(), CAP, at(1)).await.expect("answered"), None);
    let ada = found(&*store, stored.key).await.expect("the key stays in use").head;
    store.delete(ada.id, at(2)).await.expect("deleted");
    assert_eq!(store.load(stored.key, Realm::default()).await.expect("readable"), Loaded::Ended { logged_in: true });
}

pub(super) async fn rotate_with_a_new_id_keeps_data_and_ends_the_old_session<S: SessionStore>(store: Arc<S>) {
    let anonymous = start(&*store, None, START).await;
    set(&*store, anonymous.id(), &[("cart", "what another request wrote")], START).await.expect("written");
    let login = head(Some("ada"), at(1));
    let rotation = anonymous.to(login.clone(), changes(&[("b", "1")]));
    let new_key = rotation.new_key;
    store.rotate(rotation, SessionLimits::default(), CAP, at(1)).await.expect("answered").expect("rotated");
    let record = found(&*store, new_key).await.expect("live");
    assert_eq!(
        record,
        SessionRecord { head: login, data: data(&[("cart", "what another request wrote"), ("b", "1")]) }
    );
    assert_eq!(set(&*store, anonymous.id(), &[("b", "planted")], at(2)).await.expect("answered"), Applied::Ended);
    assert!(!store.touch(anonymous.id(), at(2)).await.expect("answered"));
    assert_eq!(store.delete(anonymous.id(), at(2)).await.expect("answered"), None);
    assert_eq!(value(&*store, new_key, "b").await.as_deref(), Some("1"));
}

pub(super) async fn rotate_requires_the_current_key_and_a_live_session<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, Some("ada"), START).await;
    let first = stored.to(stored.record.head.clone(), changes(&[]));
    let current = first.new_key;
    store.rotate(first, SessionLimits::default(), CAP, START).await.expect("answered").expect("rotated");
    let late = stored.to(stored.record.head.clone(), changes(&[("a", "1")]));
    let minted = late.new_key;
    assert_eq!(store.rotate(late, SessionLimits::default(), CAP, START).await.expect("answered"), None);
    assert_eq!((found(&*store, minted).await, value(&*store, current, "a").await), (None, None));
    let moved = super::Stored { key: current, ..stored.clone() };
    let expired = moved.to(head(Some("ada"), START.after(IDLE)), changes(&[]));
    let rotated = store.rotate(expired, SessionLimits::default(), CAP, START.after(IDLE)).await;
    assert_eq!(rotated.expect("answered"), None, "an expired session does not log in");
}

pub(super) async fn failed_rotate_changes_nothing<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    let other = start(&*store, Some("eve"), START).await;
    let mut taken_key = stored.to(stored.record.head.clone(), changes(&[("a", "1")]));
    taken_key.new_key = other.key;
    let taken_id = stored.to(other.record.head.clone(), changes(&[("a", "1")]));
    let large = stored.to(head(Some("ada"), START), changes(&[("a", &"x".repeat(70_000))]));
    for (rotation, kind) in
        [(taken_key, ErrorKind::Conflict), (taken_id, ErrorKind::Conflict), (large, ErrorKind::TooLarge)]
    {
        let error = store.rotate(rotation, SessionLimits::default(), CAP, START).await.expect_err("it cannot be");
        assert_eq!(error.kind(), kind);
        assert_eq!(found(&*store, stored.key).await.as_ref(), Some(&stored.record));
        assert_eq!(found(&*store, other.key).await.as_ref(), Some(&other.record));
    }
}
