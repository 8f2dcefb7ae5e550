//! [`Worker`]: takes events from the queue and stores them in batches.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{
    RecorderSettings, RecorderStats, Shared, ShutdownReport, metrics,
    queue::{Fetched, Message},
    spool::Spool,
};
use crate::{
    activity::{Activity, Entry, EventId},
    error::{Error, ErrorKind, Result},
    id::fill_random,
    store::{Commit, dynamic::DynamicActivityStore},
    time::{Clock, Timestamp},
};

/// Stores the events of a [`Recorder`](super::Recorder). [`run`](Self::run) it.
pub struct Worker {
    store: Arc<dyn DynamicActivityStore>,
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
    /// The store failed to the end of all patience; the next batch is tried once.
    failing: bool,
    reported: RecorderStats,
}

/// Where a recorder is in its life.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Running,
    Closing(Instant),
    Closed(ShutdownReport),
}

/// What is stored in one step, and who waits for it.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    /// Those who wait for the event at this place of `entries`.
    durable: Vec<(usize, oneshot::Sender<Result<()>>)>,
    flushes: Vec<oneshot::Sender<Result<()>>>,
    oldest: Option<Timestamp>,
}

/// How often the spool is tried when nothing else happens.
const REPLAY_INTERVAL: Duration = Duration::from_secs(1);

