//! [`Throttle`]: the [`Limiter`] of a process, with its clock.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderValue, Response, header};

use super::{
    PrivacyBody,
    limiter::{Limiter, Limits, Weight},
    problems,
};
use crate::{id::UserId, time::Clock};

pub(super) struct Throttle {
    limiter: Mutex<Limiter>,
    /// Hashes with random keys, so that nobody can choose users with the same number.
    hasher: RandomState,
    clock: Clock,
}

impl Throttle {
    pub(super) fn new(limits: Limits, users: usize, clock: Clock) -> Self {
        let users = NonZeroUsize::new(users).unwrap_or(NonZeroUsize::MIN);
        Self { limiter: Mutex::new(Limiter::new(limits, users)), hasher: RandomState::new(), clock }
    }

    /// Counts a request of the user. The error is the answer to a user above the limit.
    pub(super) fn check(&self, user: &UserId, weight: Weight) -> Result<(), Box<Response<PrivacyBody>>> {
        let (number, now) = (self.hasher.hash_one(user), self.clock.now());
        let checked = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).check(number, weight, now);
        checked.map_err(|throttled| {
            #[cfg(feature = "metrics")]
            metrics::counter!("guestbook_privacy_throttled_total", "limit" => throttled.limit.name()).increment(1);
            tracing::info!(limit = throttled.limit.name(), "a user is above the limit of privacy requests");
            Box::new(too_many_requests(throttled.wait))
        })
    }
}

fn too_many_requests(wait: Duration) -> Response<PrivacyBody> {
    let mut response = problems::TOO_MANY_REQUESTS.response_with(PrivacyBody::whole);
    let seconds = wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}
