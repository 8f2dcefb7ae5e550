//! [`RateLimit`] and [`Allowances`]: rate limits by key.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;

use crate::time::{Timestamp, to_millis};

/// A rate limit: a number of operations at once, replenished evenly over a span of time.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::privacy::RateLimit;
///
/// // Thirty at once, then one every two seconds.
/// assert_eq!(RateLimit::per_minute(30), RateLimit::new(30, Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    requests: u32,
    per: Duration,
}

/// The use of one limit by a bounded number of keys. The least recently used key is dropped first
/// and starts again, so nobody is limited by the use of others.
///
/// Keys are stored as hashes with a random seed: nobody can choose to collide with another, and no
/// name of an erased user remains.
#[derive(Debug)]
pub(crate) struct Allowances {
    limit: RateLimit,
    used: Mutex<LruCache<u64, Used>>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    at: Timestamp,
    amount: u64,
}

impl RateLimit {
    /// Allows a number of requests at once, and as many again in each span of this length.
    pub const fn new(requests: u32, per: Duration) -> Self {
        Self { requests, per }
    }

    /// Allows a number of requests at once, and as many again in each minute.
    pub const fn per_minute(requests: u32) -> Self {
        Self::new(requests, Duration::from_secs(60))
    }

    /// Whether it lets anybody ask, and can be reckoned with.
    pub(crate) fn is_possible(self) -> bool {
        self.requests > 0 && (MIN_SPAN..=MAX_SPAN).contains(&self.per)
    }

    /// Returns the cost of a request.
    pub(crate) fn cost(self) -> u64 {
        u64::try_from(to_millis(self.per)).unwrap_or(0)
    }

    /// Returns what still counts of `used` after some time.
    pub(crate) fn left(self, used: u64, elapsed: Duration) -> u64 {
        let millis = u64::try_from(to_millis(elapsed)).unwrap_or(0);
        used.saturating_sub(millis.saturating_mul(self.requests.into()))
    }

    /// How long it takes until there is room for another request beside `used`.
    pub(crate) fn wait(self, used: u64) -> Duration {
        let room = self.cost() * u64::from(self.requests);
        let excess = (used + self.cost()).saturating_sub(room);
        Duration::from_millis(excess.div_ceil(self.requests.into()))
    }
}

impl Allowances {
    /// Nothing is used yet. `keys` are remembered at a time; memory comes with them.
    pub(crate) fn new(limit: RateLimit, keys: usize) -> Self {
        let mut used = LruCache::unbounded();
        used.resize(NonZeroUsize::new(keys).unwrap_or(NonZeroUsize::MIN));
        Self { limit, used: Mutex::new(used), hasher: RandomState::new() }
    }

    /// Uses the limit of `key` once, or returns how long to wait. A refusal uses nothing.
    pub(crate) fn take(&self, key: &impl Hash, now: Timestamp) -> Result<(), Duration> {
        let key = self.hasher.hash_one(key);
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.get_or_insert_mut(key, || Used { at: now, amount: 0 });
        // A clock that was set back gives nothing back, and is followed from there.
        *used = Used { at: now, amount: self.limit.left(used.amount, now.since(used.at)) };
        match self.limit.wait(used.amount) {
            Duration::ZERO => {
                used.amount += self.limit.cost();
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Gives back what was [taken](Self::take) but not needed.
    pub(crate) fn give_back(&self, key: &impl Hash) {
        let key = self.hasher.hash_one(key);
        if let Some(used) = self.used.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key) {
            used.amount = used.amount.saturating_sub(self.limit.cost());
        }
    }
}

pub(crate) const MIN_SPAN: Duration = Duration::from_millis(1);

/// Thirty days: a process does not remember longer anyway.
pub(crate) const MAX_SPAN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn take_refuses_after_the_limit_and_give_back_restores_one() {
        let allowances = Allowances::new(RateLimit::per_minute(2), 16);
        let at = Timestamp::from_millis;
        assert_eq!([(); 3].map(|()| allowances.take(&"ada", at(0))), [Ok(()), Ok(()), Err(Duration::from_secs(30))]);
        assert_eq!(allowances.take(&"bob", at(0)), Ok(()), "another key has its own");
        allowances.give_back(&"ada");
        assert_eq!([(); 2].map(|()| allowances.take(&"ada", at(0))), [Ok(()), Err(Duration::from_secs(30))]);
        assert_eq!(allowances.take(&"ada", at(30_000)), Ok(()));
        (0..100).for_each(|key| allowances.take(&key, at(30_000)).unwrap());
        assert_eq!(allowances.take(&"ada", at(30_000)), Ok(()), "forgotten, so it begins anew");
    }
}
