//! The [`Journey`] of one user.

use super::Analytics;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    id::{SessionId, UserId},
    model::{
        activity::{Activity, ActivityFilter, HistoryQuery},
        analytics::{Journey, Range, invalid},
    },
};

impl Analytics {
    /// The largest limit of [`journey`](Self::journey): 500.
    pub const MAX_JOURNEY: usize = 500;

    /// Returns the last `limit` events of a user within `range`, ordered by time and sequence: see
    /// [`Journey`].
    ///
    /// With `session`, only events of that session. "Last" means recorded last. With SQLite the
    /// cost is about 5 microseconds per event, whatever the length of the history; with `session`,
    /// 50 microseconds for each block of 1,024 events in which the session has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Guestbook, Timestamp, UserId,
    ///     activity::{Event, EventType},
    ///     analytics::Range,
    ///     store::MemoryStore,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// for minute in [0, 10, 100] {
    ///     let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(minute * 60_000));
    ///     event.user = Some(UserId::from(7));
    ///     guestbook.recorder().record_durable(event).await?;
    /// }
    /// let day = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
    /// let journey = guestbook.analytics().journey(UserId::from(7), None, day, 100).await?;
    /// assert_eq!(journey.steps.iter().map(|step| step.new_visit).collect::<Vec<_>>(), [true, false, true]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if `limit` is not between 1 and
    /// [`MAX_JOURNEY`](Self::MAX_JOURNEY); [`Timeout`](ErrorKind::Timeout) if the store does not
    /// answer in time; any error of the store.
    pub async fn journey(
        &self,
        user: UserId,
        session: Option<SessionId>,
        range: Range,
        limit: usize,
    ) -> Result<Journey> {
        if !(1..=Self::MAX_JOURNEY).contains(&limit) {
            return Err(invalid("limit", &format!("it is 1 to {}", Self::MAX_JOURNEY)));
        }
        let _permit = self.inner.limiter.permit(self.asker.as_ref(), 0).await?;
        let rules = &self.inner.rules;
        let exclusion = self.exclusion().await?;
        let mut filter = ActivityFilter::new().user(user).from(range.from()).until(range.until());
        filter.session = session;
        let filter = filter.except_types(rules.except_types.iter().cloned());
        let (mut query, mut activities) = (HistoryQuery::new(filter).limit(limit + 1), Vec::new());
        loop {
            let page = self.inner.runtime.tasks.within(self.inner.runtime.store.history(query.clone())).await?;
            let counts = |activity: &Activity| !exclusion.iter().any(|exclusion| exclusion.has(&activity.event));
            activities.extend(page.activities.into_iter().filter(counts));
            match page.next.filter(|_| activities.len() <= limit) {
                Some(next) => query = query.after(next).limit(HistoryQuery::MAX_LIMIT),
                None => break,
            }
        }
        activities.truncate(limit + 1);
        Ok(Journey::of(activities, limit))
    }
}
