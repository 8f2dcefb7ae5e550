//! [`Analytics`]: answers about what was recorded, from the store.

mod actors;
mod behaviour;
mod gather;
mod journey;
mod overview;
mod report;
mod rollups;
mod rules;
mod series;
mod turns;

use std::{fmt, sync::Arc};

use self::turns::{Turn, Turns};

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

/// Answers about what was recorded. Its questions, and what exactly they mean, are in
/// [`analysis`](crate::analytics). A clone is another handle.
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
/// Each answer is exact. Events of users whose processing is
/// [restricted](crate::privacy::Rights::restrict), or who object to it, do not count: see
/// [`AnalyticsRules`]. Events that are stored or deleted meanwhile may or may not count. A range is
/// half-open, days and hours are those of a [`Zone`](crate::analytics::Zone).
///
/// # What an answer costs
///
/// - An **overview**, a **series**, **active users** and a **report** of all events are put
///   together from hours and days that the store has summed up in the background
///   ([`roll_up`](Analytics::roll_up)), and from the events of what it has not: the last hour or
///   two. Their time grows with the number of days in the range, not with what is kept beside. So
///   are series and active users of one event type, one route or one kind of device. With
///   [`MemoryStore`](crate::store::MemoryStore), with other filters, and for series by the minute
///   they look at each event.
/// - **Behaviour** (funnels, patterns, paths, cohorts) is read from the events of the range; a
///   summary, a report and a journey of one user from theirs.
///
/// # How many at a time
///
/// Questions share room for [so many events](AnalyticsRules::events_at_a_time) (20 million). Each
/// takes as much of it as the store says that it will look at, at most
/// ([`AnalyticsStore::at_most`](crate::store::AnalyticsStore::at_most)), and gives it back with its
/// memory when it is answered, or when its task has ended after the asker went away. Whoever finds
/// no room waits in line, and after [a while](AnalyticsRules::max_wait) gets
/// [`Unavailable`](ErrorKind::Unavailable): a 503 with `Retry-After`. Ask [on behalf
/// of](Analytics::on_behalf_of) a user where users ask themselves: one question at a time.
///
/// # Too many events
///
/// An answer looks at so many events one by one as [`AnalyticsRules`] say; an overview, a series, a
/// summary or a report at two million. With more it is [`TooLarge`](ErrorKind::TooLarge). An
/// overview, a series, active users and a system report of a store that rolls up fall back to what
/// is rolled up then, and name the stretches that are not in the figures:
/// [`Overview::unread`](crate::analytics::Overview::unread). So a flood of events keeps nobody from
/// their report.
#[derive(Clone)]
pub struct Analytics {
    inner: Arc<Inner>,
    /// Who asks, if it is a user.
    asker: Option<UserId>,
}

struct Inner {
    runtime: Runtime,
    rules: AnalyticsRules,
    objections: ExclusionRules,
    turns: Turns,
}

impl Analytics {
    pub(crate) fn new(runtime: Runtime, rules: AnalyticsRules, objections: ExclusionRules) -> Self {
        let turns = Turns::new(rules.events_at_a_time, rules.max_wait);
        Self { inner: Arc::new(Inner { runtime, rules, objections, turns }), asker: None }
    }

    /// A handle whose questions are this user's, wherever in the process they are asked: one of
    /// them is answered at a time, and the others wait for it as for room. So nobody who asks much
    /// keeps dashboards and other users waiting.
    ///
    /// It is about who asks, not about whom they ask: use it for the pages on which users see their
    /// own figures.
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

    /// Waits for room for a question that looks at the events of `scan`, at most `max` of them.
    async fn turn(&self, scan: Scan, max: usize) -> Result<Turn> {
        let inner = &self.inner;
        let events = inner.runtime.tasks.within(inner.runtime.store.at_most(scan)).await?.min(max as u64);
        inner.turns.turn(self.asker.as_ref(), events).await
    }

    /// Shows each event that counts, in the order of history.
    async fn each(&self, range: Range, filter: &EventFilter, mut look: impl FnMut(&Activity) + Send) -> Result<()> {
        let inner = &self.inner;
        let (mut seen, max) = (0, inner.rules.max_events.min(OVERVIEW));
        let mut scan = Scan::new(range);
        scan.user = filter.activities.user.clone();
        let _turn = self.turn(scan, max).await?;
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

    /// What counts, if a store may know a quicker way to it: everything of `range` but some types,
    /// or what has one thing in common.
    async fn counting(&self, range: Range, filter: &EventFilter) -> Result<Option<AggregateQuery>> {
        let Some(only) = filter.slice() else { return Ok(None) };
        let rules = &self.inner.rules;
        let types = rules.except_types.iter().chain(&filter.activities.except_types).cloned();
        let counting = AggregateQuery::new(range).except_types(types).exclusion(self.exclusion().await?);
        let counting = counting.passive_types(rules.passive_types.iter().cloned());
        Ok(Some(AggregateQuery { only, ..counting.max_events(rules.max_events.min(OVERVIEW)) }))
    }

    /// An answer that the store may know a quicker way to, if there is room for it and it comes in
    /// time.
    async fn told<T, A>(
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
        let _turn = self.turn(Scan::new(range), self.inner.rules.max_events.min(OVERVIEW)).await?;
        let Some(counting) = self.counting(range, filter).await? else { return Ok(None) };
        match ask(counting) {
            Some(answer) => self.in_time(answer).await,
            None => Ok(None),
        }
    }

    /// An answer of the store, if it comes in time.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let in_time = tokio::time::timeout(self.inner.rules.time_limit, answer).await;
        in_time.map_err(|late| Error::new(ErrorKind::Timeout, "the question took too long").with_source(late))?
    }

    /// Whose events do not count: those whom the rules name, and whom [`AnalyticsRules`] leave out
    /// by themselves.
    async fn exclusion(&self) -> Result<Vec<Exclusion>> {
        let mut exclusion = self.inner.objections.exclusion(&self.inner.runtime).await?;
        exclusion.push(Exclusion::new(self.inner.rules.except_users.iter().cloned().map(Into::into)));
        Ok(exclusion)
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
