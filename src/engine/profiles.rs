//! [`Profiles`]: what is kept of a subject beside sessions and activities, remembered for a moment.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    engine::runtime::Runtime,
    error::Result,
    model::consent::Subject,
    store::{
        Profile,
        cache::{Cache, CacheValue, Ticket},
    },
    time::Timestamp,
};

/// The accounts of a guestbook. A clone is another handle.
#[derive(Clone)]
pub(crate) struct Profiles {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    cache: Cache<Subject, Arc<CachedProfile>>,
}

/// An account as it was read, and what was worked out from it since.
pub(crate) struct CachedProfile {
    account: Profile,
    worked_out: Memo,
}

/// What is known of a guest beside the session.
#[derive(Clone, Debug, Default)]
pub(crate) enum ProfileState {
    /// Nothing: a stranger.
    #[default]
    Nobody,
    /// What the store has.
    Profile(Arc<CachedProfile>),
    /// There may be something, but the store could not be asked.
    Unavailable,
}

/// A few values that were worked out before, each under its number.
#[derive(Default)]
pub(crate) struct Memo {
    values: Mutex<Vec<(u32, Arc<dyn Any + Send + Sync>)>>,
}

/// The number of values that are remembered. A browser asks for one, or for a few in turn.
const MEMO: usize = 8;

impl Profiles {
    /// Keeps at most so many entries and bytes, for `age`.
    pub(crate) fn new(runtime: Runtime, (entries, bytes): (usize, usize), age: Duration) -> Self {
        Self { inner: Arc::new(Inner { runtime, cache: Cache::new(entries, bytes, age) }) }
    }

    /// The account without asking the store.
    pub(crate) fn cached(&self, subject: &Subject, now: Timestamp) -> Option<Arc<CachedProfile>> {
        self.inner.cache.get(subject, now)
    }

    /// The account, from the store if need be.
    pub(crate) async fn find(&self, subject: &Subject) -> Result<Arc<CachedProfile>> {
        match self.cached(subject, self.inner.runtime.clock.now()) {
            Some(account) => Ok(account),
            None => self.load(subject).await,
        }
    }

    /// The account as the store has it now.
    pub(crate) async fn load(&self, subject: &Subject) -> Result<Arc<CachedProfile>> {
        let ticket = self.ticket();
        let account = self.inner.runtime.tasks.within(self.inner.runtime.store.profile(subject.clone())).await?;
        Ok(self.keep(subject, account, ticket))
    }

    /// To be taken before the store is asked for something that is to be [kept](Self::keep).
    pub(crate) fn ticket(&self) -> Ticket {
        self.inner.cache.ticket_for_any()
    }

    pub(crate) fn keep(&self, subject: &Subject, account: Profile, ticket: Ticket) -> Arc<CachedProfile> {
        let kept = Arc::new(CachedProfile::alone(account));
        self.inner.cache.put(subject.clone(), kept.clone(), self.inner.runtime.clock.now(), ticket);
        kept
    }

    /// Somebody changed it.
    pub(crate) fn evict(&self, subject: &Subject) {
        self.inner.cache.remove(subject);
    }
}

impl CachedProfile {
    /// An account that is not kept for others.
    pub(crate) fn alone(account: Profile) -> Self {
        Self { account, worked_out: Memo::default() }
    }

    pub(crate) fn account(&self) -> &Profile {
        &self.account
    }

    pub(crate) fn worked_out(&self) -> &Memo {
        &self.worked_out
    }
}

impl ProfileState {
    pub(crate) fn account(&self) -> Option<&Arc<CachedProfile>> {
        match self {
            Self::Profile(account) => Some(account),
            Self::Nobody | Self::Unavailable => None,
        }
    }
}

impl Memo {
    /// The value under `number`, worked out if it is not there.
    pub(crate) fn get_or<T: Send + Sync + 'static>(&self, number: u32, work_out: impl FnOnce() -> T) -> Arc<T> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = values.iter().find(|(known, _)| *known == number);
        if let Some(Ok(value)) = known.map(|(_, value)| value.clone().downcast()) {
            return value;
        }
        let value = Arc::new(work_out());
        if values.len() >= MEMO {
            values.remove(0);
        }
        values.push((number, value.clone()));
        value
    }
}

impl CacheValue for Arc<CachedProfile> {
    fn weight(&self) -> usize {
        // What is worked out is as large as what it comes from, about.
        MEMO * self.account.preferences.overrides.weight() + 128 * self.account.consents.len()
    }
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiles").field("cache", &self.inner.cache).finish_non_exhaustive()
    }
}

impl fmt::Debug for CachedProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedProfile").finish_non_exhaustive()
    }
}
