//! [`ActivityStore`]: the contract of a store of activities.

use std::{future::Future, sync::Arc};

use crate::{
    error::Result,
    model::activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
};

/// A place where activities are kept.
///
/// # Contract
///
/// 1. **Each event once.** An [`Entry`] whose id the store has seen, in this batch or ever before,
///    is not stored again; also not after the event was discarded. This is what makes it safe to
///    try again after an unclear failure.
/// 2. **A batch is one step**: all of it is stored or none.
/// 3. **Numbers go up.** Each stored event gets a sequence larger than any given before, in the
///    order of the batch; none is given twice, also not after the last events were discarded. A
///    reader who has seen a sequence will not later find a new event below it.
/// 4. **An answer is a promise.** What is answered with success survives a crash of the process,
///    and with [`Commit::Durable`] what the store documents for its other durable writes.
/// 5. **What comes out is what went in**, but for families of a browser or system that this version
///    does not know, and until it is anonymised: then what comes out is
///    [`Activity::anonymised`](crate::activity::Activity::anonymised), with the same sequence.
/// 6. **A dropped future** may or may not have had its effect, but never half of it.
pub trait ActivityStore: Send + Sync + 'static {
    /// Stores those of `entries` that are new. For each the sequence it got, or `None` if it was
    /// known, or its user is [erased](super::ErasureStore).
    fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> impl Future<Output = Result<Vec<Option<u64>>>> + Send;

    /// A page of history, ordered by sequence.
    fn history(&self, query: HistoryQuery) -> impl Future<Output = Result<HistoryPage>> + Send;

    /// How many events `filter` means.
    fn count(&self, filter: ActivityFilter) -> impl Future<Output = Result<u64>> + Send;

    /// Deletes at most `limit` of the events that `filter` means, the oldest first. How many there
    /// were: less than `limit` means that none is left.
    fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Anonymises at most `limit` of the events that `filter` means and that are not anonymised
    /// yet, the oldest first. How many there were: less than `limit` means that none is left. What
    /// is taken away is gone as if it had been discarded: no question about its user, its session
    /// or its visitor finds the event any more, and where the store can overwrite what it deletes,
    /// there is no residue after [`scrub`](super::ErasureStore::scrub). Events that are anonymised
    /// already cost next to nothing, however many there are.
    fn anonymise(&self, filter: ActivityFilter, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// What an answered [`append`](ActivityStore::append) survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// A crash of the process.
    Relaxed,
    /// What the store's other durable writes survive, for example a power failure.
    Durable,
}
