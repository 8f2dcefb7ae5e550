//! [`UserSummary`], [`UserReport`] and [`SystemReport`].

use std::time::Duration;

use super::Analytics;
use crate::{
    error::Result,
    id::UserId,
    model::{
        activity::ActivityFilter,
        analytics::{Overview, Range, SystemReport, UserReport, UserSummary, Zone},
    },
    time::{Timestamp, to_millis},
};

/// Maximum number of entries in each list of a report.
const ENTRIES: usize = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Analytics {
    /// Returns the main figures of a user, computed from the stored events up to now. All are zero
    /// for a user without events.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, UserId, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let summary = guestbook.analytics().user_summary(UserId::from(7)).await?;
    /// assert_eq!((summary.total_activities, summary.last_activity), (0, None));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn user_summary(&self, user: UserId) -> Result<UserSummary> {
        let overview = self.of_user(user.clone(), self.inner.runtime.clock.now()).await?;
        Ok(UserSummary::new(user, &overview))
    }

    /// Returns the summary of a user with pages, hours, devices and visits: the ten most frequent
    /// of each.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn user_report(&self, user: UserId) -> Result<UserReport> {
        let now = self.inner.runtime.clock.now();
        let overview = self.of_user(user.clone(), now).await?;
        let summary = UserSummary::new(user, &overview);
        Ok(UserReport::new(now, summary, overview))
    }

    /// Returns the main figures of the 24 hours before `now`: the ten most frequent entries of each
    /// list.
    ///
    /// # Errors
    ///
    /// As for [`overview`](Self::overview).
    pub async fn system_report(&self, now: Timestamp) -> Result<SystemReport> {
        let from = Timestamp::from_millis(now.as_millis().saturating_sub(to_millis(DAY)));
        let overview = self.overview(Range::new(from, now)?, Zone::UTC, ActivityFilter::new(), ENTRIES).await?;
        Ok(SystemReport::new(now, overview))
    }

    async fn of_user(&self, user: UserId, now: Timestamp) -> Result<Overview> {
        // Events of this very millisecond count.
        let until = now.after(Duration::from_millis(1));
        let range = Range::new(Timestamp::from_millis(i64::MIN), until)?;
        self.overview(range, Zone::UTC, ActivityFilter::new().user(user), ENTRIES).await
    }
}