impl Worker {
    pub(super) fn new(
        store: Arc<dyn DynamicActivityStore>,
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
            Some((directory, max_bytes)) => Some(Spool::open(directory, *max_bytes, origin)?),
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

    /// Stores events until the recorder is shut down, or all its handles are gone and the queue is empty.
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

    /// Waits for events until there is a batch. `false` if there will be none.
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

    /// The first event waits for others until the batch is full or old, or somebody is in a hurry.
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
                () = self.shared.hurry.notified() => {}
                () = tokio::time::sleep_until(old) => return,
            }
        }
    }

    fn take_what_waits(&mut self) {
        self.shared.queue.take(&mut self.fetched, &mut self.inbox, self.batch_size);
        let events = self.inbox.iter().filter(|message| message.is_event()).count() as u64;
        self.shared.counters.in_hand.store(events, Ordering::Relaxed);
    }

    /// Stores what is in the inbox, or says what became of it; and to whom else that is to be said.
    async fn store_inbox(&mut self) -> (Result<()>, Vec<oneshot::Sender<Result<()>>>) {
        let mut batch = self.take_batch();
        let mut attempt = 1;
        let result = loop {
            let Err(error) = self.append(&mut batch).await else { break Ok(()) };
            self.refuse_durable(&mut batch, &error);
            let deadline_passed = match *self.phases.borrow() {
                Phase::Running => false,
                Phase::Closing(until) => Instant::now() >= until,
                Phase::Closed(_) => true,
            };
            let hopeless = matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Configuration | ErrorKind::ReadOnly | ErrorKind::Corrupt
            );
            if batch.entries.is_empty() || hopeless || self.failing || attempt >= self.attempts || deadline_passed {
                break Err(error);
            }
            let pause = self.first_pause.saturating_mul(1 << (attempt - 1).min(16));
            tracing::warn!(error = %error.chain(), attempt, events = batch.entries.len(), "activities could not be stored; trying again");
            self.pause(pause).await;
            attempt += 1;
        };
        let result = match result {
            Err(error) if !batch.entries.is_empty() => {
                self.failing = true;
                let entries = mem::take(&mut batch.entries);
                self.spool_or_lose(entries, &error).await;
                Err(error)
            }
            result => {
                self.failing = result.is_err();
                result
            }
        };
        self.shared.counters.in_hand.store(0, Ordering::Relaxed);
        (result, batch.flushes)
    }

    /// Tells those who wait for everything before, what an earlier batch has left in the spool included.
    fn answer(&self, result: Result<()>, flushes: Vec<oneshot::Sender<Result<()>>>) {
        let result = result.and_then(|()| match self.spooled() {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, "some events wait in the spool until the store takes them")),
        });
        for flush in flushes {
            // Whoever asked may have left.
            let _ = flush.send(result.as_ref().copied().map_err(Error::twin));
        }
    }

    fn take_batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        for message in self.inbox.drain(..) {
            let (event, waiting) = match message {
                Message::Event(event) => (event, None),
                Message::Durable(event, waiting) => (event, Some(waiting)),
                Message::Flush(waiting) => {
                    self.shared.counters.flushes.fetch_sub(1, Ordering::Relaxed);
                    batch.flushes.push(waiting);
                    continue;
                }
            };
            batch.durable.extend(waiting.map(|waiting| (batch.entries.len(), waiting)));
            batch.oldest = Some(batch.oldest.map_or(event.time, |oldest| oldest.min(event.time)));
            self.number += 1;
            batch.entries.push(Entry { id: EventId { origin: self.origin, number: self.number }, event });
        }
        batch
    }

    /// One attempt. On success everybody is told; on failure `batch` is as it was.
    async fn append(&self, batch: &mut Batch) -> Result<()> {
        if batch.entries.is_empty() {
            return Ok(());
        }
        let entries: Arc<[Entry]> = mem::take(&mut batch.entries).into();
        let commit = if batch.durable.is_empty() { Commit::Relaxed } else { Commit::Durable };
        let result = self.append_entries(entries.clone(), commit).await;
        match result {
            Ok(()) => {
                let counters = &self.shared.counters;
                counters.batches.fetch_add(1, Ordering::Relaxed);
                counters.last_batch.store(entries.len() as u64, Ordering::Relaxed);
                let lag = batch.oldest.map(|oldest| self.clock.now().since(oldest)).unwrap_or_default();
                counters.lag_micros.store(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
                for (_, waiting) in batch.durable.drain(..) {
                    let _ = waiting.send(Ok(()));
                }
                Ok(())
            }
            Err(error) => {
                batch.entries = entries.to_vec();
                Err(error)
            }
        }
    }

    async fn append_entries(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<()> {
        let append = self.store.append(entries.clone(), commit);
        let until = match *self.phases.borrow() {
            Phase::Closing(until) => until.min(Instant::now() + self.store_timeout),
            _ => Instant::now() + self.store_timeout,
        };
        let sequences = match tokio::time::timeout_at(until, append).await {
            Ok(result) => result?,
            Err(elapsed) => {
                return Err(Error::new(ErrorKind::Timeout, "the store did not answer in time").with_source(elapsed));
            }
        };
        let written = sequences.iter().flatten().count() as u64;
        self.shared.counters.written.fetch_add(written, Ordering::Relaxed);
        self.shared.counters.duplicates.fetch_add(entries.len() as u64 - written, Ordering::Relaxed);
        if !self.shared.subscribers.is_empty() {
            let stored = entries.iter().zip(sequences);
            let stored = stored.filter_map(|(entry, sequence)| Some(Activity::new(sequence?, entry.event.clone())));
            self.shared.subscribers.publish(stored);
        }
        Ok(())
    }

    /// Tells those who wait for durable events. Their events are not tried again, unless the attempt may yet succeed.
    fn refuse_durable(&self, batch: &mut Batch, error: &Error) {
        let waiting = mem::take(&mut batch.durable);
        let mut refused: Vec<usize> = Vec::new();
        for (place, waiting) in waiting {
            let _ = waiting.send(Err(error.twin()));
            refused.push(place);
        }
        if error.kind() == ErrorKind::Timeout || refused.is_empty() {
            return;
        }
        self.shared.counters.refused.fetch_add(refused.len() as u64, Ordering::Relaxed);
        self.shared.counters.in_hand.fetch_sub(refused.len() as u64, Ordering::Relaxed);
        let mut place = 0;
        batch.entries.retain(|_| {
            place += 1;
            refused.binary_search(&(place - 1)).is_err()
        });
    }

    /// Waits, but not beyond the end of a shutdown.
    async fn pause(&mut self, pause: Duration) {
        let deadline = match *self.phases.borrow() {
            Phase::Closing(until) => until,
            _ => Instant::now() + pause,
        };
        tokio::select! {
            () = tokio::time::sleep_until(deadline.min(Instant::now() + pause)) => {}
            _ = newly_closing(&mut self.phases) => {}
        }
    }

    async fn spool_or_lose(&self, entries: Vec<Entry>, error: &Error) {
        let count = entries.len() as u64;
        let spooled = self.with_spool(move |spool| spool.push(&entries)).await;
        match spooled {
            Some(Ok(())) => {
                self.shared.counters.spooled.fetch_add(count, Ordering::Relaxed);
                tracing::error!(error = %error.chain(), events = count, "activities could not be stored; they are in the spool");
            }
            Some(Err(spool_error)) => {
                self.shared.counters.lost.fetch_add(count, Ordering::Relaxed);
                tracing::error!(error = %error.chain(), %spool_error, events = count, "activities are lost: neither store nor spool took them");
            }
            None => {
                self.shared.counters.lost.fetch_add(count, Ordering::Relaxed);
                tracing::error!(error = %error.chain(), events = count, "activities are lost: they could not be stored and there is no spool");
            }
        }
    }

    /// Stores what is in the spool, as long as the store takes it.
    async fn replay(&mut self) {
        while self.spooled() > 0 {
            if !matches!(*self.phases.borrow(), Phase::Running) {
                return;
            }
            let limit = self.batch_size;
            let chunk = match self.with_spool(move |spool| spool.peek(limit)).await {
                Some(Ok(Some(chunk))) => chunk,
                Some(Err(error)) => return tracing::error!(%error, "the spool cannot be read"),
                _ => return,
            };
            if !chunk.entries.is_empty()
                && let Err(error) = self.append_entries(chunk.entries.clone().into(), Commit::Durable).await
            {
                self.failing = true;
                return tracing::debug!(error = %error.chain(), "the spool has to wait");
            }
            self.failing = false;
            let done = self.with_spool(move |spool| spool.done(&chunk).map(|()| spool.len())).await;
            match done {
                Some(Ok(left)) => {
                    self.shared.counters.spooled.store(left, Ordering::Relaxed);
                    if left == 0 {
                        tracing::info!("all that was in the spool is stored");
                    }
                }
                Some(Err(error)) => return tracing::error!(%error, "the spool cannot be cleared"),
                None => return,
            }
        }
    }

    /// Runs `work` where it may wait for the disk. `None` without a spool.
    async fn with_spool<T: Send + 'static>(&self, work: impl FnOnce(&mut Spool) -> T + Send + 'static) -> Option<T> {
        let spool = self.spool.clone()?;
        let work = move || work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner));
        // It fails only if the work panics or the runtime is ending; then there is nothing to be said of the spool.
        tokio::task::spawn_blocking(work).await.ok()
    }

    fn spooled(&self) -> u64 {
        self.shared.counters.spooled.load(Ordering::Relaxed)
    }

    /// Takes no more events and stores those that are left, until the deadline.
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

/// A worker that is dropped before its end takes the queue with it.
impl Drop for Worker {
    fn drop(&mut self) {
        if matches!(*self.phase.borrow(), Phase::Closed(_)) {
            return;
        }
        self.shared.queue.close();
        // What is in hand, and what still waits.
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

/// As good as never, without overflowing a clock.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

async fn closing(phases: &mut watch::Receiver<Phase>) {
    // An error means that nobody can close any more: then the queue ends by itself.
    if phases.wait_for(|phase| !matches!(phase, Phase::Running)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// As [`closing`], but once it is closing, that is no news.
async fn newly_closing(phases: &mut watch::Receiver<Phase>) {
    if !matches!(*phases.borrow(), Phase::Running) {
        std::future::pending::<()>().await;
    }
    closing(phases).await;
}
