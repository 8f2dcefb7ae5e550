//! [`MemoryStore`]: everything in this process only.

mod activities;
mod anonymous;
mod audit;
mod consents;
mod credentials;
mod maintenance;
mod preferences;
mod requests;
mod restrictions;
mod scan;
mod subjects;

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

/// Everything in memory, gone with the process: for tests, and for data that may be lost.
///
/// It is the reference for how a [`Store`] behaves, written to be read rather than to be fast: one
/// lock, and listing looks at every session, history at every activity. It holds a bounded number
/// of either (default 100,000). When it is full and no session in it is expired, a new one takes
/// the place of the least recently used anonymous one; if there is none, it is refused with
/// [`ErrorKind::StorageFull`].
///
/// ```
/// use tower_guestbook::store::MemoryStore;
///
/// let store = MemoryStore::new().capacity(1_000);
/// # let _ = store;
/// ```
///
/// A clone is another handle to the same.
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
    /// Keys that were valid a moment ago: in which realm, since when they are not, and whether
    /// somebody was logged in.
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
    /// An empty store for 100,000 sessions and 100,000 activities.
    pub fn new() -> Self {
        Self { capacity: 100_000, activity_capacity: 100_000, state: Arc::default() }
    }

    /// Holds at most `activities` at a time.
    #[must_use]
    pub fn activity_capacity(mut self, activities: usize) -> Self {
        self.activity_capacity = activities;
        self
    }

    /// Holds at most `sessions` at a time.
    #[must_use]
    pub fn capacity(mut self, sessions: usize) -> Self {
        self.capacity = sessions;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is made after all that can fail, so a poisoned state is still a whole
        // one.
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

    /// The sessions that a revocation names.
    fn matching(&self, revocation: &Revocation) -> Vec<SessionId> {
        let matching = self.sessions.values().filter(|(_, record)| revocation.matches(&record.head));
        matching.map(|(_, record)| record.head.id).collect()
    }

    fn live(&mut self, id: SessionId, now: Timestamp) -> Option<&mut (SessionKey, SessionRecord)> {
        self.sessions.get_mut(&id).filter(|(_, record)| !record.head.is_expired(now))
    }

    /// The live sessions of a user in one realm or in all, the last seen first.
    fn of_user(&self, user: &UserId, realm: Option<&Realm>, now: Timestamp) -> Vec<SessionHead> {
        let heads = self.sessions.values().map(|(_, record)| &record.head);
        let is_theirs =
            |head: &&SessionHead| head.user.as_ref() == Some(user) && realm.is_none_or(|realm| head.realm == *realm);
        let mut heads: Vec<_> = heads.filter(is_theirs).filter(|head| !head.is_expired(now)).cloned().collect();
        heads.sort_by_key(|head| std::cmp::Reverse((head.last_seen, head.id)));
        heads
    }

    /// Which sessions must end so that `head` fits under the cap; `replaced` ends anyway.
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

    /// As [`end`](Self::end), but the key of an anonymous session is not remembered.
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
