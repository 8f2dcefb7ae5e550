//! [`Turns`]: how many queries run at a time.

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

/// Bounds the number of events that queries read at a time, and runs one query at a time for each
/// user. Queries wait in line, in the order in which they came.
pub(super) struct Turns {
    room: Arc<Semaphore>,
    /// All of the room.
    whole: u32,
    /// Of users who ask at this moment.
    asking: Mutex<HashMap<UserId, Weak<Semaphore>>>,
    max_wait: Duration,
}

/// Room for one query. It is given back when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Turn {
    _held: Arc<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit)>,
}

/// Number of events that one permit stands for.
const EVENTS: u64 = 1_000;

/// The least weight of a query, in events.
const LEAST: u64 = 50_000;

impl Turns {
    pub(super) fn new(events: usize, max_wait: Duration) -> Self {
        let whole = permits(events as u64, u32::MAX);
        Self { room: Arc::new(Semaphore::new(whole as usize)), whole, asking: Mutex::default(), max_wait }
    }

    /// Waits for room for a query that reads `events` events. A query that needs more than there is
    /// gets all of it.
    pub(super) async fn turn(&self, asker: Option<&UserId>, events: u64) -> Result<Turn> {
        let turn = async {
            let own = match asker {
                Some(user) => Some(acquire(self.of(user), 1).await?),
                None => None,
            };
            let room = acquire(self.room.clone(), permits(events, self.whole)).await?;
            Ok(Turn { _held: Arc::new((own, room)) })
        };
        tokio::time::timeout(self.max_wait, turn).await.map_err(|late| {
            let problem = "too many analytics queries at a time: try again later";
            Error::new(ErrorKind::Unavailable, problem).with_source(late)
        })?
    }

    fn of(&self, user: &UserId) -> Arc<Semaphore> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = asking.get(user).and_then(Weak::upgrade) {
            return known;
        }
        asking.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        asking.insert(user.clone(), Arc::downgrade(&turn));
        turn
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
    async fn questions_wait_for_room_in_order_and_not_for_ever() {
        let turns = Turns::new(300_000, Duration::from_secs(5));
        let first = turns.turn(None, 200_000).await.unwrap();
        let small = turns.turn(None, 0).await.unwrap();
        let error = turns.turn(None, 100_000).await.map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.kind().status()),
            (ErrorKind::Unavailable, http::StatusCode::SERVICE_UNAVAILABLE)
        );
        drop(small);
        turns.turn(None, 100_000).await.unwrap();
        // A clone keeps the room.
        let clone = first.clone();
        drop(first);
        assert!(turns.turn(None, u64::MAX).await.is_err());
        drop(clone);
        let whole = turns.turn(None, u64::MAX).await.unwrap();
        assert!(turns.turn(None, 1).await.is_err());
        drop(whole);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_asks_one_question_at_a_time_and_keeps_nobody_else_waiting() {
        let turns = Turns::new(1_000_000, Duration::from_secs(5));
        let (ada, eve) = (user("ada"), user("eve"));
        let first = turns.turn(Some(&ada), 1).await.unwrap();
        assert_eq!(turns.turn(Some(&ada), 1).await.map(drop).unwrap_err().kind(), ErrorKind::Unavailable);
        turns.turn(Some(&eve), 1).await.unwrap();
        drop(first);
        turns.turn(Some(&ada), 1).await.unwrap();
        let nobody = turns.asking.lock().unwrap().values().filter(|turn| turn.strong_count() > 0).count();
        assert_eq!(nobody, 0, "who does not ask takes no memory");
    }
}
