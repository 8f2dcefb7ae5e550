//! [`MemoryStore`]: a store in memory.

mod activities;
mod anonymous;
mod audit;
mod consents;
mod credentials;
mod erasures;
mod maintenance;
mod preferences;
mod requests;
mod restrictions;
mod scan;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use self::{activities::Activities, anonymous::Anonymous, audit::Trail, consents::Consents, credentials::Epochs};
use super::{
    AnonymousBound, AnonymousTotal, Applied, ENDED_MEMORY, EpochRule, Loaded, Revocation, Rotation, SessionStore,
    Started, Store, StoredPreferences,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, UserId},
    model::{
        privacy::{Erasure, HeldClass, LegalHold, PrivacyRequest, Pseudonym, RequestId, Restriction},
        session::{
            Changes, Merge, OnSessionLimit, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord,
        },
    },
    time::Timestamp,
};

/// A store in memory: for tests, and for data that may be lost with the process.
///
/// It is the reference for the behaviour of a [`Store`], written for clarity rather than speed: one
/// lock, and lists read every session, histories every activity. It holds a bounded number of
/// sessions and of activities, 100,000 each by default. When it is full and no session is expired,
/// a new session replaces the least recently used anonymous one. If there is none, the new session
/// is refused with [`ErrorKind::StorageFull`].
///
/// # Examples
///
/// ```
/// use tower_guestbook::store::MemoryStore;
///
/// let store = MemoryStore::new().capacity(1_000);
/// # let _ = store;
/// ```
///
/// Clones are handles to the same store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    capacity: usize,
    activity_capacity: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionId, (SessionKey, SessionRecord)>,
    keys: HashMap<SessionKey, SessionId>,
    anonymous: Anonymous,
    /// Recently ended keys: their realm, the time when they ended, and whether a user was logged
    /// in.
    ended: HashMap<SessionKey, (Realm, Timestamp, bool)>,
    epochs: Epochs,
    preferences: HashMap<UserId, StoredPreferences>,
    consents: Consents,
    activities: Activities,
    erasures: BTreeMap<Pseudonym, Erasure>,
    journal_since: Option<Timestamp>,
    audit: Trail,
    restrictions: HashMap<UserId, Restriction>,
    holds: BTreeMap<(UserId, HeldClass), LegalHold>,
    requests: BTreeMap<RequestId, PrivacyRequest>,
    leases: HashMap<&'static str, (Uuid, Timestamp)>,
}

impl MemoryStore {
    /// Creates an empty store for 100,000 sessions and 100,000 activities.
    pub fn new() -> Self {
        Self { capacity: 100_000, activity_capacity: 100_000, state: Arc::default() }
    }

    /// Limits the number of activities.
    #[must_use]
    pub fn activity_capacity(mut self, activities: usize) -> Self {
        self.activity_capacity = activities;
        self
    }

