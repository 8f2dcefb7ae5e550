//! [`Tasks`]: what is asked of a store, with an end to the waiting, and what runs in the background.

use std::{
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
    gate::Gate,
};

/// Counts what runs in the background, so that a shutdown can wait for it. A clone counts along.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    count: Arc<Count>,
    timeout: Duration,
    /// What must be done before anything is asked of the store.
    gate: Option<Gate>,
}

#[derive(Debug, Default)]
struct Count {
    running: AtomicUsize,
    idle: Notify,
}

impl Tasks {
    /// Nobody waits for a store longer than `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { count: Arc::default(), timeout, gate: None }
    }

    /// The same tasks, but nothing is asked of the store before the gate is open. That it opens is
    /// waited for within the timeout.
    pub(crate) fn behind(&self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// How long a store is waited for.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.count.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self.count.clone());
        tokio::spawn(async move {
            let _running = running;
            task.await
        })
    }

    /// The answer of a store, if it comes in time.
    pub(crate) async fn within<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = async {
            self.pass().await?;
            answer.await
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(result) => result,
            Err(elapsed) => Err(timed_out().with_source(elapsed)),
        }
    }

    /// Runs a change to its end in a task of its own, so that a client that leaves cannot stop it
    /// half-way: between the store and the cache, say.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let change = async {
            self.pass().await?;
            let panicked = |panic| Error::new(ErrorKind::Internal, "the store panicked").with_source(panic);
            self.spawn(change).await.map_err(panicked)?
        };
        match tokio::time::timeout(self.timeout, change).await {
            Ok(result) => result,
            Err(elapsed) => Err(timed_out().with_source(elapsed)),
        }
    }

    async fn pass(&self) -> Result<()> {
        match &self.gate {
            Some(gate) if !gate.is_open() => gate.opened().await,
            _ => Ok(()),
        }
    }

    pub(crate) async fn all_done(&self) {
        loop {
            let idle = self.count.idle.notified();
            if self.count.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

struct Running(Arc<Count>);

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
