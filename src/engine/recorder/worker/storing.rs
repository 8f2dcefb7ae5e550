//! How a [`Worker`] stores a batch, and what it does if the store fails.

use std::{
    io, mem,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{Phase, Worker, closing};
use crate::{
    engine::recorder::{Tracked, queue::Message, spool::Spool},
    error::{Error, ErrorKind, Result},
    model::activity::{Activity, Entry, EventId},
    store::Commit,
    time::Timestamp,
};

/// The entries of one step, and the callers that wait for them.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    /// Callers that wait for the event at this index of `entries`.
    durable: Vec<(usize, oneshot::Sender<Result<Tracked>>)>,
    flushes: Vec<oneshot::Sender<Result<()>>>,
    oldest: Option<Timestamp>,
}

impl Worker {
    /// Stores the inbox, and reports the result to callers and subscribers.
    pub(super) async fn store_inbox(&mut self) -> (Result<()>, Vec<oneshot::Sender<Result<()>>>) {
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
            let hopeless = is_permanent(&error)
                || matches!(error.kind(), ErrorKind::Configuration | ErrorKind::ReadOnly | ErrorKind::Corrupt);
            if batch.entries.is_empty() || hopeless || self.failing || attempt >= self.attempts || deadline_passed {
                break Err(error);
            }
            let pause = self.first_pause.saturating_mul(1 << (attempt - 1).min(16));
            tracing::warn!(error = %error.chain(), attempt, events = batch.entries.len(), "activities could not be stored; trying again");
            self.pause(pause).await;
            attempt += 1;
        };
        let result = match result {
            Err(error) if is_permanent(&error) => {
                self.lose(batch.entries.len() as u64, &error);
                Err(error)
            }
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

    /// Answers the callers of flush, who wait for all earlier events, including those in the spool.
    pub(super) fn answer(&self, result: Result<()>, flushes: Vec<oneshot::Sender<Result<()>>>) {
        let result = result.and_then(|()| match self.spooled() {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, "some events wait in the spool until the store takes them")),
        });
        for flush in flushes {
            // The caller may have left.
            let _ = flush.send(result.as_ref().copied().map_err(Error::without_source));
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

    /// Tries once. On success all callers are answered; on failure `batch` is unchanged.
    async fn append(&self, batch: &mut Batch) -> Result<()> {
        if batch.entries.is_empty() {
            return Ok(());
        }
        let entries: Arc<[Entry]> = mem::take(&mut batch.entries).into();
        let commit = if batch.durable.is_empty() { Commit::Relaxed } else { Commit::Durable };
        let result = self.append_entries(entries.clone(), commit).await;
        match result {
            Ok(stored) => {
                let counters = &self.shared.counters;
                counters.batches.fetch_add(1, Ordering::Relaxed);
                counters.last_batch.store(entries.len() as u64, Ordering::Relaxed);
                let lag = batch.oldest.map(|oldest| self.clock.now().since(oldest)).unwrap_or_default();
                counters.lag_micros.store(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
                for (permit, waiting) in batch.durable.drain(..) {
                    // A durable event is not a retry, so an event that is not stored now was
                    // refused by the store.
                    let is_stored = stored.get(permit).is_some_and(Option::is_some);
                    let _ = waiting.send(Ok(if is_stored { Tracked::Stored } else { Tracked::Withheld }));
                }
                Ok(())
            }
            Err(error) => {
                batch.entries = entries.to_vec();
                Err(error)
            }
        }
    }

    async fn append_entries(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
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
            let stored = entries.iter().zip(&sequences);
            let stored = stored.filter_map(|(entry, sequence)| Some(Activity::new((*sequence)?, entry.event.clone())));
            self.shared.subscribers.publish(stored);
        }
        Ok(sequences)
    }

    /// Answers the callers of durable events with the error. Their events are not retried, unless
    /// the attempt may still succeed.
    fn refuse_durable(&self, batch: &mut Batch, error: &Error) {
        let waiting = mem::take(&mut batch.durable);
        let mut refused: Vec<usize> = Vec::new();
        for (permit, waiting) in waiting {
            let _ = waiting.send(Err(error.without_source()));
            refused.push(permit);
        }
        if error.kind() == ErrorKind::Timeout || refused.is_empty() {
            return;
        }
        self.shared.counters.refused.fetch_add(refused.len() as u64, Ordering::Relaxed);
        self.shared.counters.in_hand.fetch_sub(refused.len() as u64, Ordering::Relaxed);
        let mut permit = 0;
        batch.entries.retain(|_| {
            permit += 1;
            refused.binary_search(&(permit - 1)).is_err()
        });
    }

    /// Waits, but not beyond the deadline of a shutdown.
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

    /// Drops events that the store will never accept; the spool would keep them in vain.
    fn lose(&self, count: u64, error: &Error) {
        self.shared.counters.lost.fetch_add(count, Ordering::Relaxed);
        if count > 0 {
            tracing::error!(error = %error.chain(), events = count, "activities are lost: the store refused them");
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

    /// Stores the events in the spool, as long as the store accepts them.
    pub(super) async fn replay(&mut self) {
        while self.spooled() > 0 {
            if !matches!(*self.phases.borrow(), Phase::Running) {
                return;
            }
            let limit = self.batch_size;
            let mut chunk = match self.with_spool(move |spool| spool.peek(limit)).await {
                Some(Ok(Some(chunk))) => chunk,
                Some(Err(error)) => {
                    if self.set_aside(&error).await {
                        continue;
                    }
                    return tracing::warn!(%error, "a file of the spool cannot be read; it is tried again");
                }
                _ => return,
            };
            let entries = mem::take(&mut chunk.entries);
            let count = entries.len() as u64;
            if !entries.is_empty() {
                match self.append_entries(entries.into(), Commit::Durable).await {
                    Ok(_) => self.failing = false,
                    // They would block all later ones for ever.
                    Err(error) if is_permanent(&error) => self.lose(count, &error),
                    Err(error) => {
                        self.failing = true;
                        return tracing::debug!(error = %error.chain(), "the spool cannot be stored yet");
                    }
                }
            }
            let Some((done, left)) = self.with_spool(move |spool| (spool.done(&chunk), spool.len())).await else {
                return;
            };
            self.shared.counters.spooled.store(left, Ordering::Relaxed);
            if let Err(error) = done {
                // The next start finds the file again, and the store recognises its events.
                tracing::error!(%error, "a stored file of the spool cannot be deleted");
            } else if left == 0 {
                tracing::info!("all events of the spool are stored");
            }
        }
    }

    /// Sets aside a spool file that cannot be read several times in a row, so that it does not
    /// block the others.
    async fn set_aside(&self, error: &io::Error) -> bool {
        let Some((Some(given_up), left)) = self.with_spool(|spool| (spool.give_up_unreadable(), spool.len())).await
        else {
            return false;
        };
        let (path, events) = given_up;
        self.shared.counters.spooled.store(left, Ordering::Relaxed);
        self.shared.counters.lost.fetch_add(events, Ordering::Relaxed);
        tracing::error!(
            %error,
            path = %path.display(),
            events,
            "a file of the spool cannot be read: its events are not stored; the next start tries it again"
        );
        true
    }

    /// Runs `work` on a thread that may block. Returns `None` without a spool.
    async fn with_spool<T: Send + 'static>(&self, work: impl FnOnce(&mut Spool) -> T + Send + 'static) -> Option<T> {
        let spool = self.spool.clone()?;
        let work = move || work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner));
        // It fails only if the work panics or the runtime is ending; then the state of the spool is
        // unknown.
        tokio::task::spawn_blocking(work).await.ok()
    }

    pub(super) fn spooled(&self) -> u64 {
        self.shared.counters.spooled.load(Ordering::Relaxed)
    }
}

/// Returns whether a retry can never succeed.
fn is_permanent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::TooLarge)
}

/// Like [`closing`], but does not return again once the recorder is closing.
async fn newly_closing(phases: &mut watch::Receiver<Phase>) {
    if !matches!(*phases.borrow(), Phase::Running) {
        std::future::pending::<()>().await;
    }
    closing(phases).await;
}
