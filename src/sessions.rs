//! [`Sessions`]: the sessions of a guestbook, found, started and ended. Store, cache, rules and clock come together here.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, UserId},
    session::{Changes, Lifetime, SessionCap, SessionInfo, SessionLimits, SessionRecord, Verdict, judge},
    store::{
        Applied, Loaded, Revocation, Rotation, Started,
        cache::SessionCache,
        dynamic::{BoxFuture, DynamicSessionStore},
    },
    time::{Clock, Timestamp},
};

/// The sessions of a guestbook, for what is done outside a request: administration, account changes, maintenance.
///
/// A clone is another handle to the same. Each method asks the store, and fails with
/// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) if it does not answer.
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
    store: Arc<dyn DynamicSessionStore>,
    cache: SessionCache,
    clock: Clock,
    settings: Settings,
    tasks: Arc<Tasks>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) lifetime: Lifetime,
    pub(crate) limits: SessionLimits,
    pub(crate) cap: SessionCap,
    pub(crate) store_timeout: Duration,
    pub(crate) cache_age: Duration,
    pub(crate) cache_entries: usize,
    pub(crate) cache_bytes: usize,
}

/// What was found under a key that a request presented.
#[derive(Debug)]
pub(crate) enum Finding {
    Live(Arc<SessionRecord>),
    Expired,
    Ended,
    Unknown,
}

/// A list shows no more sessions than this.
const LIST_LIMIT: usize = 1_000;

/// How many expired sessions one transaction removes.
const PURGE_CHUNK: usize = 500;

impl Sessions {
    pub(crate) fn new(store: Arc<dyn DynamicSessionStore>, clock: Clock, settings: Settings) -> Self {
        let cache = SessionCache::new(settings.cache_entries, settings.cache_bytes, settings.cache_age);
        Self { inner: Arc::new(Inner { store, cache, clock, settings, tasks: Arc::default() }) }
    }

