//! [`ActivityStore`]: the contract of a store of activities.

use std::{future::Future, sync::Arc};

use crate::{
    error::Result,
    model::activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
};

/// A store of activities.
///
/// # Contract
///
/// 1. **Each event is stored once.** An [`Entry`] whose id the store has ever seen is not stored
///    again, not even after the event was deleted. This makes a retry after an unclear failure
///    safe.
/// 2. **A batch is atomic**: all of it is stored or nothing.
/// 3. **Sequence numbers increase.** Each stored event gets a number larger than any before, in the
///    order of the batch. No number is used twice, not even after the last events were deleted. A
///    reader who has seen a number never finds a new event below it later.
/// 4. **An acknowledged write survives** a crash of the process, and with [`Commit::Durable`]
///    whatever the store's other durable writes survive.
/// 5. **Events are returned unchanged**, except for families of a browser or system that this
///    version does not know. An anonymised event is returned as
///    [`Activity::anonymised`](crate::activity::Activity::anonymised), with the same sequence
///    number.
/// 6. **A dropped future** has taken full effect or none.
pub trait ActivityStore: Send + Sync + 'static {
    /// Stores the new ones among `entries`. Returns the sequence number of each, or `None` if it
    /// was known or its user is [erased](super::ErasureStore).
    fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> impl Future<Output = Result<Vec<Option<u64>>>> + Send;

    /// Returns a page of history, ordered by sequence number.
    fn history(&self, query: HistoryQuery) -> impl Future<Output = Result<HistoryPage>> + Send;

    /// Returns the number of events that match `filter`.
    fn count(&self, filter: ActivityFilter) -> impl Future<Output = Result<u64>> + Send;

    /// Deletes the oldest events that match `filter`, at most `limit`, and returns their number.
    /// Fewer than `limit` means that none is left.
    fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Anonymises the oldest events that match `filter` and are not anonymised yet, at most
    /// `limit`, and returns their number. Fewer than `limit` means that none is left.
    ///
    /// The removed data is gone as if it had been deleted: no query by user, session or visitor
    /// finds the event any more, and a store that can overwrite deleted data has no residue after
    /// [`scrub`](super::ErasureStore::scrub). Events that are anonymised already cost almost
    /// nothing, however many there are.
    fn anonymise(&self, filter: ActivityFilter, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// What an acknowledged [`append`](ActivityStore::append) survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// A crash of the process.
    Relaxed,
    /// Whatever the store's other durable writes survive, for example a power failure.
    Durable,
}
