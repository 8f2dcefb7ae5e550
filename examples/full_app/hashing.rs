//! Where passwords are hashed: on threads of their own, a few at a time, and a bounded number
//! waits.

use std::{fmt, sync::Arc};

use tokio::{sync::Semaphore, task::JoinError};

/// Hashing takes 19 MiB and tens of milliseconds of a core.
pub(crate) struct Hashing {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// Too many passwords wait to be hashed.
#[derive(Debug)]
pub(crate) struct Busy;

impl Hashing {
    /// Runs `threads` at a time while at most `queue` wait; none at all if `queue` is 0.
    pub(crate) fn new(threads: usize, queue: usize) -> Self {
        let admitted = if queue == 0 { 0 } else { threads + queue };
        Self { running: Arc::new(Semaphore::new(threads)), admitted: Arc::new(Semaphore::new(admitted)) }
    }

    /// The result of `hash`; [`Busy`] at once where the queue is full. A client that leaves takes
    /// its place along only when the hash is done: otherwise clients that come and go would fill
    /// the memory.
    pub(crate) async fn run<T, F>(&self, hash: F) -> Result<Result<T, JoinError>, Busy>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| Busy)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| Busy)?;
        Ok(tokio::task::spawn_blocking(move || {
            let _places = (admitted, running);
            hash()
        })
        .await)
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many passwords wait to be checked")
    }
}

impl std::error::Error for Busy {}
