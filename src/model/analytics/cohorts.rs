//! [`CohortQuery`]: retention by cohort.

use serde::Serialize;

use super::{
    AnalyticsActor, FunnelStep, Period, Range, Zone,
    funnel::Mark,
    periods::Periods,
    timelines::{invalid, share},
};
use crate::{error::Result, time::Timestamp};

/// A retention query: how many actors of a cohort come back in later periods?
///
/// # Definition
///
/// An actor belongs to the cohort of the period that has their first event *within the range*, or
/// their first event that matches [`start_event`](Self::start_event). Events before the range are
/// not read: a long-time user looks new if the range begins late. With
/// [`recurring`](Self::recurring) an actor belongs to the cohort of every period that has such an
/// event.
///
/// Cell n of a cohort is the number of its actors with an event in exactly the n-th period after
/// the cohort's own. [`return_event`](Self::return_event) restricts which events count as a return.
/// With [`unbounded`](Self::unbounded) an event in a later period counts as well. Cell 0 is the
/// size of the cohort. A period that is not over, or that the range cuts, is marked as incomplete.
///
/// # Limits
///
/// Periods are days, weeks (from any day of the week) or months; a query has at most [`MAX_PERIODS`](Self::MAX_PERIODS).
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{Event, EventType},
///     analytics::{CohortQuery, Period, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// for (user, day) in [(1, 0), (2, 0), (1, 2), (3, 1), (3, 2)] {
///     let time = Timestamp::from_millis(day * 86_400_000);
///     let mut event = Event::new(EventType::PAGE_VIEW, time);
///     event.user = Some(UserId::from(user));
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(3 * 86_400_000))?;
/// let query = CohortQuery::new(Period::Day);
/// let retention = guestbook.analytics().cohort_retention(range, query).await?;
/// let actors = |cohort: usize| {
///     retention.cohorts[cohort].cells.iter().map(|cell| cell.actors).collect::<Vec<_>>()
/// };
/// assert_eq!((actors(0), actors(1), actors(2)), (vec![2, 0, 1], vec![1, 1], vec![0]));
/// assert_eq!(retention.cohorts[0].cells[2].share, Some(0.5));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct CohortQuery {
    period: Period,
    zone: Zone,
    pub(crate) actor: AnalyticsActor,
    pub(crate) start_event: Option<FunnelStep>,
    pub(crate) return_event: Option<FunnelStep>,
    is_recurring: bool,
    is_unbounded: bool,
}

/// The answer to a [`CohortQuery`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CohortRetention {
    /// The cohorts in order, one for each period that the range touches.
    pub cohorts: Vec<Cohort>,
}

/// The actors that started in one period.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cohort {
    /// Start of the period.
    pub from: Timestamp,
    /// Number of actors in the cohort.
    pub size: u64,
    /// The retention of the cohort, from its own period on.
    pub cells: Vec<CohortCell>,
}

/// The retention of a [`Cohort`] in one period.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CohortCell {
    /// Number of actors that came back.
    pub actors: u64,
    /// Their share of the cohort; `None` if the cohort is empty.
    pub share: Option<f64>,
    /// Whether the whole period is over and within the range.
    pub complete: bool,
}

impl CohortQuery {
    /// The largest number of periods: 180.
    pub const MAX_PERIODS: usize = 180;

    /// Creates a query by `period` in UTC. Any event starts a cohort, any event is a return, and
    /// actors are [`AnalyticsActor::Person`].
    pub fn new(period: Period) -> Self {
        Self {
            period,
            zone: Zone::default(),
            actor: AnalyticsActor::default(),
            start_event: None,
            return_event: None,
            is_recurring: false,
            is_unbounded: false,
        }
    }

    /// Sets the time zone of the periods. Default: UTC.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Sets the unit that counts once. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Sets the event that puts an actor into a cohort. Default: any event.
    pub fn start_event(mut self, event: FunnelStep) -> Self {
        self.start_event = Some(event);
        self
    }

    /// Sets the event that counts as a return. Default: any event.
    pub fn return_event(mut self, event: FunnelStep) -> Self {
        self.return_event = Some(event);
        self
    }

    /// Puts an actor into the cohort of every period with a start event, not only the first.
    pub fn recurring(mut self) -> Self {
        self.is_recurring = true;
        self
    }

    /// Counts an actor as retained in a period if they return in that period or a later one.
    pub fn unbounded(mut self) -> Self {
        self.is_unbounded = true;
        self
    }

    /// Returns the periods of the range.
    pub(crate) fn periods(&self, range: Range) -> Result<Periods> {
        if !matches!(self.period, Period::Day | Period::Week | Period::WeekFrom(_) | Period::Month) {
            return Err(invalid("period", "cohorts are of a day, a week or a month"));
        }
        self.start_event.iter().chain(&self.return_event).try_for_each(FunnelStep::check)?;
        Periods::of(range, self.period, &self.zone, Self::MAX_PERIODS)
    }

