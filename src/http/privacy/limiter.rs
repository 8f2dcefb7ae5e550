//! [`Limiter`]: how many requests a user may make. It does no I/O; the caller provides the time.

use std::{num::NonZeroUsize, time::Duration};

use lru::LruCache;

use crate::{engine::rate::RateLimit, time::Timestamp};

/// The limits per user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The limit of all requests.
    pub(super) requests: RateLimit,
    /// The limit of requests that are expensive or cannot be undone. They count as requests, too.
    pub(super) sensitive: RateLimit,
}

/// The weight of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Usual,
    Sensitive,
}

impl Weight {
    /// The name of the limit for this weight.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Usual => "requests",
            Self::Sensitive => "sensitive",
        }
    }
}

/// A request above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttled {
    /// The limit that was reached.
    pub(super) limit: Weight,
    /// The time after which the user may try again.
    pub(super) wait: Duration,
}

/// What a bounded number of users have used of their limits. When there are more users, the one
/// with the oldest request is dropped and begins with the full limit, so no user is limited by
/// others.
///
/// Users are known by a number, so no name of an erased user remains here.
pub(super) struct Limiter {
    limits: Limits,
    users: LruCache<u64, Used>,
}

/// The used part of the limits. A request uses as many units as the span of the limit has
/// milliseconds, and each millisecond returns as many units as the limit has requests. So nothing
/// is rounded.
#[derive(Clone, Copy, Debug)]
struct Used {
    at: Timestamp,
    requests: u64,
    sensitive: u64,
}

impl Limiter {
    pub(super) fn new(limits: Limits, capacity: NonZeroUsize) -> Self {
        let mut users = LruCache::unbounded();
        // Memory is allocated as users come.
        users.resize(capacity);
        Self { limits, users }
    }

    /// Counts a request of the user at `now`. A refused request uses nothing.
    pub(super) fn check(&mut self, user: u64, weight: Weight, now: Timestamp) -> Result<(), Throttled> {
        let Limits { requests, sensitive } = self.limits;
        let is_sensitive = weight == Weight::Sensitive;
        let used = self.users.get_or_insert_mut(user, || Used { at: now, requests: 0, sensitive: 0 });
        // A clock that was set back returns nothing, and is followed from there.
        let elapsed = now.since(used.at);
        let known = Used {
            at: now,
            requests: requests.left(used.requests, elapsed),
            sensitive: sensitive.left(used.sensitive, elapsed),
        };
        *used = known;
        let waits = [
            (Weight::Usual, requests.wait(known.requests)),
            (Weight::Sensitive, if is_sensitive { sensitive.wait(known.sensitive) } else { Duration::ZERO }),
        ];
        let longest = waits.into_iter().max_by_key(|(_, wait)| *wait).filter(|(_, wait)| !wait.is_zero());
        if let Some((limit, wait)) = longest {
            return Err(Throttled { limit, wait });
        }
        used.requests += requests.cost();
        used.sensitive += if is_sensitive { sensitive.cost() } else { 0 };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