    /// The live sessions of a user, the last seen first, at most 1,000.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn list(&self, user: &UserId) -> Result<Vec<SessionInfo>> {
        self.list_as(user, None).await
    }

    /// Ends one session of a user. `false` if it was over already or belongs to somebody else.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn revoke(&self, user: &UserId, id: SessionId) -> Result<bool> {
        Ok(self.end(Revocation::One(user.clone(), id)).await? > 0)
    }

    /// Ends all sessions of a user, for example when the account is disabled. How many there were.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn revoke_user(&self, user: &UserId) -> Result<u64> {
        self.end(Revocation::User(user.clone())).await
    }

    /// Ends every session of everybody, anonymous ones too. How many there were.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn revoke_all(&self) -> Result<u64> {
        self.end(Revocation::All).await
    }

    /// Removes what is expired from the store, in small steps. The guestbook does this by itself; how many were removed.
    ///
    /// # Errors
    ///
    /// If the store fails. What was removed before stays removed.
    pub async fn purge_expired(&self) -> Result<u64> {
        let mut total = 0;
        loop {
            let now = self.now();
            let removed = self.within(self.inner.store.purge_expired(now, PURGE_CHUNK)).await?;
            total += removed as u64;
            if removed < PURGE_CHUNK {
                return Ok(total);
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn tasks(&self) -> &Arc<Tasks> {
        &self.inner.tasks
    }

    /// The session under `key` without asking the store, and whether it was touched just now.
    pub(crate) fn cached(&self, key: &SessionKey) -> Option<(Arc<SessionRecord>, bool)> {
        let now = self.now();
        let record = self.inner.cache.get(key, now)?;
        match judge(&record.head, now) {
            Verdict::Keep => Some((record, false)),
            Verdict::Touch => Some((self.touch(key, record, now), true)),
            // Another process may have seen the guest since: the store decides.
            Verdict::Expire => None,
        }
    }

    /// What the store has under `key`, and whether it was touched just now.
    pub(crate) async fn find(&self, key: &SessionKey) -> Result<(Finding, bool)> {
        let ticket = self.inner.cache.ticket(key);
        let loaded = self.within(self.inner.store.load(*key)).await?;
        let record = match loaded {
            Loaded::Found(record) => Arc::new(record),
            Loaded::Ended => return Ok((Finding::Ended, false)),
            Loaded::Unknown => return Ok((Finding::Unknown, false)),
        };
        let now = self.now();
        let verdict = judge(&record.head, now);
        if verdict == Verdict::Expire {
            return Ok((Finding::Expired, false));
        }
        self.inner.cache.put(*key, record.clone(), now, ticket);
        if verdict == Verdict::Touch {
            return Ok((Finding::Live(self.touch(key, record, now)), true));
        }
        Ok((Finding::Live(record), false))
    }

    /// Records a request. The answer does not wait for it: a touch that is lost costs a minute of idle time.
    fn touch(&self, key: &SessionKey, mut record: Arc<SessionRecord>, now: Timestamp) -> Arc<SessionRecord> {
        Arc::make_mut(&mut record).head.last_seen = now;
        self.inner.cache.touch(key, now);
        let (sessions, key, id) = (self.clone(), *key, record.head.id);
        self.inner.tasks.clone().spawn(async move {
            match sessions.within(sessions.inner.store.touch(id, now)).await {
                Ok(true) => {}
                Ok(false) => sessions.inner.cache.remove(&key),
                Err(error) => tracing::warn!(session = %id, %error, "a session could not be touched"),
            }
        });
        record
    }

    /// What the store has under `key` now, whatever the cache has.
    pub(crate) async fn reload(&self, key: &SessionKey) -> Result<Loaded> {
        self.within(self.inner.store.load(*key)).await
    }

    pub(crate) async fn insert(&self, key: SessionKey, record: SessionRecord) -> Result<Started> {
        let now = self.now();
        self.finish(async move |sessions: Self| {
            let started = sessions.inner.store.insert(key, record, sessions.inner.settings.cap, now).await?;
            sessions.forget(&started.ended);
            Ok(started)
        })
        .await
    }

    pub(crate) async fn apply(&self, key: SessionKey, id: SessionId, changes: Changes) -> Result<Applied> {
        let now = self.now();
        self.finish(async move |sessions: Self| {
            let limits = sessions.inner.settings.limits;
            let applied = sessions.inner.store.apply(id, changes, limits, now).await;
            sessions.inner.cache.remove(&key);
            if let Ok(Applied::Merged { key: current, .. }) = &applied {
                // Another request may have rotated the session and read it under its new key meanwhile.
                sessions.inner.cache.remove(current);
            }
            applied
        })
        .await
    }

    pub(crate) async fn rotate(&self, rotation: Rotation) -> Result<Option<Started>> {
        let now = self.now();
        self.finish(async move |sessions: Self| {
            let (old, Settings { limits, cap, .. }) = (rotation.key, &sessions.inner.settings);
            let rotated = sessions.inner.store.rotate(rotation, *limits, *cap, now).await;
            sessions.inner.cache.remove(&old);
            if let Ok(Some(started)) = &rotated {
                sessions.forget(&started.ended);
            }
            rotated
        })
        .await
    }

    pub(crate) async fn delete(&self, key: SessionKey, id: SessionId) -> Result<bool> {
        let now = self.now();
        self.finish(async move |sessions: Self| {
            let deleted = sessions.inner.store.delete(id, now).await;
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
        self.finish(async move |sessions: Self| {
            let revoked = sessions.inner.store.revoke(revocation.clone(), now).await;
            sessions.inner.cache.remove_where(|head| revocation.matches(head));
            revoked
        })
        .await
    }

    pub(crate) async fn list_as(&self, user: &UserId, current: Option<SessionId>) -> Result<Vec<SessionInfo>> {
        let heads = self.within(self.inner.store.list(user.clone(), LIST_LIMIT, self.now())).await?;
        Ok(heads.into_iter().map(|head| SessionInfo::new(head, current)).collect())
    }

    fn forget(&self, ended: &[SessionId]) {
        if !ended.is_empty() {
            self.inner.cache.remove_where(|head| ended.contains(&head.id));
        }
    }

    async fn within<T>(&self, answer: BoxFuture<'_, Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.inner.settings.store_timeout, answer).await {
            Ok(result) => result,
            Err(elapsed) => Err(timed_out().with_source(elapsed)),
        }
    }

    /// Runs a change to its end in a task of its own, so that a client that leaves cannot stop it half-way: between
    /// the store and the cache, say.
    async fn finish<T, F, Fut>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let task = self.inner.tasks.clone().spawn(change(self.clone()));
        match tokio::time::timeout(self.inner.settings.store_timeout, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(Error::new(ErrorKind::Internal, "the store panicked").with_source(panic)),
            Err(elapsed) => Err(timed_out().with_source(elapsed)),
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

/// Counts what runs in the background, so that a shutdown can wait for it.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: AtomicUsize,
    idle: Notify,
}

impl Tasks {
    pub(crate) fn spawn<T: Send + 'static>(
        self: Arc<Self>,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self);
        tokio::spawn(async move {
            let _running = running;
            task.await
        })
    }

    pub(crate) async fn all_done(&self) {
        loop {
            let idle = self.idle.notified();
            if self.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

struct Running(Arc<Tasks>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

fn timed_out() -> Error {
    Error::new(ErrorKind::Timeout, "the store did not answer in time")
}
