//! [`Overview`], and single lists of it.

use std::collections::BTreeMap;

use super::Analytics;
#[cfg(doc)]
use super::AnalyticsRules;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    model::analytics::{EventFilter, Gathering, Overview, PageViews, Range, UserEvents, Zone},
    store::OverviewParts,
};

impl Analytics {
    /// What happened in `range`, of those events that `filter` means. The lists have at most
    /// `limit` entries, hours and days are those of `zone`.
    ///
    /// Who wants several of its lists asks for it once. The methods that give one list read less
    /// where the store has rolled up days and hours; elsewhere they make the same pass over the
    /// events.
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
    /// [`TooLarge`](ErrorKind::TooLarge) if there are more events than [`AnalyticsRules`] let one
    /// answer look at; what the store reports.
    pub async fn overview(
        &self,
        range: Range,
        zone: Zone,
        filter: impl Into<EventFilter>,
        limit: usize,
    ) -> Result<Overview> {
        self.parts(range, zone, filter.into(), limit, OverviewParts::ALL).await
    }

    /// Some parts of an overview; the others may be empty.
    pub(super) async fn parts(
        &self,
        range: Range,
        zone: Zone,
        filter: EventFilter,
        limit: usize,
        wanted: OverviewParts,
    ) -> Result<Overview> {
        let told = self.told(range, &filter, |counting| {
            counting.only.is_none().then(|| self.inner.runtime.store.overview(counting, zone.clone(), limit, wanted))
        });
        if let Some(overview) = told.await? {
            return Ok(overview);
        }
        let mut gathering = Gathering::new(range, zone, self.inner.rules.passive_types.clone());
        self.each(range, &filter, |activity| gathering.add(activity)).await?;
        self.compute(move || gathering.finish(limit)).await
    }

    /// The pages with the most views, at most `limit` of them.
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

    /// The users with the most events, at most `limit` of them.
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

    /// Events by the hour of the day that the zone's clock showed, 0 to 23.
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

    /// Events of each type.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn event_breakdown(&self, range: Range, filter: impl Into<EventFilter>) -> Result<BTreeMap<String, u64>> {
        Ok(self.parts(range, Zone::UTC, filter.into(), 0, OverviewParts::NONE).await?.event_breakdown)
    }
}
