//! The [`Overview`], and single lists of it.

use std::collections::BTreeMap;

use super::Analytics;
#[cfg(doc)]
use super::AnalyticsRules;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    model::analytics::{EventFilter, Overview, OverviewBuilder, PageViews, Range, UserEvents, Zone},
    store::OverviewParts,
};

impl Analytics {
    /// Returns the main figures of the events in `range` that match `filter`.
    ///
    /// Lists have at most `limit` entries. Hours and days are those of `zone`.
    ///
    /// To get several lists, call this once. The methods that return one list read less on a store
    /// with rollups; on other stores each makes the same pass over the events.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Guestbook, Timestamp,
    ///     analytics::{EventFilter, Range, Zone},
    ///     store::MemoryStore,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
    /// let overview = guestbook.analytics().overview(range, Zone::UTC, EventFilter::new(), 10).await?;
    /// assert_eq!((overview.events, overview.visits.average_ms), (0, None));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if there are more events than [`AnalyticsRules`] allow for
    /// one query; any error of the store.
    pub async fn overview(
        &self,
        range: Range,
        zone: Zone,
        filter: impl Into<EventFilter>,
        limit: usize,
    ) -> Result<Overview> {
        self.parts(range, zone, filter.into(), limit, OverviewParts::ALL).await
    }

    /// Returns some parts of an overview; the others may be empty.
    pub(super) async fn parts(
        &self,
        range: Range,
        zone: Zone,
        filter: EventFilter,
        limit: usize,
        wanted: OverviewParts,
    ) -> Result<Overview> {
        let rolled_up_answer = self.rolled_up_answer(range, &filter, |query| {
            query.only.is_none().then(|| self.inner.runtime.store.overview(query, zone.clone(), limit, wanted))
        });
        if let Some(overview) = rolled_up_answer.await? {
            return Ok(overview);
        }
        let mut gathering = OverviewBuilder::new(range, zone, self.inner.rules.passive_types.clone());
        self.for_each(range, &filter, |activity| gathering.add(activity)).await?;
        self.compute(move || gathering.finish(limit)).await
    }

    /// Returns the pages with the most views, at most `limit`.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn popular_pages(
        &self,
        range: Range,
        filter: impl Into<EventFilter>,
        limit: usize,
    ) -> Result<Vec<PageViews>> {
        Ok(self.parts(range, Zone::UTC, filter.into(), limit, OverviewParts::PAGES).await?.popular_pages)
    }

    /// Returns the users with the most events, at most `limit`.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn top_users(
        &self,
        range: Range,
        filter: impl Into<EventFilter>,
        limit: usize,
    ) -> Result<Vec<UserEvents>> {
        Ok(self.parts(range, Zone::UTC, filter.into(), limit, OverviewParts::USERS).await?.top_users)
    }

    /// Returns the number of events by the hour of the day, 0 to 23, in `zone`.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn activity_by_hour(
        &self,
        range: Range,
        zone: Zone,
        filter: impl Into<EventFilter>,
    ) -> Result<[u64; 24]> {
        Ok(self.parts(range, zone, filter.into(), 0, OverviewParts::NONE).await?.activity_by_hour)
    }

    /// Returns the number of events of each type.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn event_breakdown(&self, range: Range, filter: impl Into<EventFilter>) -> Result<BTreeMap<String, u64>> {
        Ok(self.parts(range, Zone::UTC, filter.into(), 0, OverviewParts::NONE).await?.event_breakdown)
    }
}