    /// Computes the answer. Bit 0 of a mark is a start event, bit 1 a return event.
    pub(crate) fn answer(&self, periods: &Periods, mut marks: Vec<Mark>, now: Timestamp) -> CohortRetention {
        marks.sort_unstable_by_key(|mark| mark.actor);
        let count = periods.len();
        let (mut sizes, mut cells) = (vec![0; count], vec![vec![0; count]; count]);
        for marks in marks.chunk_by(|one, next| one.actor == next.actor) {
            let (mut begins, mut backs) = (vec![false; count], vec![false; count]);
            for mark in marks {
                let period = periods.index(mark.time);
                begins[period] |= mark.bits & 1 != 0;
                backs[period] |= mark.bits & 2 != 0;
            }
            let last = backs.iter().rposition(|is_back| *is_back);
            let cohorts = (0..count).filter(|period| begins[*period]);
            for cohort in cohorts.take(if self.is_recurring { count } else { 1 }) {
                sizes[cohort] += 1;
                for period in cohort + 1..count {
                    let is_back =
                        if self.is_unbounded { last.is_some_and(|last| last >= period) } else { backs[period] };
                    cells[cohort][period] += u64::from(is_back);
                }
            }
        }
        let cohorts = (0..count).map(|cohort| {
            let size = sizes[cohort];
            let cells = (cohort..count).map(|period| {
                let actors = if period == cohort { size } else { cells[cohort][period] };
                CohortCell { actors, share: share(actors, size), complete: periods.is_complete(period, now) }
            });
            Cohort { from: periods.bounds(cohort).0, size, cells: cells.collect() }
        });
        CohortRetention { cohorts: cohorts.collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn days(from: i64, until: i64) -> Range {
        Range::new(Timestamp::from_millis(from * DAY), Timestamp::from_millis(until * DAY)).unwrap()
    }

    proptest! {
        #[test]
        fn answer_computes_cells_as_documented(
            events in prop::collection::vec((0..5u32, 0..7i64, 0..4u16), 0..40),
            is_recurring in any::<bool>(),
            is_unbounded in any::<bool>(),
        ) {
            let query = CohortQuery { is_recurring, is_unbounded, ..CohortQuery::new(Period::Day) };
            let periods = query.periods(days(0, 7)).unwrap();
            let marks = events.iter().map(|(actor, day, bits)| {
                Mark { actor: *actor, time: day * DAY + 5, bits: *bits, branch: 0 }
            });
            let answer = query.answer(&periods, marks.collect(), Timestamp::from_millis(6 * DAY));
            let has = |actor: u32, day: i64, bit: u16| {
                events.iter().any(|(other, at, bits)| (*other, *at) == (actor, day) && bits & bit != 0)
            };
            for cohort in 0..7i64 {
                let belongs = |actor: &u32| {
                    has(*actor, cohort, 1) && (is_recurring || (0..cohort).all(|day| !has(*actor, day, 1)))
                };
                let members: Vec<u32> = (0..5).filter(belongs).collect();
                let found = &answer.cohorts[cohort as usize];
                prop_assert_eq!((found.size, found.cells.len() as i64), (members.len() as u64, 7 - cohort));
                for (n, cell) in (0..).zip(&found.cells) {
                    let came = |actor: &&u32| match (n, is_unbounded) {
                        (0, _) => true,
                        (n, false) => has(**actor, cohort + n, 2),
                        (n, true) => (cohort + n..7).any(|day| has(**actor, day, 2)),
                    };
                    prop_assert_eq!(cell.actors, members.iter().filter(came).count() as u64);
                    prop_assert_eq!(cell.complete, cohort + n < 6);
                }
            }
        }
    }

    #[test]
    fn cohorts_use_days_of_the_zone_across_clock_changes() {
        let at = |text: &str| Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let query = CohortQuery::new(Period::Day).zone(Zone::named("Europe/Berlin").unwrap());
        // Saturday, Sunday with 23 hours, Monday.
        let range = Range::new(at("2026-03-27T23:00:00Z"), at("2026-03-30T22:00:00Z")).unwrap();
        let periods = query.periods(range).unwrap();
        let mark = |text: &str| Mark { actor: 1, time: at(text).as_millis(), bits: 3, branch: 0 };
        let marks = vec![mark("2026-03-28T22:59:59Z"), mark("2026-03-29T22:00:00Z")];
        let answer = query.answer(&periods, marks, range.until());
        let cells: Vec<_> = answer.cohorts[0].cells.iter().map(|cell| cell.actors).collect();
        assert_eq!((answer.cohorts.len(), cells), (3, vec![1, 0, 1]));
        assert!(answer.cohorts.iter().flat_map(|cohort| &cohort.cells).all(|cell| cell.complete));
    }

    #[test]
    fn check_rejects_invalid_parameters() {
        let refusal = |query: CohortQuery, range| query.periods(range).err().map(|error| error.to_string());
        assert!(refusal(CohortQuery::new(Period::Hour), days(0, 1)).unwrap().contains("period"));
        assert!(refusal(CohortQuery::new(Period::Day), days(0, 181)).unwrap().contains("range"));
        assert_eq!(refusal(CohortQuery::new(Period::Day), days(0, 180)), None);
        let everything = Range::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).unwrap();
        assert!(refusal(CohortQuery::new(Period::Month), everything).unwrap().contains("range"));
    }
}
