//! [`Sessions`]: the sessions of a guestbook, found, started and ended. Store, cache, rules and clock come together here.

mod anonymous;
mod finding;
mod hooks;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use self::anonymous::AnonymousSessions;
pub(crate) use self::{
    finding::{Finding, Usage},
    hooks::Hooks,
};
use crate::{
    engine::{pending::PendingErasures, profiles::Profiles, runtime::Runtime, tasks::Tasks},
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, SessionToken, UserId},
    model::session::{
        AnonymousLimits, Changes, CredentialEpoch, CredentialStamp, Lifetime, LoginParts, Merge, Realm, SessionCap,
        SessionData, SessionHead, SessionInfo, SessionLimits, SessionRecord, note_renewal,
    },
    store::{
        Applied, ENDED_MEMORY, EpochRule, Loaded, Revocation, Rotation, Started,
        cache::{Cache, SessionCache},
    },
    time::Timestamp,
};

/// The sessions of a guestbook, for what is done outside a request: administration, account
/// changes, maintenance.
///
/// They are those of the guestbook's [realm](crate::GuestbookBuilder::realm); sessions of other
/// realms in the same store are neither listed nor ended.
///
/// A clone is another handle to the same. Each method asks the store, and fails with
/// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) if it does not
/// answer.
///
/// ```
/// use tower_guestbook::{Guestbook, UserId, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let ended = guestbook.sessions().revoke_user(&UserId::from(7)).await?;
/// assert_eq!(ended, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    cache: SessionCache,
    /// Keys of unknown tokens that a login has replaced: a late request with one begins no session.
    replaced: Cache<SessionKey, ()>,
    /// Set if consent or preferences are configured.
    profiles: Option<Profiles>,
    anonymous: AnonymousSessions,
    settings: Settings,
    pending: PendingErasures,
    hooks: Hooks,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) realm: Realm,
    pub(crate) lifetime: Lifetime,
    pub(crate) limits: SessionLimits,
    pub(crate) cap: SessionCap,
    pub(crate) anonymous: AnonymousLimits,
    pub(crate) store_timeout: Duration,
    pub(crate) cache_age: Duration,
    pub(crate) cache_entries: usize,
    pub(crate) cache_bytes: usize,
}

/// A list shows no more sessions than this.
const LIST_LIMIT: usize = 1_000;

/// The number of logins with a stale cookie that are remembered, for a minute.
const REPLACED_KEYS: usize = 4_096;

/// Number of expired sessions that one transaction deletes.
const PURGE_CHUNK: usize = 500;

