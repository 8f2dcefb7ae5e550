//! Cases for realms: sessions of one realm do not affect another.

use std::sync::Arc;

use super::{
    CAP, EpochRule, Loaded, Realm, START, SessionStore, Stored, changes, data, head, new_key, start_with, user_id,
};
use crate::{
    error::ErrorKind,
    model::session::{OnSessionLimit, SessionCap, SessionLimits, SessionRecord},
    store::{ENDED_MEMORY, Revocation},
    time::Timestamp,
};

fn admins() -> Realm {
    Realm::try_from("admins").expect("a realm")
}

fn record(realm: Realm, user: Option<&str>) -> SessionRecord {
    let mut head = head(user, START);
    head.realm = realm;
    SessionRecord { head, data: data(&[]) }
}

async fn start_in<S: SessionStore>(store: &S, realm: Realm, user: Option<&str>) -> Stored {
    start_with(store, record(realm, user), START).await
}

async fn load<S: SessionStore>(store: &S, stored: &Stored, realm: Realm) -> Loaded {
    store.load(stored.key, realm).await.expect("readable")
}

pub(super) async fn load_reports_a_key_of_another_realm<S: SessionStore>(store: Arc<S>) {
    for (own, other) in [(Realm::default(), admins()), (admins(), Realm::default())] {
        for user in [Some("1"), None] {
            let stored = start_in(&*store, own.clone(), user).await;
            assert_eq!(load(&*store, &stored, own.clone()).await, Loaded::Found(stored.record.clone()));
            assert_eq!(load(&*store, &stored, other.clone()).await, Loaded::OtherRealm);
            store.delete(stored.id(), START).await.expect("deleted");
            assert_eq!(load(&*store, &stored, own.clone()).await, Loaded::Ended { logged_in: user.is_some() });
            assert_eq!(load(&*store, &stored, other.clone()).await, Loaded::OtherRealm, "not even that it ended");

            let revoked = start_in(&*store, own.clone(), user).await;
            store.revoke(Revocation::All(own.clone()), START).await.expect("revoked");
            // The key of an anonymous session is not remembered.
            let [here, there] = match user {
                Some(_) => [Loaded::Ended { logged_in: true }, Loaded::OtherRealm],
                None => [Loaded::Unknown, Loaded::Unknown],
            };
            assert_eq!(load(&*store, &revoked, own.clone()).await, here);
            assert_eq!(load(&*store, &revoked, other.clone()).await, there);
        }
    }
    let later: Timestamp = START.after(ENDED_MEMORY * 2);
    store.delete_expired(later, 100).await.expect("deleted");
    let unknown = start_in(&*store, admins(), None).await;
    store.delete(unknown.id(), START).await.expect("deleted");
    store.delete_expired(later, 100).await.expect("deleted");
    for realm in [Realm::default(), admins()] {
        assert_eq!(load(&*store, &unknown, realm).await, Loaded::Unknown);
    }
}

pub(super) async fn list_and_revoke_are_per_realm<S: SessionStore>(store: Arc<S>) {
    let customer = start_in(&*store, Realm::default(), Some("1")).await;
    let admin = start_in(&*store, admins(), Some("1")).await;
    let session = start_in(&*store, admins(), None).await;
    let list = async |realm| {
        let heads = store.list(user_id("1"), realm, 10, START).await.expect("readable");
        heads.into_iter().map(|head| head.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Some(Realm::default())).await, [customer.id()]);
    assert_eq!(list(Some(admins())).await, [admin.id()]);
    assert_eq!(list(None).await.len(), 2, "an export shows them all");
    assert_eq!(list(Some(Realm::try_from("others").expect("a realm"))).await, []);

    let revoke = async |revocation| store.revoke(revocation, START).await.expect("answered");
    assert_eq!(revoke(Revocation::One(Realm::default(), user_id("1"), admin.id())).await, 0);
    assert_eq!(revoke(Revocation::Others(Realm::default(), user_id("1"), customer.id())).await, 0);
    assert_eq!(revoke(Revocation::User(Realm::default(), user_id("1"))).await, 1);
    assert_eq!((list(None).await, list(Some(Realm::default())).await), (vec![admin.id()], vec![]));
    start_in(&*store, Realm::try_from("others").expect("a realm"), None).await;
    assert_eq!(revoke(Revocation::All(Realm::default())).await, 0);
    assert_eq!(load(&*store, &session, admins()).await, Loaded::Found(session.record.clone()));
    assert_eq!(revoke(Revocation::All(admins())).await, 2, "the anonymous one, too");
}

pub(super) async fn begin_erasure_ends_sessions_of_every_realm<S: SessionStore>(store: Arc<S>) {
    let mut sessions = Vec::new();
    for realm in [Realm::default(), admins()] {
        sessions.push((realm.clone(), start_in(&*store, realm.clone(), Some("1")).await));
        start_in(&*store, realm, Some("2")).await;
    }
    assert_eq!(store.revoke(Revocation::Erased(user_id("1")), START).await.expect("answered"), 2);
    for (realm, session) in sessions {
        assert_eq!(load(&*store, &session, realm).await, Loaded::Ended { logged_in: true });
    }
    assert_eq!(store.list(user_id("2"), None, 10, START).await.expect("readable").len(), 2);
}

pub(super) async fn insert_with_cap_counts_one_realm<S: SessionStore>(store: Arc<S>) {
    let customer = start_in(&*store, Realm::default(), Some("1")).await;
    let end = SessionCap { max: 1, on_limit: OnSessionLimit::EndOldest };
    let refuse = SessionCap { max: 1, on_limit: OnSessionLimit::Refuse };
    let insert = async |cap| store.insert(new_key(), record(admins(), Some("1")), cap, EpochRule::Keep, START).await;
    assert_eq!(insert(refuse).await.expect("there is none in this realm").ended, []);
    assert_eq!(insert(refuse).await.expect_err("there is one now").kind(), ErrorKind::SessionLimit);
    assert_eq!(insert(end).await.expect("stored").ended.len(), 1);
    assert_eq!(load(&*store, &customer, Realm::default()).await, Loaded::Found(customer.record.clone()));
}

pub(super) async fn rotate_never_changes_the_realm<S: SessionStore>(store: Arc<S>) {
    let customer = start_in(&*store, Realm::default(), Some("1")).await;
    let rotation = customer.to(record(admins(), Some("1")).head, changes(&[("a", "1")]));
    let key = rotation.new_key;
    let rotated = store.rotate(rotation, SessionLimits::default(), CAP, START).await.expect("answered");
    assert_eq!(rotated, None);
    assert_eq!(store.load(key, admins()).await.expect("readable"), Loaded::Unknown);
    assert_eq!(load(&*store, &customer, Realm::default()).await, Loaded::Found(customer.record.clone()));
}
