//! [`Profiles`]: a cache of consent states, preferences and restrictions.

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

/// The profiles of users and visitors, cached. Clones are handles to the same cache.
#[derive(Clone)]
pub(crate) struct Profiles {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    cache: Cache<Subject, Arc<CachedProfile>>,
}

/// A profile as it was loaded, and values that were computed from it.
pub(crate) struct CachedProfile {
    profile: Profile,
    memo: Memo,
}

/// The profile of the person who sends a request.
#[derive(Clone, Debug, Default)]
pub(crate) enum ProfileState {
    /// There is none.
    #[default]
    Empty,
    /// The profile as the store has it.
    Profile(Arc<CachedProfile>),
    /// Unknown, because the store is unavailable.
    Unavailable,
}

/// A small cache of computed values, each under its number.
#[derive(Default)]
pub(crate) struct Memo {
    values: Mutex<Vec<(u32, Arc<dyn Any + Send + Sync>)>>,
}

/// The number of values in a [`Memo`]. A browser asks for one or a few.
const MEMO: usize = 8;

impl Profiles {
    /// Creates a cache with at most this number of entries and bytes, each kept for `age`.
    pub(crate) fn new(runtime: Runtime, (entries, bytes): (usize, usize), age: Duration) -> Self {
        Self { inner: Arc::new(Inner { runtime, cache: Cache::new(entries, bytes, age) }) }
    }

    /// Returns the profile from the cache.
    pub(crate) fn cached(&self, subject: &Subject, now: Timestamp) -> Option<Arc<CachedProfile>> {
        self.inner.cache.get(subject, now)
    }

    /// Returns the profile from the cache or else from the store.
    pub(crate) async fn find(&self, subject: &Subject) -> Result<Arc<CachedProfile>> {
        match self.cached(subject, self.inner.runtime.clock.now()) {
            Some(profile) => Ok(profile),
            None => self.load(subject).await,
        }
    }

    /// Loads the profile from the store.
    pub(crate) async fn load(&self, subject: &Subject) -> Result<Arc<CachedProfile>> {
        let ticket = self.ticket();
        let profile = self.inner.runtime.tasks.within(self.inner.runtime.store.profile(subject.clone())).await?;
        Ok(self.keep(subject, profile, ticket))
    }

    /// Returns a ticket for [`keep`](Self::keep). Take it before the load, so that a change during
    /// the load is noticed.
    pub(crate) fn ticket(&self) -> Ticket {
        self.inner.cache.ticket_for_any()
    }

    pub(crate) fn keep(&self, subject: &Subject, profile: Profile, ticket: Ticket) -> Arc<CachedProfile> {
        let kept = Arc::new(CachedProfile::alone(profile));
        self.inner.cache.put(subject.clone(), kept.clone(), self.inner.runtime.clock.now(), ticket);
        kept
    }

    /// Removes the profile, because it was changed.
    pub(crate) fn evict(&self, subject: &Subject) {
        self.inner.cache.remove(subject);
    }
}

impl CachedProfile {
    /// Creates a profile outside the cache.
    pub(crate) fn alone(profile: Profile) -> Self {
        Self { profile, memo: Memo::default() }
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    pub(crate) fn memo(&self) -> &Memo {
        &self.memo
    }
}

impl ProfileState {
    pub(crate) fn cached(&self) -> Option<&Arc<CachedProfile>> {
        match self {
            Self::Profile(profile) => Some(profile),
            Self::Empty | Self::Unavailable => None,
        }
    }
}

impl Memo {
    /// Returns the value under `number`, and computes it if it is missing.
    pub(crate) fn get_or<T: Send + Sync + 'static>(&self, number: u32, compute: impl FnOnce() -> T) -> Arc<T> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = values.iter().find(|(known, _)| *known == number);
        if let Some(Ok(value)) = known.map(|(_, value)| value.clone().downcast()) {
            return value;
        }
        let value = Arc::new(compute());
        if values.len() >= MEMO {
            values.remove(0);
        }
        values.push((number, value.clone()));
        value
    }
}

impl CacheValue for Arc<CachedProfile> {
    fn weight(&self) -> usize {
        // A computed value is about as large as its source.
        MEMO * self.profile.preferences.overrides.weight() + 128 * self.profile.consents.len()
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
