//! [`Activities`]: what was recorded, read back, counted and deleted.

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

/// The activities of a guestbook, for what is done outside the recording of them. A clone is
/// another handle.
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
    runtime: Runtime,
    objections: ExclusionRules,
}

/// How many events one step deletes: a few milliseconds, so that others get their turn.
const DISCARD_CHUNK: usize = 500;

impl Activities {
    pub(crate) fn new(runtime: Runtime, objections: ExclusionRules) -> Self {
        Self { runtime, objections }
    }

    /// A page of history, for the person whose events these are and for administrators. What others
    /// may see is [`history_for_others`](Self::history_for_others).
    ///
    /// # Errors
    ///
    /// What the store reports; [`ErrorKind::Timeout`] if it does not answer.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.runtime.tasks.within(self.runtime.store.history(query)).await
    }

    /// A page of history that may be shown to others, on a public profile, say.
    ///
    /// Events of users whose data is [restricted](crate::privacy::Rights::restrict) are left out,
    /// and events under a purpose that the person refuses or objects to. So a page may have fewer
    /// events than its limit, or none, and still a next one.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history). [`ErrorKind::TooLarge`] if the query names no user and
    /// more persons refuse a purpose than
    /// [`AnalyticsRules::max_excluded_people`](crate::analytics::AnalyticsRules::max_excluded_people).
    pub async fn history_for_others(&self, query: HistoryQuery) -> Result<HistoryPage> {
        let exclusion = match &query.filter.user {
            Some(user) => self.objections.of_user(user, &self.runtime).await?,
            None => self.objections.exclusion(&self.runtime).await?,
        };
        let mut page = self.history(query).await?;
        page.activities.retain(|activity| !exclusion.iter().any(|exclusion| exclusion.has(&activity.event)));
        Ok(page)
    }

    /// How many events `filter` means. Costs a look at each of them.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history).
    pub async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.runtime.tasks.within(self.runtime.store.count(filter)).await
    }

    /// Deletes the events that `filter` means, in small steps. How many there were.
    ///
    /// # Errors
    ///
    /// As for [`history`](Self::history). What was deleted before stays deleted.
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
