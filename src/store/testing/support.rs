//! Helpers of the cases: times, keys, stored sessions.

use std::time::Duration;

use crate::{
    error::Result,
    id::{SessionId, SessionKey, SessionToken, UserId, VisitorId},
    model::{
        privacy::{Actor, AuditAction, AuditKey, AuditNote},
        session::{
            Changes, CredentialStamp, Lifetime, OnSessionLimit, Realm, SessionCap, SessionData, SessionHead,
            SessionLimits, SessionRecord,
        },
    },
    store::{Applied, EpochRule, Loaded, Rotation, SessionStore, Started},
    time::Timestamp,
};

/// A time far from zero.
pub(super) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(super) const CAP: SessionCap = SessionCap { max: 1_000, on_limit: OnSessionLimit::EndOldest };
pub(super) const IDLE: Duration = Duration::from_secs(1_800);
pub(super) const ABSOLUTE: Duration = Duration::from_secs(43_200);

pub(super) fn at(millis: u64) -> Timestamp {
    START.after(Duration::from_millis(millis))
}

pub(super) fn new_key() -> SessionKey {
    SessionToken::generate().expect("the system has random bytes").key()
}

pub(super) fn head(user: Option<&str>, now: Timestamp) -> SessionHead {
    let id = SessionId::generate(now).expect("the system has random bytes");
    let mut head = SessionHead::new(id, now, Lifetime::new(IDLE, ABSOLUTE));
    head.user = user.map(user_id);
    head.authenticated_at = user.map(|_| now);
    head.stamp = user.map(CredentialStamp::of);
    head
}

pub(super) fn new_visitor() -> VisitorId {
    VisitorId::generate().expect("the system has random bytes")
}

pub(super) fn user_id(name: &str) -> UserId {
    UserId::try_from(name).expect("a short name is a user id")
}

/// The audit key of the cases.
pub(super) fn audit_key() -> AuditKey {
    AuditKey::new([7; 32])
}

/// A note by the system.
pub(super) fn note(action: AuditAction, about: Option<&str>) -> AuditNote {
    AuditNote::new(action, Actor::System, about.map(user_id), audit_key())
}

pub(super) fn changes(values: &[(&str, &str)]) -> Changes {
    let mut changes = Changes::default();
    for (key, value) in values {
        changes.set(key, value).expect("text is JSON");
    }
    changes
}

pub(super) fn data(values: &[(&str, &str)]) -> SessionData {
    let json: serde_json::Map<_, _> = values.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    SessionData::from_json(serde_json::Value::Object(json).to_string().as_bytes()).expect("this is an object")
}

/// A stored session.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) key: SessionKey,
    pub(super) record: SessionRecord,
}

impl Stored {
    pub(super) fn id(&self) -> SessionId {
        self.record.head.id
    }

    /// Returns the rotation of this session to a new key, with `head`.
    pub(super) fn to(&self, head: SessionHead, changes: Changes) -> Rotation {
        Rotation { id: self.id(), key: self.key, new_key: new_key(), head, changes, epoch: EpochRule::Keep }
    }
}

pub(super) async fn start<S: SessionStore>(store: &S, user: Option<&str>, now: Timestamp) -> Stored {
    start_with(store, SessionRecord { head: head(user, now), data: data(&[]) }, now).await
}

pub(super) async fn start_with<S: SessionStore>(store: &S, record: SessionRecord, now: Timestamp) -> Stored {
    let key = new_key();
    let started = store.insert(key, record.clone(), CAP, EpochRule::Keep, now).await.expect("a new session is stored");
    assert_eq!(started, Started { record: record.clone(), ended: Vec::new() });
    Stored { key, record }
}

pub(super) async fn set<S: SessionStore>(
    store: &S,
    id: SessionId,
    values: &[(&str, &str)],
    now: Timestamp,
) -> Result<Applied> {
    store.apply(id, changes(values), SessionLimits::default(), now).await
}

pub(super) async fn found<S: SessionStore>(store: &S, key: SessionKey) -> Option<SessionRecord> {
    match store.load(key, Realm::default()).await.expect("the store can be read") {
        Loaded::Found(record) => Some(record),
        Loaded::Ended { .. } | Loaded::OtherRealm | Loaded::Unknown => None,
    }
}

pub(super) async fn value<S: SessionStore>(store: &S, key: SessionKey, name: &str) -> Option<String> {
    found(store, key).await.and_then(|record| record.data.get(name).expect("it was written as text"))
}

pub(super) const TASKS: usize = 16;

/// Runs `task` this many times at once.
pub(super) async fn at_once<T, Fut>(task: impl Fn(usize) -> Fut) -> Vec<T>
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..TASKS).map(|number| tokio::spawn(task(number))).collect();
    let mut results = Vec::with_capacity(TASKS);
    for task in running {
        results.push(task.await.expect("no task panics"));
    }
    results
}
