//! The methods of [`AnalyticsStore`]: scans and rollups.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use rusqlite::Connection;

use super::{
    SqliteStore,
    rollups::{self, Batch},
    scan::{self, Stop},
};
use crate::{
    error::{ErrorKind, Result},
    id::uuid_of,
    model::{
        activity::EventType,
        analytics::{ActiveUsers, ActivitySeries, Overview, Period, Zone},
    },
    store::{AggregateQuery, AnalyticsStore, EventVisitor, Exclusion, OverviewParts, RollupCheck, Scan},
    time::Timestamp,
};

/// The exclusions for which all rollups were last found to be valid.
pub(super) type Fitted = Mutex<Option<(Vec<Exclusion>, Vec<EventType>, Vec<EventType>)>>;

impl AnalyticsStore for SqliteStore {
    async fn scan(&self, scan: Scan, each: EventVisitor) -> Result<()> {
        let each = RefCell::new(each);
        self.look(move |database, stopped| scan::scan(database, &scan, stopped, &mut each.borrow_mut())).await
    }

    async fn at_most(&self, scan: Scan) -> Result<u64> {
        self.look(move |database, _| scan::at_most(database, &scan)).await
    }

    async fn overview(
        &self,
        counting: AggregateQuery,
        zone: Zone,
        limit: usize,
        wanted: OverviewParts,
    ) -> Result<Option<Overview>> {
        let answer =
            self.look(move |database, stopped| rollups::overview(database, &counting, &zone, limit, wanted, stopped));
        or_by_rows(answer.await)
    }

    async fn activity_series(
        &self,
        counting: AggregateQuery,
        period: Period,
        zone: Zone,
    ) -> Result<Option<ActivitySeries>> {
        let answer = self.look(move |database, stopped| rollups::series(database, &counting, period, &zone, stopped));
        or_by_rows(answer.await.map(Some))
    }

    async fn active_users_series(&self, counting: AggregateQuery, zone: Zone) -> Result<Option<ActiveUsers>> {
        let answer = self.look(move |database, stopped| rollups::active_days(database, &counting, &zone, stopped));
        or_by_rows(answer.await.map(Some))
    }

    async fn roll_up(&self, counting: AggregateQuery, now: Timestamp) -> Result<bool> {
        self.refit(&counting).await?;
        let Some(batch) = self.inner.readers.read_elsewhere(move |database| rollups::next(database, now)).await? else {
            return Ok(false);
        };
        if let Batch::Hours(hours) = batch.clone() {
            let claim = uuid_of(now)?;
            self.inner.writer.run(false, move |database| rollups::claim(database, &hours, claim)).await?;
        }
        let work = batch.clone();
        let rolled_up =
            self.look(move |database, stopped| rollups::roll_up_period(database, &work, &counting, stopped)).await;
        match rolled_up {
            Ok(rolled_up) => {
                self.inner.writer.run_exclusive(false, move |database| rollups::store(database, &rolled_up)).await?;
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::error!(error = %error.chain(), "a rollup is damaged and is computed again");
                let periods = batch.periods();
                self.inner.writer.run(false, move |database| rollups::delete_periods(database, &periods)).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    async fn check_rollups(&self, counting: AggregateQuery) -> Result<RollupCheck> {
        let mut result = RollupCheck::default();
        for day in self.inner.readers.read_elsewhere(rollups::days).await? {
            let (counting, so_far) = (counting.clone(), result);
            result = self
                .look(move |database, stopped| {
                    let mut result = so_far.clone();
                    rollups::check(database, day, &counting, stopped, &mut result).map(|()| result)
                })
                .await?;
        }
        Ok(result)
    }

    async fn delete_rollups(&self) -> Result<()> {
        self.inner.writer.run_exclusive(false, |database| rollups::evict_all(database)).await
    }
}

impl SqliteStore {
    /// Reads as long as the caller waits for the answer.
    async fn look<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Connection, &AtomicBool) -> Result<T> + Send + 'static,
    {
        let stop = Stop::default();
        let stopped: Arc<AtomicBool> = stop.flag();
        self.inner.readers.read_elsewhere(move |database| read(database, &stopped)).await
    }

    /// Deletes rollups that were made for other exclusions. This reads all rollups, so it is done
    /// only when exclusions change.
    async fn refit(&self, counting: &AggregateQuery) -> Result<()> {
        let wanted = (counting.exclusion.clone(), counting.except_types.clone(), counting.passive_types.clone());
        let fitted = || self.inner.fitted.lock().unwrap_or_else(PoisonError::into_inner);
        if fitted().as_ref() == Some(&wanted) {
            return Ok(());
        }
        let counting = counting.clone();
        let unfit = self.inner.readers.read_elsewhere(move |database| rollups::unfit(database, &counting)).await?;
        if !unfit.is_empty() {
            self.inner.writer.run_exclusive(false, move |database| rollups::delete_periods(database, &unfit)).await?;
        }
        *fitted() = Some(wanted);
        Ok(())
    }
}

/// Makes the caller read rows instead of a damaged rollup. If rows are damaged, too, the caller
/// reports it.
fn or_by_rows<T>(answer: Result<Option<T>>) -> Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            tracing::error!(error = %error.chain(), "a rollup is damaged: rebuild the rollups");
            Ok(None)
        }
        answer => answer,
    }
}
