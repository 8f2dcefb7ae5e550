//! [`Analytics`]: runs queries on the store.

mod actors;
mod behaviour;
mod gather;
mod journey;
mod limiter;
mod overview;
mod report;
mod rollups;
mod rules;
mod series;

use std::{fmt, sync::Arc};

use self::limiter::{QueryLimiter, QueryPermit};

pub use self::rules::AnalyticsRules;
use crate::{
    engine::{consents::ExclusionRules, runtime::Runtime},
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        activity::{Activity, HistoryQuery, Order},
        analytics::{EventFilter, Range},
    },
    store::{AggregateQuery, Exclusion, Scan},
};

/// Answers queries about recorded activity. A clone is another handle.
///
/// The queries and their exact definitions are in [`analytics`](crate::analytics).
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{Clock, Guestbook, Timestamp, UserId, activity::{Event, EventType}, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
/// let guestbook = Guestbook::builder(MemoryStore::new()).clock(clock.clone()).build()?;
/// let mut event = Event::new(EventType::PAGE_VIEW, clock.now());
/// event.user = Some(UserId::from(7));
/// guestbook.recorder().record_durable(event).await?;
/// clock.advance(Duration::from_secs(60));
/// let hour = Duration::from_secs(60 * 60);
/// assert_eq!(guestbook.analytics().active_users(clock.now(), hour).await?, 1);
/// # Ok(()) }
/// ```
///
/// Events are queued before they are stored. To query an event right after it was tracked, call
/// [`Guestbook::flush`](crate::Guestbook::flush) first:
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Clock, Guestbook, Timestamp, UserId,
///     activity::{Event, EventType},
///     analytics::{Funnel, FunnelStep, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
/// let guestbook = Guestbook::builder(MemoryStore::new()).clock(clock.clone()).build()?;
/// for event_type in [EventType::PAGE_VIEW, EventType::BUTTON_CLICK] {
///     let mut event = Event::new(event_type, clock.now());
///     event.user = Some(UserId::from(7));
///     guestbook.recorder().record(event);
///     clock.advance(Duration::from_secs(1));
/// }
/// guestbook.flush().await?;
///
/// let funnel = Funnel::new([FunnelStep::new(EventType::PAGE_VIEW), FunnelStep::new(EventType::BUTTON_CLICK)]);
/// let range = Range::last(Duration::from_secs(3600), clock.now());
/// let report = guestbook.analytics().funnel(range, funnel).await?;
/// assert_eq!(report.stages[1].actors, 1);
/// # Ok(()) }
/// ```
///
/// Each answer is exact. Events of users whose processing is
/// [restricted](crate::privacy::Rights::restrict), or who object to it, do not count: see
/// [`AnalyticsRules`]. Events that are stored or deleted during a query may or may not count. A
/// range is half-open; days and hours are those of a [`Zone`](crate::analytics::Zone).
///
/// # Cost
///
/// - **Overviews, series, active users and reports** of all events are put together from hours and
///   days that the store has rolled up in the background ([`roll_up`](Analytics::roll_up)), and
///   from the events of the last hour or two. Their time grows with the number of days in the
///   range, not with the length of the history. This holds for one event type, one route or one
///   kind of device as well. With [`MemoryStore`](crate::store::MemoryStore), with other filters,
///   and for series by the minute they read each event.
/// - **Behaviour** (funnels, patterns, paths, cohorts) reads the events of the range. A summary, a
///   report or a journey of one user reads that user's events.
///
/// # Parallel queries
///
/// All queries share room for [a number of events](AnalyticsRules::max_concurrent_events), 20 million by
/// default. A query takes as much room as the store says it will read at most
/// ([`AnalyticsStore::at_most`](crate::store::AnalyticsStore::at_most)). It gives the room back
/// when it is answered, or when its task has ended after the caller left. A query that finds no
/// room waits in line. After [`max_wait`](AnalyticsRules::max_wait) it fails with
/// [`Unavailable`](ErrorKind::Unavailable), a 503 with `Retry-After`. On pages where users query
/// [`Unavailable`](ErrorKind::Unavailable), a 503 with `Retry-After`. On pages where users query
///
/// # Too many events
///
/// A query reads at most [`max_events`](AnalyticsRules::max_events) events; an overview, a series,
/// a summary or a report at most two million. Beyond that it fails with
/// [`TooLarge`](ErrorKind::TooLarge). On a store with rollups, an overview, a series, active users
/// and a system report use the rollups instead, and name the spans that are missing from the
/// figures: [`Overview::unread`](crate::analytics::Overview::unread). So a burst of events does not
/// make these reports fail.
#[derive(Clone)]
pub struct Analytics {
    inner: Arc<Inner>,
    /// The user on whose behalf queries run.
    asker: Option<UserId>,
}

struct Inner {
    runtime: Runtime,
    rules: AnalyticsRules,
    objections: ExclusionRules,
    limiter: QueryLimiter,
}

impl Analytics {
    pub(crate) fn new(runtime: Runtime, rules: AnalyticsRules, objections: ExclusionRules) -> Self {
        let limiter = QueryLimiter::new(rules.max_concurrent_events, rules.max_wait);
        Self { inner: Arc::new(Inner { runtime, rules, objections, limiter }), asker: None }
    }

    /// Returns a handle whose queries belong to `user`: one of them runs at a time in this process,
    /// the others wait in line.
    ///
    /// Use it for pages on which users see their own figures. A user who sends many queries then
    /// delays neither dashboards nor other users. The name says who asks, not whose events are
    /// read.
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, UserId, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let ada = UserId::try_from("ada")?;
    /// let summary = guestbook.analytics().on_behalf_of(&ada).user_summary(ada.clone()).await?;
    /// assert_eq!(summary.total_activities, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn on_behalf_of(&self, user: &UserId) -> Self {
        Self { inner: self.inner.clone(), asker: Some(user.clone()) }
    }

    /// Waits for room for a query that reads the events of `scan`, at most `max` of them.
    async fn permit(&self, scan: Scan, max: usize) -> Result<QueryPermit> {
        let inner = &self.inner;
        let events = inner.runtime.tasks.within(inner.runtime.store.at_most(scan)).await?.min(max as u64);
        inner.limiter.permit(self.asker.as_ref(), events).await
    }

    /// Calls `look` with each event that counts, in the order of history.
    async fn for_each(&self, range: Range, filter: &EventFilter, mut look: impl FnMut(&Activity) + Send) -> Result<()> {
        let inner = &self.inner;
        let (mut seen, max) = (0, inner.rules.max_events.min(OVERVIEW));
        let mut scan = Scan::new(range);
        scan.user = filter.activities.user.clone();
        let _permit = self.permit(scan, max).await?;
        let exclusion = self.exclusion().await?;
        let counts = |activity: &&Activity| !exclusion.iter().any(|exclusion| exclusion.has(&activity.event));
        let mut wanted = filter.clone();
        wanted.activities.except_types.extend_from_slice(&inner.rules.except_types);
        wanted.activities = wanted.activities.from(range.from()).until(range.until());
        let mut query = HistoryQuery::new(wanted.activities.clone());
        query = query.order(Order::OldestFirst).limit(HistoryQuery::MAX_LIMIT);
        loop {
            let page = inner.runtime.tasks.within(inner.runtime.store.history(query.clone())).await?;
            seen += page.activities.len();
            if seen > max {
                let context = format!("a query reads at most {max} events: use a shorter range");
                return Err(Error::new(ErrorKind::TooLarge, context));
            }
            let meant = page.activities.iter().filter(|activity| wanted.matches(&activity.event));
            meant.filter(counts).for_each(&mut look);
            match page.next {
                Some(next) => query = query.after(next),
                None => return Ok(()),
            }
        }
    }

    /// Returns the aggregate query, if a store may answer it from rollups: all events of `range`
    /// but some types, or the events with one property in common.
    async fn aggregate_query(&self, range: Range, filter: &EventFilter) -> Result<Option<AggregateQuery>> {
        let Some(only) = filter.slice() else { return Ok(None) };
        let rules = &self.inner.rules;
        let types = rules.except_types.iter().chain(&filter.activities.except_types).cloned();
        let query = AggregateQuery::new(range).except_types(types).exclusion(self.exclusion().await?);
        let query = query.passive_types(rules.passive_types.iter().cloned());
        Ok(Some(AggregateQuery { only, ..query.max_events(rules.max_events.min(OVERVIEW)) }))
    }

    /// Returns the answer of a store that may use rollups, within the limits of room and time.
    async fn rolled_up_answer<T, A>(
        &self,
        range: Range,
        filter: &EventFilter,
        ask: impl FnOnce(AggregateQuery) -> Option<A>,
    ) -> Result<Option<T>>
    where
        A: Future<Output = Result<Option<T>>>,
    {
        if filter.slice().is_none() {
            return Ok(None);
        }
        let _permit = self.permit(Scan::new(range), self.inner.rules.max_events.min(OVERVIEW)).await?;
        let Some(query) = self.aggregate_query(range, filter).await? else { return Ok(None) };
        match ask(query) {
            Some(answer) => self.in_time(answer).await,
            None => Ok(None),
        }
    }

    /// Returns the store's answer, within the time limit.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let in_time = tokio::time::timeout(self.inner.rules.time_limit, answer).await;
        in_time.map_err(|late| Error::new(ErrorKind::Timeout, "the query took too long").with_source(late))?
    }

    /// Returns the people whose events do not count: those named in the rules, and those excluded
    /// by a restriction or a refused purpose.
    async fn exclusion(&self) -> Result<Vec<Exclusion>> {
        let mut exclusion = self.inner.objections.exclusion(&self.inner.runtime).await?;
        exclusion.push(Exclusion::new(self.inner.rules.except_users.iter().cloned().map(Into::into)));
        Ok(exclusion)
    }

    /// Runs a long computation on a blocking thread.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| {
            Error::new(ErrorKind::Internal, "an answer was not computed to its end").with_source(error)
        })
    }
}

/// The largest number of events that an overview reads. It keeps about 100 bytes of each.
const OVERVIEW: usize = 2_000_000;

impl fmt::Debug for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analytics").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}
