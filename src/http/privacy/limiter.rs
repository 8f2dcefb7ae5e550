//! [`Limiter`]: how often a user may ask. Values in, values out; whoever calls it says what time it is.

use std::{num::NonZeroUsize, time::Duration};

use lru::LruCache;

use crate::{engine::rate::RateLimit, time::Timestamp};

/// Which requests are limited how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// All of them.
    pub(super) requests: RateLimit,
    /// Those that cost much or cannot be undone, which count among all of them as well.
    pub(super) sensitive: RateLimit,
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Usual,
    Sensitive,
}

impl Weight {
    /// What the limit is called that holds for this kind.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Usual => "requests",
            Self::Sensitive => "sensitive",
        }
    }
}

/// Somebody has asked too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttled {
    /// What they have asked for too often.
    pub(super) limit: Weight,
    /// After this time they may ask again.
    pub(super) wait: Duration,
}

/// What the users have used up lately, of a bounded number of users. Who asked least recently is forgotten first, and
/// begins anew: nobody is limited by what others do.
///
/// It knows users by a number, so no name is left here of somebody who is erased.
pub(super) struct Limiter {
    limits: Limits,
    users: LruCache<u64, Used>,
}

/// How much is used up at a time. A request uses as many units up as its span has milliseconds, and each millisecond gives
/// as many back as the limit has requests: so nothing is ever rounded.
#[derive(Clone, Copy, Debug)]
struct Used {
    at: Timestamp,
    requests: u64,
    sensitive: u64,
}

impl Limiter {
    pub(super) fn new(limits: Limits, capacity: NonZeroUsize) -> Self {
        let mut users = LruCache::unbounded();
        // Memory comes with the users.
        users.resize(capacity);
        Self { limits, users }
    }

    /// The user asks at `now`. A request that is refused uses nothing up.
    pub(super) fn ask(&mut self, user: u64, weight: Weight, now: Timestamp) -> Result<(), Throttled> {
        let Limits { requests, sensitive } = self.limits;
        let is_sensitive = weight == Weight::Sensitive;
        let used = self.users.get_or_insert_mut(user, || Used { at: now, requests: 0, sensitive: 0 });
        // A clock that was set back gives nothing back, and is followed from there.
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