    /// Limits the number of sessions.
    #[must_use]
    pub fn capacity(mut self, sessions: usize) -> Self {
        self.capacity = sessions;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change below is made after everything that can fail, so a poisoned state is still
        // consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionStore for MemoryStore {
    async fn insert(
        &self,
        key: SessionKey,
        mut record: SessionRecord,
        cap: SessionCap,
        epoch: EpochRule,
        now: Timestamp,
    ) -> Result<Started> {
        let mut state = self.state();
        state.check_free(&key, record.head.id)?;
        state.check_user(&record.head)?;
        record.head.epoch = state.admit(&record.head, epoch)?;
        if state.sessions.len() >= self.capacity {
            state.delete_expired(now, usize::MAX);
        }
        if state.sessions.len() >= self.capacity
            && let Some(oldest) = state.anonymous.oldest()
        {
            state.remove(oldest);
        }
        if state.sessions.len() >= self.capacity {
            return Err(Error::new(
                ErrorKind::StorageFull,
                format!("the memory store holds {} sessions", self.capacity),
            ));
        }
        let ended = match epoch {
            EpochRule::Raise => state.raise_for(&record.head, None)?,
            _ => state.over_cap(&record.head, None, cap, now)?,
        };
        state.end_all(&ended, now);
        state.put(key, record.clone());
        Ok(Started { record, ended })
    }

    async fn load(&self, key: SessionKey, realm: Realm) -> Result<Loaded> {
        let state = self.state();
        Ok(match (state.keys.get(&key).and_then(|id| state.sessions.get(id)), state.ended.get(&key)) {
            (Some((_, record)), _) if record.head.realm == realm => Loaded::Found(record.clone()),
            (None, Some((ended_in, _, logged_in))) if *ended_in == realm => Loaded::Ended { logged_in: *logged_in },
            (None, None) => Loaded::Unknown,
            _ => Loaded::OtherRealm,
        })
    }

    async fn apply(&self, id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Result<Applied> {
        let mut state = self.state();
        let Some((key, record)) = state.live(id, now) else { return Ok(Applied::Ended) };
        Ok(match changes.merge(&record.data, &limits)? {
            Merge::Merged(data) => {
                record.data = data;
                let (key, record) = (*key, record.clone());
                state.anonymous.note(&record);
                Applied::Merged { key, record }
            }
            Merge::Mismatch => Applied::Mismatch(record.clone()),
        })
    }

    async fn touch(&self, id: SessionId, now: Timestamp) -> Result<bool> {
        let mut state = self.state();
        let Some((_, record)) = state.live(id, now) else { return Ok(false) };
        record.head.last_seen = record.head.last_seen.max(now);
        let record = record.clone();
        state.anonymous.note(&record);
        Ok(true)
    }

    async fn rotate(
        &self,
        mut rotation: Rotation,
        limits: SessionLimits,
        cap: SessionCap,
        now: Timestamp,
    ) -> Result<Option<Started>> {
        let mut state = self.state();
        let Some((key, record)) = state.live(rotation.id, now) else { return Ok(None) };
        if *key != rotation.key || record.head.realm != rotation.head.realm {
            return Ok(None);
        }
        let Merge::Merged(data) = rotation.changes.merge(&record.data, &limits)? else {
            return Err(Error::new(ErrorKind::Conflict, "a session value was changed in parallel"));
        };
        if rotation.new_key != rotation.key && state.keys.contains_key(&rotation.new_key) {
            return Err(taken());
        }
        if rotation.head.id != rotation.id && state.sessions.contains_key(&rotation.head.id) {
            return Err(taken());
        }
        state.check_user(&rotation.head)?;
        rotation.head.epoch = state.admit(&rotation.head, rotation.epoch)?;
        let ended = match rotation.epoch {
            EpochRule::Raise => state.raise_for(&rotation.head, Some(rotation.id))?,
            _ => state.over_cap(&rotation.head, Some(rotation.id), cap, now)?,
        };
        state.end_all(&ended, now);
        if rotation.new_key == rotation.key {
            state.remove(rotation.id);
        } else {
            state.end(rotation.id, now);
        }
        let record = SessionRecord { head: rotation.head, data };
        state.put(rotation.new_key, record.clone());
        Ok(Some(Started { record, ended }))
    }

    async fn delete(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionKey>> {
        Ok(self.state().end(id, now))
    }

    async fn list(&self, user: UserId, realm: Option<Realm>, limit: usize, now: Timestamp) -> Result<Vec<SessionHead>> {
        let mut heads = self.state().of_user(&user, realm.as_ref(), now);
        heads.truncate(limit);
        Ok(heads)
    }

    async fn session_data(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionData>> {
        Ok(self.state().live(id, now).map(|(_, record)| record.data.clone()))
    }

    async fn revoke(&self, revocation: Revocation, now: Timestamp) -> Result<u64> {
        let mut state = self.state();
        state.raise_with(&revocation)?;
        let ids = state.matching(&revocation);
        for id in &ids {
            state.revoke(*id, now);
        }
        Ok(ids.len() as u64)
    }

    async fn trim_anonymous(&self, bound: AnonymousBound, limit: usize) -> Result<AnonymousTotal> {
        let mut state = self.state();
        let doomed = state.anonymous.beyond(bound, limit);
        for id in &doomed {
            state.remove(*id);
        }
        Ok(AnonymousTotal { ended: doomed.len() as u64, ..state.anonymous.total() })
    }

    async fn delete_expired(&self, now: Timestamp, limit: usize) -> Result<usize> {
        Ok(self.state().delete_expired(now, limit))
    }
}

impl Store for MemoryStore {}

impl State {
    fn check_free(&self, key: &SessionKey, id: SessionId) -> Result<()> {
        if self.keys.contains_key(key) || self.sessions.contains_key(&id) { Err(taken()) } else { Ok(()) }
    }

    fn check_user(&mut self, head: &SessionHead) -> Result<()> {
        head.user.as_ref().map_or(Ok(()), |user| self.check_not_erased(user))
    }

    /// Returns the sessions that a revocation selects.
    fn matching(&self, revocation: &Revocation) -> Vec<SessionId> {
        let matching = self.sessions.values().filter(|(_, record)| revocation.matches(&record.head));
        matching.map(|(_, record)| record.head.id).collect()
    }

    fn live(&mut self, id: SessionId, now: Timestamp) -> Option<&mut (SessionKey, SessionRecord)> {
        self.sessions.get_mut(&id).filter(|(_, record)| !record.head.is_expired(now))
    }

    /// Returns the live sessions of a user in one realm or in all, the last seen first.
    fn of_user(&self, user: &UserId, realm: Option<&Realm>, now: Timestamp) -> Vec<SessionHead> {
        let heads = self.sessions.values().map(|(_, record)| &record.head);
        let is_theirs =
            |head: &&SessionHead| head.user.as_ref() == Some(user) && realm.is_none_or(|realm| head.realm == *realm);
        let mut heads: Vec<_> = heads.filter(is_theirs).filter(|head| !head.is_expired(now)).cloned().collect();
        heads.sort_by_key(|head| std::cmp::Reverse((head.last_seen, head.id)));
        heads
    }

    /// Returns the sessions that must end so that `head` fits under the cap; `replaced` ends
    /// anyway.
    fn over_cap(
        &self,
        head: &SessionHead,
        replaced: Option<SessionId>,
        cap: SessionCap,
        now: Timestamp,
    ) -> Result<Vec<SessionId>> {
        let Some(user) = &head.user else { return Ok(Vec::new()) };
        let mut others = self.of_user(user, Some(&head.realm), now);
        others.retain(|other| Some(other.id) != replaced && other.id != head.id);
        let room = (cap.max as usize).saturating_sub(1);
        match cap.on_limit {
            _ if others.len() <= room => Ok(Vec::new()),
            OnSessionLimit::EndOldest => Ok(others.drain(room..).map(|head| head.id).collect()),
            OnSessionLimit::Refuse => Err(cap.exceeded()),
        }
    }

    fn put(&mut self, key: SessionKey, record: SessionRecord) {
        self.keys.insert(key, record.head.id);
        self.anonymous.note(&record);
        self.sessions.insert(record.head.id, (key, record));
    }

    fn end(&mut self, id: SessionId, now: Timestamp) -> Option<SessionKey> {
        let (key, head) = self.remove(id)?;
        self.ended.insert(key, (head.realm, now, head.user.is_some()));
        Some(key)
    }

    /// Like [`end`](Self::end), but does not remember the key of an anonymous session.
    fn revoke(&mut self, id: SessionId, now: Timestamp) {
        if let Some((key, head)) = self.remove(id)
            && head.user.is_some()
        {
            self.ended.insert(key, (head.realm, now, true));
        }
    }

    fn remove(&mut self, id: SessionId) -> Option<(SessionKey, SessionHead)> {
        let (key, record) = self.sessions.remove(&id)?;
        self.keys.remove(&key);
        self.anonymous.evict(id);
        Some((key, record.head))
    }

    fn end_all(&mut self, ids: &[SessionId], now: Timestamp) {
        for id in ids {
            self.end(*id, now);
        }
    }

    fn delete_expired(&mut self, now: Timestamp, limit: usize) -> usize {
        self.ended.retain(|_, (_, ended, _)| now.since(*ended) <= ENDED_MEMORY);
        let expired = self.sessions.values().filter(|(_, record)| record.head.is_expired(now));
        let expired: Vec<_> = expired.take(limit).map(|(_, record)| record.head.id).collect();
        for id in &expired {
            self.remove(*id);
        }
        expired.len()
    }
}

fn taken() -> Error {
    Error::new(ErrorKind::Conflict, "the session key or id is taken")
}
