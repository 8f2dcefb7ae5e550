//! [`Activities`]: what was recorded, read back, counted and deleted.

#[cfg(feature = "parquet")]
mod offload;

use std::{fmt, sync::Arc};

#[cfg(feature = "parquet")]
pub use self::offload::{Offload, OffloadedDay, OffloadedUsers};

#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    activity::{ActivityFilter, HistoryPage, HistoryQuery},
    consents::Objections,
    error::Result,
    store::dynamic::DynamicStore,
    tasks::Tasks,
};

/// The activities of a guestbook, for what is done outside the recording of them. A clone is another handle.
///
/// Events are visible here once they are stored, which is some 50 ms after they happened; call
/// [`Guestbook::flush`](crate::Guestbook::flush) first where that matters.
///
/// ```
/// use tower_guestbook::{Guestbook, UserId, activity::{ActivityFilter, HistoryQuery}, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let of_seven = ActivityFilter::new().user(UserId::from(7));
/// let page = guestbook.activities().history(HistoryQuery::new(of_seven).limit(20)).await?;
/// assert!(page.activities.is_empty() && page.next.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Activities {
    store: Arc<dyn DynamicStore>,
    tasks: Tasks,
    #[cfg(feature = "parquet")]
    objections: Objections,
}

/// How many events one step deletes: a few milliseconds, so that others get their turn.
const DISCARD_CHUNK: usize = 500;

impl Activities {
    #[cfg(feature = "parquet")]
    pub(crate) fn new(store: Arc<dyn DynamicStore>, tasks: Tasks, objections: Objections) -> Self {
        Self { store, tasks, objections }
    }

    #[cfg(not(feature = "parquet"))]
    pub(crate) fn new(store: Arc<dyn DynamicStore>, tasks: Tasks, _: Objections) -> Self {
        Self { store, tasks }
    }

    /// A page of history.
    ///
    /// # Errors
    ///
    /// What the store reports; [`ErrorKind::Timeout`] if it does not answer.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.tasks.within(self.store.history(query)).await
    }

    /// How many events `filter` means. Costs a look at each of them.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history).
    pub async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.tasks.within(self.store.count(filter)).await
    }

    /// Deletes the events that `filter` means, in small steps. How many there were.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history). What was deleted before stays deleted.
    pub async fn discard(&self, filter: ActivityFilter) -> Result<u64> {
        let mut total = 0;
        loop {
            let deleted = self.tasks.within(self.store.discard(filter.clone(), DISCARD_CHUNK)).await?;
            total += deleted as u64;
            if deleted < DISCARD_CHUNK {
                return Ok(total);
            }
        }
    }
}

impl fmt::Debug for Activities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activities").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}
