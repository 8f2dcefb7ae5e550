//! Rollups in the background.

use std::time::Duration;

use super::Analytics;
use crate::{
    error::{Error, ErrorKind, Result},
    id::uuid_of,
    model::analytics::{EventFilter, Range},
    store::{AggregateQuery, RollupCheck},
    time::Timestamp,
};

/// If several processes share a store, one of them rolls up.
const LEASE: &str = "rollups";
const LEASE_TIME: Duration = Duration::from_secs(60);

/// Pause between two steps, so that other work gets its turn.
const PAUSE: Duration = Duration::from_millis(10);

impl Analytics {
    /// Rolls up past hours and days, so that later queries need not read their events. An hour is
    /// rolled up ten minutes after its end, a day from its hours.
    ///
    /// The guestbook does this in the background, at [the interval of the
    /// rules](super::AnalyticsRules::roll_up_every). This method does it now, until nothing is
    /// left.
    ///
    /// Answers are the same before and after; only their speed differs. Each event is read once,
    /// about two million per second, in steps with pauses for others. The first time, that is the
    /// whole history. A late event, a deletion or an erasure invalidates the rollups of the hours
    /// that it touches.
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, store::SqliteStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("guestbook.db");
    /// let guestbook = Guestbook::builder(SqliteStore::open(path)?).build()?;
    /// guestbook.analytics().roll_up().await?;
    /// assert!(guestbook.analytics().check_rollups().await?.wrong.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a rollup is running, here or in another process; and
    /// what the store reports. What was rolled up until then stays.
    pub async fn roll_up(&self) -> Result<()> {
        let inner = &self.inner;
        let holder = uuid_of(inner.runtime.clock.now())?;
        let mut lease_ends = None;
        loop {
            let now = inner.runtime.clock.now();
            if lease_ends.is_none_or(|end: Timestamp| now.after(LEASE_TIME / 2) >= end) {
                let until = now.after(LEASE_TIME);
                if !inner.runtime.tasks.within(inner.runtime.store.acquire_lease(LEASE, holder, now, until)).await? {
                    return Err(Error::new(ErrorKind::Conflict, "a rollup is running already"));
                }
                lease_ends = Some(until);
            }
            let step = async { inner.runtime.store.roll_up(self.everything().await?, now).await };
            let step = self.in_time(step).await;
            if !matches!(step, Ok(true)) {
                let now = inner.runtime.clock.now();
                inner.runtime.tasks.within(inner.runtime.store.acquire_lease(LEASE, holder, now, now)).await?;
                return step.map(drop);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Recomputes all rollups from the events and compares.
    ///
    /// A difference is a bug or a damaged file; [`rebuild_rollups`](Self::rebuild_rollups) repairs
    /// it.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn check_rollups(&self) -> Result<RollupCheck> {
        self.inner.runtime.store.check_rollups(self.everything().await?).await
    }

    /// Deletes all rollups and computes them again. Queries read events meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`roll_up`](Self::roll_up).
    pub async fn rebuild_rollups(&self) -> Result<()> {
        self.inner.runtime.store.delete_rollups().await?;
        self.roll_up().await
    }

    /// Calls [`roll_up`](Self::roll_up) at the interval of the rules. An error is logged, and the
    /// next tick tries again.
    pub(crate) async fn roll_up_in_background(self) {
        let Some(interval) = self.inner.rules.roll_up_every else { return };
        // Not immediately: a starting program has enough to do.
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.roll_up().await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => tracing::debug!("another process rolls up"),
                Err(error) => tracing::warn!(error = %error.chain(), "events could not be rolled up"),
            }
        }
    }

    async fn everything(&self) -> Result<AggregateQuery> {
        let always = Range::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX))?;
        let query = self.aggregate_query(always, &EventFilter::new()).await?;
        Ok(query.unwrap_or_else(|| AggregateQuery::new(always)))
    }
}
