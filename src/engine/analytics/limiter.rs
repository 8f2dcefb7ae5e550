//! [`QueryLimiter`]: limits the queries that run at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
};

/// Limits the number of events that queries read at the same time, and runs one query at a time for
/// each user. Queries wait in the order of their arrival.
pub(super) struct QueryLimiter {
    room: Arc<Semaphore>,
    /// Total room.
    whole: u32,
    /// Users with a query running or waiting.
    asking: Mutex<HashMap<UserId, Weak<Semaphore>>>,
    max_wait: Duration,
}

/// Room for one query. It is returned when the last clone is dropped.
#[derive(Clone)]
pub(super) struct QueryPermit {
    _held: Arc<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit)>,
}

/// Number of events of one permit.
const EVENTS: u64 = 1_000;

/// Minimum weight of a query, in events.
const LEAST: u64 = 50_000;

impl QueryLimiter {
    pub(super) fn new(events: usize, max_wait: Duration) -> Self {
        let whole = permits(events as u64, u32::MAX);
        Self { room: Arc::new(Semaphore::new(whole as usize)), whole, asking: Mutex::default(), max_wait }
    }

    /// Waits for room for a query that reads `events` events. A query that needs more than the
    /// total gets all of it.
    pub(super) async fn permit(&self, asker: Option<&UserId>, events: u64) -> Result<QueryPermit> {
        let permit = async {
            let own = match asker {
                Some(user) => Some(acquire(self.of(user), 1).await?),
                None => None,
            };
            let room = acquire(self.room.clone(), permits(events, self.whole)).await?;
            Ok(QueryPermit { _held: Arc::new((own, room)) })
        };
        tokio::time::timeout(self.max_wait, permit).await.map_err(|late| {
            let problem = "too many analytics queries at a time: try again later";
            Error::new(ErrorKind::Unavailable, problem).with_source(late)
        })?
    }

    fn of(&self, user: &UserId) -> Arc<Semaphore> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = asking.get(user).and_then(Weak::upgrade) {
            return known;
        }
        asking.retain(|_, permit| permit.strong_count() > 0);
        let permit = Arc::new(Semaphore::new(1));
        asking.insert(user.clone(), Arc::downgrade(&permit));
        permit
    }
}

fn permits(events: u64, most: u32) -> u32 {
    u32::try_from(events.max(LEAST).div_ceil(EVENTS)).unwrap_or(u32::MAX).min(most)
}

async fn acquire(semaphore: Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit> {
    let closed = |error| Error::new(ErrorKind::Internal, "analytics are never closed").with_source(error);
    semaphore.acquire_many_owned(permits).await.map_err(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::try_from(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn permit_waits_in_order_up_to_max_wait() {
        let limiter = QueryLimiter::new(300_000, Duration::from_secs(5));
        let first = limiter.permit(None, 200_000).await.unwrap();
        let small = limiter.permit(None, 0).await.unwrap();
        let error = limiter.permit(None, 100_000).await.map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.kind().status()),
            (ErrorKind::Unavailable, http::StatusCode::SERVICE_UNAVAILABLE)
        );
        drop(small);
        limiter.permit(None, 100_000).await.unwrap();
        // A clone keeps the room.
        let clone = first.clone();
        drop(first);
        assert!(limiter.permit(None, u64::MAX).await.is_err());
        drop(clone);
        let whole = limiter.permit(None, u64::MAX).await.unwrap();
        assert!(limiter.permit(None, 1).await.is_err());
        drop(whole);
    }

    #[tokio::test(start_paused = true)]
    async fn permit_runs_one_query_per_user_and_delays_no_other() {
        let limiter = QueryLimiter::new(1_000_000, Duration::from_secs(5));
        let (ada, eve) = (user("ada"), user("eve"));
        let first = limiter.permit(Some(&ada), 1).await.unwrap();
        assert_eq!(limiter.permit(Some(&ada), 1).await.map(drop).unwrap_err().kind(), ErrorKind::Unavailable);
        limiter.permit(Some(&eve), 1).await.unwrap();
        drop(first);
        limiter.permit(Some(&ada), 1).await.unwrap();
        let nobody = limiter.asking.lock().unwrap().values().filter(|permit| permit.strong_count() > 0).count();
        assert_eq!(nobody, 0, "who does not ask takes no memory");
    }
}
