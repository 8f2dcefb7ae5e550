//! [`RecorderStats`]: counts of events by result.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Serialize;

/// Counts since the start of the recorder. They are read one after the other, so under load they
/// may not add up exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecorderStats {
    /// Valid events that were offered.
    pub offered: u64,
    /// Events stored, from the queue or from the spool.
    pub written: u64,
    /// Events not stored because they were stored before: by an attempt whose answer was late, or
    /// before a crash.
    pub duplicates: u64,
    /// Events dropped because the queue was full or the recorder was shut down.
    pub dropped: u64,
    /// Durable events whose caller got an error.
    pub refused: u64,
    /// Events lost because neither the store nor the spool accepted them.
    pub lost: u64,
    /// Events not offered because their purpose is not allowed, or offered without a user or
    /// visitor.
    pub withheld: u64,
    /// Events in the spool now, including those of earlier processes.
    pub spooled: u64,
    /// Events in the queue now, or in the batch that is being stored.
    pub queued: u64,
    /// Events found in the spool at the start. An earlier process counted them as offered.
    pub adopted: u64,
    /// Batches stored.
    pub batches: u64,
    /// Events in the last batch.
    pub last_batch: u64,
    /// Age of the oldest event of the last batch when it was stored.
    #[serde(rename = "lag_us", serialize_with = "micros")]
    pub lag: Duration,
}

/// The result of a [`shutdown`](super::Recorder::shutdown).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Events stored since the shutdown began.
    pub written: u64,
    /// Events left in the spool. The next start stores them.
    pub spooled: u64,
    /// Events lost since the shutdown began.
    pub lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) offered: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) withheld: AtomicU64,
    pub(super) spooled: AtomicU64,
    /// Events that the worker has taken from the queue and not yet stored.
    pub(super) in_hand: AtomicU64,
    /// Places in the queue used by flush messages.
    pub(super) flushes: AtomicU64,
    pub(super) adopted: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) last_batch: AtomicU64,
    pub(super) lag_micros: AtomicU64,
}

impl Counters {
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self, queued: u64) -> RecorderStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecorderStats {
            offered: read(&self.offered),
            written: read(&self.written),
            duplicates: read(&self.duplicates),
            dropped: read(&self.dropped),
            refused: read(&self.refused),
            lost: read(&self.lost),
            withheld: read(&self.withheld),
            spooled: read(&self.spooled),
            queued: queued.saturating_sub(read(&self.flushes)) + read(&self.in_hand),
            adopted: read(&self.adopted),
            batches: read(&self.batches),
            last_batch: read(&self.last_batch),
            lag: Duration::from_micros(read(&self.lag_micros)),
        }
    }
}

fn micros<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
