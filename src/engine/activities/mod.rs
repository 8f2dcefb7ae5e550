//! [`Activities`]: reads, counts and deletes recorded activity.

#[cfg(feature = "parquet")]
mod offload;

use std::fmt;

#[cfg(feature = "parquet")]
pub use self::offload::{Offload, OffloadedDay, OffloadedUsers};

#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    engine::{consents::ExclusionRules, runtime::Runtime},
    error::Result,
    model::activity::{ActivityFilter, HistoryPage, HistoryQuery},
};

/// Reads, counts and deletes the recorded activity of a guestbook. Clones are handles to the same
/// guestbook.
///
/// Events appear here once they are stored, about 50 ms after they happened. Call
/// [`Guestbook::flush`](crate::Guestbook::flush) first if you need them earlier.
///
/// # Examples
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
    runtime: Runtime,
    objections: ExclusionRules,
}

/// Number of events deleted in one step: a few milliseconds, so other work gets its turn.
const DISCARD_CHUNK: usize = 500;

impl Activities {
    pub(crate) fn new(runtime: Runtime, objections: ExclusionRules) -> Self {
        Self { runtime, objections }
    }

    /// Returns a page of history, for the user whose events these are and for administrators. For
    /// other readers use [`history_for_others`](Self::history_for_others).
    ///
    /// # Errors
    ///
    /// Any error of the store; [`ErrorKind::Timeout`] if it does not answer in time.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.runtime.tasks.within(self.runtime.store.history(query)).await
    }

    /// Returns a page of history that may be shown to others, for example on a public profile.
    ///
    /// Events of users whose data is [restricted](crate::privacy::Rights::restrict) are excluded,
    /// and so are events under a purpose that the user refuses or objects to. A page may therefore
    /// have fewer events than its limit, or none, and still be followed by another.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history). [`ErrorKind::TooLarge`] if the query names no user and
    /// more people refuse a purpose than `AnalyticsRules::max_excluded_people`.
    pub async fn history_for_others(&self, query: HistoryQuery) -> Result<HistoryPage> {
        let exclusion = match &query.filter.user {
            Some(user) => self.objections.of_user(user, &self.runtime).await?,
            None => self.objections.exclusion(&self.runtime).await?,
        };
        let mut page = self.history(query).await?;
        page.activities.retain(|activity| !exclusion.iter().any(|exclusion| exclusion.has(&activity.event)));
        Ok(page)
    }

    /// Returns the number of events that match `filter`. The cost is proportional to that number.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history).
    pub async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.runtime.tasks.within(self.runtime.store.count(filter)).await
    }

    /// Deletes the events that match `filter`, in small steps, and returns their number.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history). Events deleted before the error stay deleted.
    pub async fn delete_activities(&self, filter: ActivityFilter) -> Result<u64> {
        let mut total = 0;
        loop {
            let deleted =
                self.runtime.tasks.within(self.runtime.store.delete_activities(filter.clone(), DISCARD_CHUNK)).await?;
            total += deleted as u64;
            if deleted < DISCARD_CHUNK {
                return Ok(total);
            }
        }
    }
}

impl fmt::Debug for Activities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activities").field("tasks", &self.runtime.tasks).finish_non_exhaustive()
    }
}
