//! Cases for [`CredentialStore`](crate::store::CredentialStore): no session outlives its epoch.

use std::{future::Future, sync::Arc};

use super::{
    CAP, EpochRule, Loaded, Realm, START, Store, Stored, changes, data, found, head, new_key, note, start,
    support::at_once, user_id,
};
use crate::{
    error::{ErrorKind, Result},
    id::SessionKey,
    model::{
        privacy::{AuditAction, ErasedActivities},
        session::{CredentialEpoch, SessionLimits, SessionRecord},
    },
    store::{Revocation, Rotation, Started},
};

fn admins() -> Realm {
    Realm::try_from("admins").expect("a realm")
}

async fn epoch<S: Store>(store: &S, realm: Realm, user: &str) -> CredentialEpoch {
    store.credential_epoch(realm, user_id(user)).await.expect("readable")
}

async fn raise<S: Store>(store: &S, realm: Realm, user: Option<&str>) -> CredentialEpoch {
    store.raise_credential_epoch(realm, user.map(user_id)).await.expect("raised")
}

fn record(user: &str, epoch: CredentialEpoch) -> SessionRecord {
    let mut head = head(Some(user), START);
    head.epoch = epoch;
    SessionRecord { head, data: data(&[]) }
}

fn insert<S: Store>(
    store: &S,
    key: SessionKey,
    record: SessionRecord,
    rule: EpochRule,
) -> impl Future<Output = Result<Started>> + Send {
    store.insert(key, record, CAP, rule, START)
}

/// A rotation of the session by its user with this rule.
fn rotation(stored: &Stored, user: &str, epoch: CredentialEpoch, rule: EpochRule) -> Rotation {
    let mut head = stored.record.head.clone();
    head.user = Some(user_id(user));
    head.epoch = epoch;
    Rotation { epoch: rule, ..stored.to(head, changes(&[("a", "1")])) }
}

pub(super) async fn raise_credential_epoch_is_per_user_and_realm<S: Store>(store: Arc<S>) {
    let all = async || {
        let default = Realm::default;
        [
            epoch(&*store, default(), "1").await.number(),
            epoch(&*store, default(), "2").await.number(),
            epoch(&*store, admins(), "1").await.number(),
        ]
    };
    assert_eq!(all().await, [0, 0, 0]);
    assert_eq!(raise(&*store, Realm::default(), Some("1")).await.number(), 1);
    assert_eq!(raise(&*store, Realm::default(), Some("1")).await.number(), 2);
    assert_eq!(all().await, [2, 0, 0]);
    assert_eq!(raise(&*store, Realm::default(), None).await.number(), 1, "of a user without an epoch of their own");
    assert_eq!(all().await, [3, 1, 0]);
    raise(&*store, admins(), Some("1")).await;
    assert_eq!(all().await, [3, 1, 1]);
}

pub(super) async fn revoke_of_all_sessions_raises_the_epoch<S: Store>(store: Arc<S>) {
    let one = start(&*store, Some("1"), START).await;
    start(&*store, Some("1"), START).await;
    let revoke = async |revocation| store.revoke(revocation, START).await.expect("answered");
    revoke(Revocation::One(Realm::default(), user_id("1"), one.id())).await;
    revoke(Revocation::Others(Realm::default(), user_id("1"), one.id())).await;
    assert_eq!(epoch(&*store, Realm::default(), "1").await.number(), 0, "some are not all");
    assert_eq!(revoke(Revocation::User(Realm::default(), user_id("1"))).await, 0);
    assert_eq!(epoch(&*store, Realm::default(), "1").await.number(), 1, "although there was none");
    assert_eq!(epoch(&*store, Realm::default(), "2").await.number(), 0);
    revoke(Revocation::All(Realm::default())).await;
    assert_eq!(epoch(&*store, Realm::default(), "1").await.number(), 2);
    assert_eq!(epoch(&*store, Realm::default(), "2").await.number(), 1);
    assert_eq!(epoch(&*store, admins(), "1").await.number(), 0);
}

pub(super) async fn insert_refuses_an_outdated_epoch<S: Store>(store: Arc<S>) {
    let before = epoch(&*store, Realm::default(), "1").await;
    let kept = start(&*store, Some("1"), START).await;
    let now = raise(&*store, Realm::default(), Some("1")).await;
    let key = new_key();
    for wrong in [before, CredentialEpoch::from_number(now.number() + 1)] {
        let refused = insert(&*store, key, record("1", wrong), EpochRule::Compare).await;
        assert_eq!(refused.expect_err("it is not the current one").kind(), ErrorKind::CredentialsChanged);
        assert_eq!(store.load(key, Realm::default()).await.expect("readable"), Loaded::Unknown);
    }
    assert_eq!(store.session_data(kept.id(), START).await.expect("readable"), Some(data(&[])), "raising ends nothing");
    for (rule, given) in [(EpochRule::Compare, now), (EpochRule::Stamp, before)] {
        let key = new_key();
        let started = insert(&*store, key, record("1", given), rule).await.expect("stored");
        assert_eq!(started.record.head.epoch, now);
        assert_eq!(found(&*store, key).await, Some(started.record), "the epoch is stored with the session");
    }
    let anonymous = SessionRecord { head: head(None, START), data: data(&[]) };
    for rule in [EpochRule::Keep, EpochRule::Stamp, EpochRule::Compare] {
        let started = insert(&*store, new_key(), SessionRecord { head: head(None, START), ..anonymous.clone() }, rule);
        assert_eq!(started.await.expect("stored").record.head.epoch.number(), 0);
    }
}

