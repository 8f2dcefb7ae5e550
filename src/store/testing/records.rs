//! Cases for session data: loading and merging.

use std::{sync::Arc, time::Duration};

use super::{
    Applied, CAP, EpochRule, Loaded, Realm, START, SessionStore, at, changes, data, found, head, new_key, set, start,
    start_with, user_id, value,
};
use crate::{
    error::ErrorKind,
    model::session::{Changes, Device, Lifetime, SessionLimits, SessionRecord, TruncatedAddress},
};

pub(super) async fn load_returns_the_inserted_session<S: SessionStore>(store: Arc<S>) {
    let long = "ü".repeat(127) + "x";
    let large = "x".repeat(60_000);
    for (user, address, persistent) in [
        (None, None, false),
        (Some("ada"), Some("203.0.113.77"), true),
        (Some(long.as_str()), Some("2001:db8:1:2::3"), false),
    ] {
        let mut head = head(user, START);
        head.last_seen = at(5);
        head.device = address.map(|_| Device::from_words("Firefox on Linux"));
        head.address =
            address.map(|text: &str| TruncatedAddress::from(text.parse::<std::net::IpAddr>().expect("an address")));
        head.lifetime = Lifetime::new(Duration::from_millis(1_234), Duration::from_millis(56_789));
        head.lifetime.persistent = persistent;
        let data = data(&[("", "empty key"), ("käse\u{0}\"\\", "\u{0}\u{1f600}\n"), ("large", &large)]);
        let stored = start_with(&*store, SessionRecord { head, data }, START).await;
        assert_eq!(store.load(stored.key, Realm::default()).await.expect("readable"), Loaded::Found(stored.record));
    }
    assert_eq!(store.load(new_key(), Realm::default()).await.expect("readable"), Loaded::Unknown);
}

pub(super) async fn insert_refuses_a_taken_key_or_id<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, Some("ada"), START).await;
    let mut other = SessionRecord { head: head(Some("eve"), START), data: data(&[("a", "forged")]) };
    let error =
        store.insert(stored.key, other.clone(), CAP, EpochRule::Keep, START).await.expect_err("the key is taken");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    other.head.id = stored.id();
    let key = new_key();
    let error = store.insert(key, other, CAP, EpochRule::Keep, START).await.expect_err("the id is taken");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(found(&*store, stored.key).await, Some(stored.record));
    assert_eq!(found(&*store, key).await, None);
    assert!(store.list(user_id("eve"), None, 10, START).await.expect("readable").is_empty());
}

pub(super) async fn apply_merges_by_key<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    set(&*store, stored.id(), &[("a", "1"), ("b", "1")], START).await.expect("written");
    let mut changes = changes(&[("b", "2"), ("c", "2")]);
    changes.remove("a");
    changes.remove("absent");
    let applied = store.apply(stored.id(), changes, SessionLimits::default(), START).await.expect("written");
    let expected = SessionRecord { data: data(&[("b", "2"), ("c", "2")]), ..stored.record };
    assert_eq!(applied, Applied::Merged { key: stored.key, record: expected.clone() });
    assert_eq!(found(&*store, stored.key).await, Some(expected));
}

pub(super) async fn apply_clear_removes_parallel_changes<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    set(&*store, stored.id(), &[("a", "1")], START).await.expect("written");
    let mut changes = Changes::default();
    changes.clear();
    changes.set("b", "2").expect("text is JSON");
    store.apply(stored.id(), changes, SessionLimits::default(), START).await.expect("written");
    assert_eq!(found(&*store, stored.key).await.expect("live").data, data(&[("b", "2")]));
}

pub(super) async fn apply_checks_expected_values<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    set(&*store, stored.id(), &[("a", "1")], START).await.expect("written");
    let seen = found(&*store, stored.key).await.expect("live").data;
    for (key, expected) in [("a", true), ("absent", true), ("a", false), ("b", false)] {
        let mut changes = changes(&[("a", "2"), ("b", "2")]);
        changes.expect(key, &seen);
        let applied = store.apply(stored.id(), changes, SessionLimits::default(), START).await.expect("written");
        assert_eq!(matches!(applied, Applied::Merged { .. }), expected, "{key}");
        if expected {
            set(&*store, stored.id(), &[("a", "1")], START).await.expect("written");
        } else {
            let Applied::Mismatch(record) = applied else { panic!("{applied:?}") };
            assert_eq!(Some(record), found(&*store, stored.key).await, "a mismatch shows what is stored");
        }
        if (key, expected) == ("absent", true) {
            set(&*store, stored.id(), &[("a", "other")], START).await.expect("written");
        }
    }
    assert_eq!(value(&*store, stored.key, "a").await.as_deref(), Some("other"));
}

pub(super) async fn apply_beyond_limits_changes_nothing<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, None, START).await;
    // `"1"` with its quotes: three bytes, and one for the key.
    let limits = SessionLimits { bytes: 8, keys: 2, key_bytes: 3 };
    let apply = async |values: &[(&str, &str)]| store.apply(stored.id(), changes(values), limits, START).await;
    apply(&[("a", "1"), ("b", "1")]).await.expect("exactly at the limit");
    let over: [&[(&str, &str)]; 3] = [&[("a", "12")], &[("c", "")], &[("abcd", ""), ("a", ""), ("b", "")]];
    for values in over {
        let error = apply(values).await.expect_err("over a limit");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    let long_key = SessionLimits { bytes: 100, keys: 100, key_bytes: 3 };
    let error = store.apply(stored.id(), changes(&[("abcd", "")]), long_key, START).await.expect_err("a long key");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(found(&*store, stored.key).await.expect("live").data, data(&[("a", "1"), ("b", "1")]));
}

pub(super) async fn list_returns_sessions_of_the_user_newest_first<S: SessionStore>(store: Arc<S>) {
    let first = start(&*store, Some("ada"), START).await;
    let second = start(&*store, Some("ada"), at(1)).await;
    let third = start(&*store, Some("ada"), at(2)).await;
    start(&*store, Some("eve"), START).await;
    start(&*store, None, START).await;
    assert!(store.touch(first.id(), at(3)).await.expect("touched"));
    let ids = async |limit| -> Vec<_> {
        let heads = store.list(user_id("ada"), None, limit, at(4)).await.expect("readable");
        heads.into_iter().map(|head| head.id).collect()
    };
    assert_eq!(ids(10).await, [first.id(), third.id(), second.id()]);
    assert_eq!(ids(2).await, [first.id(), third.id()]);
    let heads = store.list(user_id("ada"), None, 10, at(4)).await.expect("readable");
    assert_eq!(heads[1], third.record.head);
}

pub(super) async fn session_data_returns_data_while_live<S: SessionStore>(store: Arc<S>) {
    let stored = start(&*store, Some("ada"), START).await;
    let other = start(&*store, Some("eve"), START).await;
    set(&*store, stored.id(), &[("a", "1"), ("b", "[2]")], START).await.expect("written");
    let read = async |id, now| store.session_data(id, now).await.expect("readable");
    assert_eq!(read(stored.id(), START).await, Some(data(&[("a", "1"), ("b", "[2]")])));
    assert_eq!(read(other.id(), START).await, Some(other.record.data.clone()));
    assert_eq!(found(&*store, stored.key).await.expect("live").head.last_seen, START, "reading is no use");
    assert_eq!(read(stored.id(), stored.record.head.expires_at()).await, None, "it is over");
    store.delete(stored.id(), START).await.expect("deleted");
    assert_eq!(read(stored.id(), START).await, None);
}