impl Sessions {
    /// Whether `other` is a handle to the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn new(
        runtime: Runtime,
        profiles: Option<Profiles>,
        pending: PendingErasures,
        settings: Settings,
        hooks: Hooks,
    ) -> Self {
        let cache = SessionCache::new(settings.cache_entries, settings.cache_bytes, settings.cache_age);
        let replaced = Cache::new(REPLACED_KEYS, usize::MAX, ENDED_MEMORY);
        let anonymous = AnonymousSessions::new(settings.anonymous);
        let inner = Inner { runtime, cache, replaced, profiles, anonymous, settings, pending, hooks };
        Self { inner: Arc::new(inner) }
    }

    /// The live sessions of a user, the last seen first, at most 1,000.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn list(&self, user: &UserId) -> Result<Vec<SessionInfo>> {
        self.list_as(user, None).await
    }

    /// The live sessions of a user in every realm, for a copy of all their data.
    pub(crate) async fn list_of_all_realms(&self, user: &UserId) -> Result<Vec<SessionInfo>> {
        self.list_in(None, user, None).await
    }

    /// Begins a session for a user who logs in outside of a request. Returns its token.
    pub(crate) async fn begin(&self, login: LoginParts, stamp: Option<CredentialStamp>) -> Result<SessionToken> {
        let LoginParts { user, lifetime, epoch, .. } = login;
        let lifetime = lifetime.unwrap_or(self.inner.settings.lifetime);
        lifetime.check()?;
        let now = self.now();
        let mut head = SessionHead::new(SessionId::generate(now)?, now, lifetime);
        head.realm = self.realm();
        head.authenticated_at = Some(now);
        head.user = Some(user);
        head.epoch = epoch.unwrap_or_default();
        head.stamp = stamp;
        let rule = if epoch.is_some() { EpochRule::Compare } else { EpochRule::Stamp };
        let token = SessionToken::generate()?;
        let record = SessionRecord { head, data: SessionData::default() };
        let started = self.insert(token.key(), record, rule, None).await?;
        self.logged_in(&started.record.head).await;
        Ok(token)
    }

    /// Ends one session of a user. Returns `false` if it has ended already or belongs to another
    /// user.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn revoke(&self, user: &UserId, id: SessionId) -> Result<bool> {
        Ok(self.end(Revocation::One(self.realm(), user.clone(), id)).await? > 0)
    }

    /// Ends all sessions of a user, for example when the account is disabled. Returns their number.
    ///
    /// Raises the user's [epoch](CredentialEpoch) in the same transaction: a login with an epoch
    /// read before is refused.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn revoke_user(&self, user: &UserId) -> Result<u64> {
        self.end(Revocation::User(self.realm(), user.clone())).await
    }

    /// Ends all sessions, including anonymous ones. Returns their number.
    ///
    /// Raises the [epoch](CredentialEpoch) of all users in the same transaction.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn revoke_all(&self) -> Result<u64> {
        self.end(Revocation::All(self.realm())).await
    }

    /// Returns the current [epoch](CredentialEpoch) of a user: read it before the stored password
    /// hash is read, and pass it to the login.
    ///
    /// It is read from the store, never from a cache.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn credential_epoch(&self, user: &UserId) -> Result<CredentialEpoch> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.credential_epoch(self.realm(), user.clone())).await
    }

    /// Raises the [epoch](CredentialEpoch) of a user and ends all their sessions. Returns their
    /// number. Use it after a password reset, or a change by an administrator.
    ///
    /// Call it after the new hash is stored. If the user changes the password in a session of their
    /// own, use [`Session::credentials_changed`](crate::Session::credentials_changed), which keeps
    /// that session.
    ///
    /// # Errors
    ///
    /// If the store fails: repeat the call; otherwise sessions made with the old password continue.
    pub async fn credentials_changed(&self, user: &UserId) -> Result<u64> {
        self.revoke_user(user).await
    }

    /// Deletes expired sessions from the store, in small steps, and returns their number. The
    /// guestbook also does this in the background.
    ///
    /// # Errors
    ///
    /// If the store fails. Sessions deleted before the error stay deleted.
    pub async fn delete_expired(&self) -> Result<u64> {
        let mut total = 0;
        loop {
            let now = self.now();
            let removed =
                self.inner.runtime.tasks.within(self.inner.runtime.store.delete_expired(now, PURGE_CHUNK)).await?;
            total += removed as u64;
            if removed < PURGE_CHUNK {
                return Ok(total);
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.runtime.clock.now()
    }

    pub(crate) fn realm(&self) -> Realm {
        self.inner.settings.realm.clone()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn profiles(&self) -> Option<&Profiles> {
        self.inner.profiles.as_ref()
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.inner.runtime.tasks
    }

    /// Returns the session that the store has under `key`, regardless of the cache.
    pub(crate) async fn reload(&self, key: &SessionKey) -> Result<Loaded> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.load(*key, self.realm())).await
    }

    /// Whether the store of sessions answers.
    pub(crate) async fn health(&self) -> Result<()> {
        self.reload(&SessionKey::from_bytes([0; 32])).await.map(drop)
    }

    /// Somebody has logged in with a browser that brought `key`, which is no session's.
    pub(crate) fn replace(&self, key: SessionKey) {
        self.inner.replaced.put(key, (), self.now(), self.inner.replaced.ticket(&key));
    }

    /// Whether a browser that brought `key` has been logged in since, by this process and less than
    /// a minute ago.
    pub(crate) fn is_replaced(&self, key: &SessionKey) -> bool {
        self.inner.replaced.get(key, self.now()).is_some()
    }

    /// Stores a new session that begins at `address`.
    pub(crate) async fn insert(
        &self,
        key: SessionKey,
        record: SessionRecord,
        epoch: EpochRule,
        address: Option<IpAddr>,
    ) -> Result<Started> {
        self.check_not_pending(record.head.user.as_ref())?;
        let now = self.now();
        let (is_anonymous, bytes) = (record.head.user.is_none(), record.data.bytes() as u64);
        if is_anonymous {
            self.inner.anonymous.admit(address, 1, bytes, now)?;
        }
        let sessions = self.clone();
        self.inner
            .runtime
            .tasks
            .finish(async move {
                let cap = sessions.inner.settings.cap;
                let started = sessions.inner.runtime.store.insert(key, record, cap, epoch, now).await?;
                sessions.evict(&started.ended);
                if is_anonymous {
                    sessions.inner.anonymous.added(&*sessions.inner.runtime.store, 1, bytes, now).await;
                }
                Ok(started)
            })
            .await
    }

    /// Applies the changes that a request from `address` made to a session, which it knows as
    /// `record`.
    pub(crate) async fn apply(
        &self,
        key: SessionKey,
        record: &SessionRecord,
        changes: Changes,
        address: Option<IpAddr>,
    ) -> Result<Applied> {
        let now = self.now();
        let (id, before) = (record.head.id, record.data.bytes());
        let growth = |data: &SessionData| data.bytes().saturating_sub(before) as u64;
        let is_crowded = record.head.user.is_none() && self.inner.anonymous.is_crowded();
        if is_crowded
            && let Merge::Merged(data) = changes.merge(&record.data, &self.inner.settings.limits)?
            && growth(&data) > 0
        {
            self.inner.anonymous.admit(address, 0, growth(&data), now)?;
        }
        let sessions = self.clone();
        self.inner
            .runtime
            .tasks
            .finish(async move {
                let limits = sessions.inner.settings.limits;
                let applied = sessions.inner.runtime.store.apply(id, changes, limits, now).await;
                sessions.inner.cache.remove(&key);
                if let Ok(Applied::Merged { key: current, record }) = &applied {
                    // Another request may have rotated the session and read it under its new key
                    // meanwhile.
                    sessions.inner.cache.remove(current);
                    let growth = record.data.bytes().saturating_sub(before) as u64;
                    if record.head.user.is_none() && growth > 0 {
                        sessions.grew(growth, address.filter(|_| !is_crowded), now).await;
                    }
                }
                applied
            })
            .await
    }

    /// Notes that the cookie with `key` is sent again. `false` if it must not be sent: the session
    /// is over or has another key by now, or a parallel request sends it.
    pub(crate) async fn renew(&self, key: SessionKey, record: &SessionRecord) -> Result<bool> {
        let changes = note_renewal(&record.data, self.now())?;
        match self.apply(key, record, changes, None).await {
            Ok(Applied::Merged { key: current, .. }) => Ok(current == key),
            Ok(Applied::Mismatch(_) | Applied::Ended) => Ok(false),
            // There is no room to note it: the user stays logged in all the same, and the cookie is
            // sent more often.
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                Ok(matches!(self.reload(&key).await?, Loaded::Found(_)))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn rotate(&self, rotation: Rotation) -> Result<Option<Started>> {
        self.check_not_pending(rotation.head.user.as_ref())?;
        let now = self.now();
        let sessions = self.clone();
        self.inner
            .runtime
            .tasks
            .finish(async move {
                let (old, Settings { limits, cap, .. }) = (rotation.key, &sessions.inner.settings);
                let user = rotation.head.user.clone().filter(|_| rotation.epoch == EpochRule::Raise);
                let rotated = sessions.inner.runtime.store.rotate(rotation, *limits, *cap, now).await;
                sessions.inner.cache.remove(&old);
                if let Some(user) = &user {
                    sessions.evict_user(user);
                }
                if let Ok(Some(started)) = &rotated {
                    sessions.evict(&started.ended);
                    if started.record.head.user.is_none() {
                        // How much of it is new is not known; the store knows.
                        sessions.grew(started.record.data.bytes() as u64, None, now).await;
                    }
                }
                rotated
            })
            .await
    }

    pub(crate) async fn delete(&self, key: SessionKey, id: SessionId) -> Result<bool> {
        let now = self.now();
        let sessions = self.clone();
        self.inner
            .runtime
            .tasks
            .finish(async move {
                let deleted = sessions.inner.runtime.store.delete(id, now).await;
                sessions.inner.cache.remove(&key);
                let deleted = deleted?;
                if let Some(current) = deleted {
                    sessions.inner.cache.remove(&current);
                }
                Ok(deleted.is_some())
            })
            .await
    }

    pub(crate) async fn end(&self, revocation: Revocation) -> Result<u64> {
        let now = self.now();
        let sessions = self.clone();
        self.inner
            .runtime
            .tasks
            .finish(async move {
                let revoked = sessions.inner.runtime.store.revoke(revocation.clone(), now).await;
                sessions.inner.cache.remove_where(|record| revocation.matches(&record.head));
                revoked
            })
            .await
    }

    pub(crate) async fn list_as(&self, user: &UserId, current: Option<SessionId>) -> Result<Vec<SessionInfo>> {
        self.list_in(Some(self.realm()), user, current).await
    }

    async fn list_in(
        &self,
        realm: Option<Realm>,
        user: &UserId,
        current: Option<SessionId>,
    ) -> Result<Vec<SessionInfo>> {
        let heads = self.inner.runtime.store.list(user.clone(), realm, LIST_LIMIT, self.now());
        let heads = self.inner.runtime.tasks.within(heads).await?;
        Ok(heads.into_iter().map(|head| SessionInfo::new(head, current)).collect())
    }

    /// Counts growth of an anonymous session. `address` is the network that pays for it, if it is
    /// not counted yet.
    async fn grew(&self, bytes: u64, address: Option<IpAddr>, now: Timestamp) {
        let anonymous = &self.inner.anonymous;
        // It is stored, so it is too late for a refusal.
        let _ = anonymous.admit(address, 0, bytes, now);
        anonymous.added(&*self.inner.runtime.store, 0, bytes, now).await;
    }

    /// The user's sessions have ended in the store.
    pub(crate) fn evict_user(&self, user: &UserId) {
        self.inner.cache.remove_where(|record| record.head.user.as_ref() == Some(user));
    }

    /// Whose erasure is pending gets no session any more.
    pub(crate) fn check_not_pending(&self, user: Option<&UserId>) -> Result<()> {
        match user {
            Some(user) if self.inner.pending.contains(user) => {
                Err(Error::new(ErrorKind::UserErased, "the user is being erased and is not to be stored"))
            }
            _ => Ok(()),
        }
    }

    fn evict(&self, ended: &[SessionId]) {
        if !ended.is_empty() {
            self.inner.cache.remove_where(|record| ended.contains(&record.head.id));
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("settings", &self.inner.settings)
            .field("cache", &self.inner.cache)
            .finish_non_exhaustive()
    }
}
