//! Figures over time.

use std::time::Duration;

use super::Analytics;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    model::analytics::{ActiveUsers, ActivitySeries, Buckets, EventFilter, Period, Range, Zone},
    store::OverviewParts,
    time::{Timestamp, to_millis},
};

impl Analytics {
    /// Returns the number of distinct users with an event in the `window` before `now`.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn active_users(&self, now: Timestamp, window: Duration) -> Result<u64> {
        let from = Timestamp::from_millis(now.as_millis().saturating_sub(to_millis(window)));
        let range = Range::new(from, now)?;
        Ok(self.parts(range, Zone::UTC, EventFilter::new(), 0, OverviewParts::NONE).await?.active_users)
    }

    /// Returns the events and active users of each `period` that `range` touches, including periods
    /// without events.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Guestbook, Timestamp,
    ///     analytics::{EventFilter, Period, Range, Zone},
    ///     store::MemoryStore,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
    /// let series = guestbook.analytics().activity_series(range, Period::Hour, Zone::UTC, EventFilter::new()).await?;
    /// assert_eq!(series.buckets.len(), 24);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the range has more than 10,000 periods;
    /// otherwise as for [`overview`](Self::overview).
    pub async fn activity_series(
        &self,
        range: Range,
        period: Period,
        zone: Zone,
        filter: impl Into<EventFilter>,
    ) -> Result<ActivitySeries> {
        let filter = filter.into();
        let rolled_up_answer = self.rolled_up_answer(range, &filter, |query| {
            Some(self.inner.runtime.store.activity_series(query, period, zone.clone()))
        });
        if let Some(series) = rolled_up_answer.await? {
            return Ok(series);
        }
        let mut buckets = Buckets::new(range, period, zone)?;
        self.for_each(range, &filter, |activity| buckets.add(&activity.event)).await?;
        self.compute(move || buckets.finish()).await
    }

    /// Returns the daily, weekly and monthly active users of each day that `range` touches, and
    /// their stickiness. It also reads the 29 days before, which belong to the first month.
    ///
    /// # Errors
    ///
    /// As for [`activity_series`](Self::activity_series).
    pub async fn active_users_series(
        &self,
        range: Range,
        zone: Zone,
        filter: impl Into<EventFilter>,
    ) -> Result<ActiveUsers> {
        let filter = filter.into();
        let rolled_up_answer = self.rolled_up_answer(range, &filter, |query| {
            Some(self.inner.runtime.store.active_users_series(query, zone.clone()))
        });
        if let Some(series) = rolled_up_answer.await? {
            return Ok(series);
        }
        let (mut days, wider) = Buckets::days(range, zone)?;
        self.for_each(wider, &filter, |activity| days.add(&activity.event)).await?;
        self.compute(move || days.finish_days()).await
    }
}
