//! [`Analytics`]: answers about what was recorded, from the store.
//!
//! Each answer is exact. Events of users whose processing is [restricted](crate::Rights::restrict), or who object to it, do
//! not count: see [`AnalyticsRules`]. Events that are stored or deleted meanwhile may or may not count. A range is half-open, days and hours are those of a [`Zone`](crate::analysis::Zone).
//!
//! # What an answer costs
//!
//! - An **overview**, a **series**, **active users** and a **report** of all events are put together from hours and days that the store has
//!   summed up in the background ([`roll_up`](Analytics::roll_up)), and from the events of what it has not: the last hour or two. Their time grows
//!   with the number of days in the range, not with what is kept beside. So are series and active users of one event type, one route or one
//!   kind of device. With [`MemoryStore`](crate::store::MemoryStore), with other filters, and for series by the minute they look at each
//!   event.
//! - **Behaviour** (funnels, patterns, paths, cohorts) is read from the events of the range; a summary, a report and a journey of one user
//!   from theirs.
//!
//! An answer looks at so many events one by one as [`AnalyticsRules`] say; an overview, a series, a summary or a report at two million.

mod actors;
mod behaviour;
mod gather;
mod journey;
mod overview;
mod report;
mod rollups;
mod rules;
mod series;

use std::{fmt, sync::Arc};

pub use self::rules::AnalyticsRules;
use crate::{
    activity::{Activity, HistoryQuery, Order},
    analysis::{EventFilter, Range},
    consents::Objections,
    error::{Error, ErrorKind, Result},
    store::{Counting, LeftOut, dynamic::DynamicStore},
    tasks::Tasks,
    time::Clock,
};

/// Answers about what was recorded. Its questions, and what exactly they mean, are in [`analysis`](crate::analysis). A clone is another handle.
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
#[derive(Clone)]
pub struct Analytics {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn DynamicStore>,
    tasks: Tasks,
    clock: Clock,
    rules: AnalyticsRules,
    objections: Objections,
}

impl Analytics {
    pub(crate) fn new(
        store: Arc<dyn DynamicStore>,
        tasks: Tasks,
        clock: Clock,
        rules: AnalyticsRules,
        objections: Objections,
    ) -> Self {
        Self { inner: Arc::new(Inner { store, tasks, clock, rules, objections }) }
    }

    /// Shows each event that counts, in the order of history.
    async fn each(&self, range: Range, filter: &EventFilter, mut look: impl FnMut(&Activity) + Send) -> Result<()> {
        let inner = &self.inner;
        let left_out = self.left_out().await?;
        let counts = |activity: &&Activity| !left_out.iter().any(|left_out| left_out.has(&activity.event));
        let mut wanted = filter.clone();
        wanted.activities.except_types.extend_from_slice(&inner.rules.except_types);
        wanted.activities = wanted.activities.from(range.from()).until(range.until());
        let mut query = HistoryQuery::new(wanted.activities.clone());
        query = query.order(Order::OldestFirst).limit(HistoryQuery::MAX_LIMIT);
        let (mut seen, max) = (0, inner.rules.max_events.min(OVERVIEW));
        loop {
            let page = inner.tasks.within(inner.store.history(query.clone())).await?;
            seen += page.activities.len();
            if seen > max {
                let context = format!("an answer looks at {max} events at most: ask for a shorter range");
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

    /// What counts, if a store may know a quicker way to it: everything of `range` but some types, or what has one thing in common.
    async fn counting(&self, range: Range, filter: &EventFilter) -> Result<Option<Counting>> {
        let Some(only) = filter.slice() else { return Ok(None) };
        let rules = &self.inner.rules;
        let types = rules.except_types.iter().chain(&filter.activities.except_types).cloned();
        let counting = Counting::new(range).except_types(types).left_out(self.left_out().await?);
        let counting = counting.passive_types(rules.passive_types.iter().cloned());
        Ok(Some(Counting { only, ..counting.max_events(rules.max_events.min(OVERVIEW)) }))
    }

    /// An answer of the store, if it comes in time.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let in_time = tokio::time::timeout(self.inner.rules.time_limit, answer).await;
        in_time.map_err(|late| Error::new(ErrorKind::Timeout, "the question took too long").with_source(late))?
    }

    /// Whose events do not count: those whom the rules name, and whom [`AnalyticsRules`] leave out by themselves.
    async fn left_out(&self) -> Result<Vec<LeftOut>> {
        let mut left_out = self.inner.objections.left_out(&*self.inner.store, &self.inner.tasks).await?;
        left_out.push(LeftOut::new(self.inner.rules.except_users.iter().cloned().map(Into::into)));
        Ok(left_out)
    }

    /// What computes for long over what was gathered, not in the way of requests.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| {
            Error::new(ErrorKind::Internal, "an answer was not computed to its end").with_source(error)
        })
    }
}

/// So many events an overview looks at, at most: it keeps some 100 bytes of each.
const OVERVIEW: usize = 2_000_000;

impl fmt::Debug for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analytics").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}
