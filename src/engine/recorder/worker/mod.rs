//! [`Worker`]: takes events from the queue and stores them in batches, until the shutdown.

mod storing;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    RecorderSettings, RecorderStats, Shared, ShutdownReport, metrics,
    queue::{Fetched, Message},
    spool::Spool,
};
use crate::{error::Result, id::fill_random, store::dyn_store::DynActivityStore, time::Clock};

/// Stores the events of a [`Recorder`](super::Recorder). Nothing is stored until it
/// [runs](Self::run).
pub struct Worker {
    store: Arc<dyn DynActivityStore>,
    shared: Arc<Shared>,
    fetched: Fetched,
    clock: Clock,
    phase: watch::Sender<Phase>,
    phases: watch::Receiver<Phase>,
    batch_size: usize,
    batch_age: Duration,
    attempts: u32,
    first_pause: Duration,
    store_timeout: Duration,
    spool: Option<Arc<Mutex<Spool>>>,
    origin: u64,
    number: u64,
    inbox: Vec<Message>,
    /// Whether the last batch failed all attempts. The next one is tried once.
    failing: bool,
    reported: RecorderStats,
}

/// Life cycle of a recorder.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Running,
    Closing(Instant),
    Closed(ShutdownReport),
}

/// How often the spool is tried if nothing else happens.
const REPLAY_INTERVAL: Duration = Duration::from_secs(1);

impl Worker {
    pub(super) fn new(
        store: Arc<dyn DynActivityStore>,
        shared: Arc<Shared>,
        settings: &RecorderSettings,
        clock: Clock,
        phase: watch::Sender<Phase>,
        phases: watch::Receiver<Phase>,
    ) -> Result<Self> {
        let mut origin = [0; 8];
        fill_random(&mut origin)?;
        let origin = u64::from_ne_bytes(origin);
        let spool = match &settings.spool {
            Some((directory, max_bytes)) => Some(Spool::open(directory, *max_bytes, origin, settings.mode)?),
            None => None,
        };
        let adopted = spool.as_ref().map_or(0, Spool::len);
        shared.counters.adopted.store(adopted, Ordering::Relaxed);
        shared.counters.spooled.store(adopted, Ordering::Relaxed);
        Ok(Self {
            store,
            shared,
            fetched: Fetched::default(),
            clock,
            phase,
            phases,
            batch_size: settings.batch,
            batch_age: settings.batch_age,
            attempts: settings.attempts,
            first_pause: settings.first_pause,
            store_timeout: settings.store_timeout,
            spool: spool.map(|spool| Arc::new(Mutex::new(spool))),
            origin,
            number: 0,
            inbox: Vec::with_capacity(settings.batch),
            failing: false,
            reported: RecorderStats::default(),
        })
    }

    /// Stores events until the recorder is shut down, or until all its handles are dropped and the
    /// queue is empty.
    pub async fn run(mut self) {
        self.replay().await;
        while self.fill().await {
            let (result, flushes) = self.store_inbox().await;
            if !self.failing {
                self.replay().await;
            }
            self.answer(result, flushes);
            self.report();
        }
        self.finish().await;
    }

    /// Waits for events until there is a batch. Returns `false` if there will be none.
    async fn fill(&mut self) -> bool {
        loop {
            let idle = if self.spooled() > 0 { REPLAY_INTERVAL } else { FOREVER };
            tokio::select! {
                biased;
                _ = closing(&mut self.phases) => return false,
                is_there = self.shared.queue.wait(), if self.fetched.is_empty() => {
                    if !is_there {
                        return false;
                    }
                    break;
                }
                () = std::future::ready(()), if !self.fetched.is_empty() => break,
                () = tokio::time::sleep(idle) => self.replay().await,
            }
        }
        self.gather().await;
        true
    }

    /// Waits until the batch is full or old, or a caller waits for it.
    async fn gather(&mut self) {
        let old = Instant::now() + self.batch_age;
        loop {
            self.take_what_waits();
            let is_urgent = self.inbox.iter().any(Message::is_urgent);
            if is_urgent || self.inbox.len() >= self.batch_size {
                return;
            }
            tokio::select! {
                _ = closing(&mut self.phases) => return,
                () = self.shared.urgent.notified() => {}
                () = tokio::time::sleep_until(old) => return,
            }
        }
    }

    fn take_what_waits(&mut self) {
        self.shared.queue.take(&mut self.fetched, &mut self.inbox, self.batch_size);
        let events = self.inbox.iter().filter(|message| message.is_event()).count() as u64;
        self.shared.counters.in_hand.store(events, Ordering::Relaxed);
    }

    /// Accepts no more events and stores the remaining ones, until the deadline.
    async fn finish(&mut self) {
        let before = self.shared.counters.snapshot(0);
        self.shared.queue.close();
        loop {
            self.take_what_waits();
            if self.inbox.is_empty() {
                break;
            }
            let (result, flushes) = self.store_inbox().await;
            self.answer(result, flushes);
        }
        self.report();
        let now = self.shared.counters.snapshot(0);
        let report = ShutdownReport {
            written: now.written - before.written,
            spooled: now.spooled,
            lost: now.lost - before.lost,
        };
        if report.lost > 0 || report.spooled > 0 {
            tracing::warn!(lost = report.lost, spooled = report.spooled, "not all activities are in the store");
        }
        self.close(report);
    }

    fn close(&self, report: ShutdownReport) {
        self.shared.subscribers.close();
        self.phase.send_replace(Phase::Closed(report));
    }

    fn report(&mut self) {
        let now = self.shared.counters.snapshot(self.shared.queue.len() as u64);
        if now.dropped > self.reported.dropped {
            let dropped = now.dropped - self.reported.dropped;
            tracing::warn!(dropped, "activities were dropped: the queue was full");
        }
        metrics::report(&self.reported, &now);
        self.reported = now;
    }
}

/// Closes the queue when the worker is dropped before its end.
impl Drop for Worker {
    fn drop(&mut self) {
        if matches!(*self.phase.borrow(), Phase::Closed(_)) {
            return;
        }
        self.shared.queue.close();
        // Events in the current batch, and those still queued.
        let mut lost = self.shared.counters.in_hand.load(Ordering::Relaxed);
        loop {
            self.inbox.clear();
            self.take_what_waits();
            if self.inbox.is_empty() {
                break;
            }
            lost += self.shared.counters.in_hand.load(Ordering::Relaxed);
        }
        self.shared.counters.lost.fetch_add(lost, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(events = lost, "activities are lost: the recorder's worker was dropped");
        }
        self.close(ShutdownReport { written: 0, spooled: self.spooled(), lost });
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("phase", &*self.phase.borrow()).finish_non_exhaustive()
    }
}

/// Practically never, without overflowing a clock.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

async fn closing(phases: &mut watch::Receiver<Phase>) {
    // An error means that nobody can close the recorder any more: then the queue ends on its own.
    if phases.wait_for(|phase| !matches!(phase, Phase::Running)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