pub(super) async fn rotate_refuses_an_outdated_epoch_and_changes_nothing<S: Store>(store: Arc<S>) {
    let anonymous = start(&*store, None, START).await;
    let before = epoch(&*store, Realm::default(), "1").await;
    let now = raise(&*store, Realm::default(), Some("1")).await;
    let late = rotation(&anonymous, "1", before, EpochRule::Compare);
    let key = late.new_key;
    let refused = store.rotate(late, SessionLimits::default(), CAP, START).await;
    assert_eq!(refused.expect_err("the epoch is over").kind(), ErrorKind::CredentialsChanged);
    assert_eq!(found(&*store, key).await, None);
    assert_eq!(found(&*store, anonymous.key).await.as_ref(), Some(&anonymous.record));
    let right = rotation(&anonymous, "1", now, EpochRule::Compare);
    let key = right.new_key;
    let started = store.rotate(right, SessionLimits::default(), CAP, START).await.expect("answered");
    assert_eq!(found(&*store, key).await, started.map(|started| started.record));
}

pub(super) async fn rotate_with_raise_ends_other_sessions<S: Store>(store: Arc<S>) {
    let (own, phone) = (start(&*store, Some("1"), START).await, start(&*store, Some("1"), START).await);
    let stranger = start(&*store, Some("2"), START).await;
    let mut elsewhere = record("1", CredentialEpoch::default());
    elsewhere.head.realm = admins();
    let admin_key = new_key();
    insert(&*store, admin_key, elsewhere, EpochRule::Stamp).await.expect("stored");

    let change = rotation(&own, "1", own.record.head.epoch, EpochRule::Raise);
    let key = change.new_key;
    let started = store.rotate(change, SessionLimits::default(), CAP, START).await.expect("answered").expect("live");
    assert_eq!(started.ended, [phone.id()]);
    let now = epoch(&*store, Realm::default(), "1").await;
    assert_eq!((now.number(), started.record.head.epoch), (1, now));
    assert_eq!(found(&*store, key).await, Some(started.record), "and it is served");
    for old in [&own, &phone] {
        assert_eq!(store.load(old.key, Realm::default()).await.expect("readable"), Loaded::Ended { logged_in: true });
    }
    assert_eq!(found(&*store, stranger.key).await, Some(stranger.record.clone()));
    let admin = store.load(admin_key, admins()).await.expect("readable");
    assert!(matches!(admin, Loaded::Found(_)), "another realm has its own passwords");

    // A session that is over changes nothing.
    let late = rotation(&own, "1", now, EpochRule::Raise);
    let missed = store.rotate(late, SessionLimits::default(), CAP, START).await.expect("answered");
    assert_eq!(missed, None);
}

pub(super) async fn raise_credential_epoch_ends_parallel_logins<S: Store>(store: Arc<S>) {
    for round in 0..8 {
        let user = format!("user {round}");
        let own = start(&*store, Some(&user), START).await;
        let before = epoch(&*store, Realm::default(), &user).await;
        let change = rotation(&own, &user, own.record.head.epoch, EpochRule::Raise);
        let (changing, kept) = (store.clone(), change.new_key);
        let changing = tokio::spawn(async move { changing.rotate(change, SessionLimits::default(), CAP, START).await });
        let late = at_once(|number| {
            let (store, user) = (store.clone(), user.clone());
            async move {
                let anonymous = start(&*store, None, START).await;
                let login = rotation(&anonymous, &user, before, EpochRule::Compare);
                let (key, other) = (login.new_key, new_key());
                let result = match number % 2 {
                    0 => store.rotate(login, SessionLimits::default(), CAP, START).await.map(drop),
                    _ => insert(&*store, other, record(&user, before), EpochRule::Compare).await.map(drop),
                };
                let kind = result.err().map(|error| error.kind());
                assert!(matches!(kind, None | Some(ErrorKind::CredentialsChanged)), "{kind:?}");
                [key, other]
            }
        })
        .await;
        changing.await.expect("no panic").expect("answered").expect("live");
        for key in late.into_iter().flatten() {
            assert_eq!(found(&*store, key).await, None);
        }
        assert!(found(&*store, kept).await.is_some());
        assert_eq!(store.list(user_id(&user), None, 100, START).await.expect("readable").len(), 1);
    }
}

pub(super) async fn credential_epoch_of_an_erased_user_is_zero<S: Store>(store: Arc<S>) {
    let now = raise(&*store, Realm::default(), Some("1")).await;
    raise(&*store, admins(), Some("1")).await;
    let began = note(AuditAction::ErasureBegan, Some("1"));
    let mut erasure = store.begin_erasure(user_id("1"), START.after(CAP_DAYS), began, START).await.expect("erased");
    let refused = insert(&*store, new_key(), record("1", now), EpochRule::Compare).await;
    assert!(refused.is_err());
    assert_eq!(raise(&*store, Realm::default(), Some("1")).await.number(), 0, "nothing is stored of them");
    store.revoke(Revocation::User(Realm::default(), user_id("1")), START).await.expect("there is none");
    while erasure.finished_at.is_none() {
        let finished = note(AuditAction::ErasureFinished, None);
        erasure = store.erase_some(erasure.id, 100, ErasedActivities::Deleted, finished, START).await.expect("a step");
    }
    for realm in [Realm::default(), admins()] {
        assert_eq!(epoch(&*store, realm, "1").await.number(), 0);
    }
    assert_eq!(store.users(None, 10).await.expect("readable"), []);
}

/// Longer than the test.
const CAP_DAYS: std::time::Duration = std::time::Duration::from_secs(86_400);
