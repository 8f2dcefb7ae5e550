//! [`FeatureQuery`] and [`AdoptionQuery`]: use of features, and how it spreads.

use serde::Serialize;

use super::{
    AnalyticsActor, FunnelStep, Labels, Period, Range, Zone,
    funnel::Mark,
    patterns::check_limit,
    periods::Periods,
    timelines::{Timelines, share},
};
use crate::{error::Result, model::activity::EventType, time::Timestamp};

/// A feature query: which features are used, and by how many actors?
///
/// A feature is an event [label](Labels). For each feature the answer has the number of events, the
/// number of distinct actors, their share of all actors with a counted event in the range, and the
/// first and last use. Features are sorted by actors, then by events, both descending, then by
/// label.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{Event, EventType},
///     analytics::{FeatureQuery, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// for (user, event_type) in [(1, "search"), (1, "search"), (2, "search"), (2, "export")] {
///     let time = Timestamp::from_millis(0);
///     let mut event = Event::new(EventType::new(event_type)?, time);
///     event.user = Some(UserId::from(user));
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
/// let usage = guestbook.analytics().feature_usage(range, FeatureQuery::new().limit(1)).await?;
/// assert_eq!((usage.active, usage.distinct), (2, 2));
/// let search = &usage.features[0];
/// assert_eq!((&*search.label, search.events, search.actors), ("search", 3, 2));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct FeatureQuery {
    pub(crate) labels: Labels,
    pub(crate) actor: AnalyticsActor,
    pub(crate) types: Option<Vec<EventType>>,
    pub(crate) limit: usize,
}

/// The answer to a [`FeatureQuery`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeatureUsage {
    /// Number of distinct actors with an event of the queried types.
    pub active: u64,
    /// Number of distinct features.
    pub distinct: u64,
    /// The most used features, at most [`limit`](FeatureQuery::limit).
    pub features: Vec<Feature>,
}

/// A feature and how much it is used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Feature {
    /// The label of its events.
    pub label: String,
    /// Number of events.
    pub events: u64,
    /// Number of distinct actors.
    pub actors: u64,
    /// Their share of the active actors.
    pub share: Option<f64>,
    /// Time of the first use in the range.
    pub first: Timestamp,
    /// Time of the last use in the range.
    pub last: Timestamp,
}

impl FeatureQuery {
    /// The largest limit: 10,000.
    pub const MAX_LIMIT: usize = 10_000;

    /// Creates a query for the 50 most used features, by [`Labels::Pages`] and
    /// [`AnalyticsActor::Person`].
    pub fn new() -> Self {
        Self { labels: Labels::default(), actor: AnalyticsActor::default(), types: None, limit: 50 }
    }

    /// Sets how events are labelled. Default: [`Labels::Pages`].
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// Sets the unit that counts once. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Restricts the query to events of these types. Default: all that count.
    pub fn types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.types = Some(types.into_iter().collect());
        self
    }

    /// Limits the number of features. Default: 50.
    pub fn limit(mut self, features: usize) -> Self {
        self.limit = features;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_limit(self.limit, Self::MAX_LIMIT)
    }

    pub(crate) fn answer(&self, lines: &Timelines) -> FeatureUsage {
        let mut tallies = vec![Tally::default(); lines.names.len()];
        let mut active = 0;
        for steps in lines.actors() {
            active += 1;
            for step in steps {
                let tally = &mut tallies[step.label as usize];
                if tally.events == 0 {
                    (tally.first, tally.last) = (step.time, step.time);
                }
                tally.events += 1;
                tally.actors += u64::from(tally.last_actor != active);
                tally.last_actor = active;
                tally.first = tally.first.min(step.time);
                tally.last = tally.last.max(step.time);
            }
        }
        let features = (0..).zip(tallies).map(|(label, tally)| Feature {
            label: lines.names.name(label).to_owned(),
            events: tally.events,
            actors: tally.actors,
            share: share(tally.actors, active),
            first: Timestamp::from_millis(tally.first),
            last: Timestamp::from_millis(tally.last),
        });
        let mut features: Vec<_> = features.collect();
        features.sort_by(|one, other| {
            let most = (other.actors, other.events).cmp(&(one.actors, one.events));
            most.then_with(|| one.label.cmp(&other.label))
        });
        let distinct = features.len() as u64;
        features.truncate(self.limit);
        FeatureUsage { active, distinct, features }
    }
}

impl Default for FeatureQuery {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Default)]
struct Tally {
    events: u64,
    actors: u64,
    last_actor: u64,
    first: i64,
    last: i64,
}

/// An adoption query: how many actors have started to use a feature, and when?
///
/// For each period that the range touches, the answer has the number of actors whose *first use
/// within the range* lies in that period, and the total up to its end. Uses before the range are
/// not read: let the range begin when the feature was released.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{Event, EventType},
///     analytics::{AdoptionQuery, FunnelStep, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let events = [(1, "export", 0), (1, "export", 1), (2, "export", 2), (3, "search", 2)];
/// for (user, event_type, day) in events {
///     let time = Timestamp::from_millis(day * 86_400_000);
///     let mut event = Event::new(EventType::new(event_type)?, time);
///     event.user = Some(UserId::from(user));
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(3 * 86_400_000))?;
/// let export = FunnelStep::new(EventType::new("export")?);
/// let adoption = guestbook.analytics().adoption(range, AdoptionQuery::new(export)).await?;
/// assert_eq!(adoption.periods.iter().map(|period| period.total).collect::<Vec<_>>(), [1, 1, 2]);
/// assert_eq!(adoption.share, Some(2.0 / 3.0));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct AdoptionQuery {
    pub(crate) feature: FunnelStep,
    pub(crate) actor: AnalyticsActor,
    period: Period,
    zone: Zone,
}

/// The answer to an [`AdoptionQuery`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Adoption {
    /// Number of distinct actors with a counted event.
    pub active: u64,
    /// Number of actors that used the feature.
    pub adopters: u64,
    /// The share of active actors that used the feature.
    pub share: Option<f64>,
    /// The periods in order.
    pub periods: Vec<AdoptionPeriod>,
}

/// One period of an [`Adoption`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AdoptionPeriod {
    /// Start of the period.
    pub from: Timestamp,
    /// Number of actors that used the feature for the first time.
    pub adopters: u64,
    /// Number of actors that have used it by the end of the period.
    pub total: u64,
    /// Whether the whole period is over and within the range.
    pub complete: bool,
}

impl AdoptionQuery {
    /// The largest number of periods: 1,000.
    pub const MAX_PERIODS: usize = 1_000;

    /// Creates a query for the use of `feature` by days in UTC, by [`AnalyticsActor::Person`].
    pub fn new(feature: FunnelStep) -> Self {
        Self { feature, actor: AnalyticsActor::default(), period: Period::Day, zone: Zone::default() }
    }

    /// Sets the length of a period. Default: a day.
    pub fn period(mut self, period: Period) -> Self {
        self.period = period;
        self
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

    /// Returns the periods of the range.
    pub(crate) fn periods(&self, range: Range) -> Result<Periods> {
        self.feature.check()?;
        Periods::of(range, self.period, &self.zone, Self::MAX_PERIODS)
    }

    /// Computes the answer. Bit 0 of a mark is a use of the feature.
    pub(crate) fn answer(periods: &Periods, mut marks: Vec<Mark>, now: Timestamp) -> Adoption {
        marks.sort_unstable_by_key(|mark| (mark.actor, mark.time));
        let (mut active, mut adopters) = (0, vec![0; periods.len()]);
        for marks in marks.chunk_by(|one, next| one.actor == next.actor) {
            active += 1;
            if let Some(first) = marks.iter().find(|mark| mark.bits & 1 != 0) {
                adopters[periods.index(first.time)] += 1;
            }
        }
        let mut total = 0;
        let all = adopters.iter().enumerate().map(|(index, adopters)| {
            total += adopters;
            let complete = periods.is_complete(index, now);
            AdoptionPeriod { from: periods.bounds(index).0, adopters: *adopters, total, complete }
        });
        let all: Vec<_> = all.collect();
        Adoption { active, adopters: total, share: share(total, active), periods: all }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{super::timelines::tests::timelines, *};

    proptest! {
        #[test]
        fn feature_usage_equals_naive_counts(
            events in prop::collection::vec((0..4u32, 0..50i64, prop::sample::select(vec!["b", "a", "c"])), 0..30),
            limit in 1..5usize,
        ) {
            let usage = FeatureQuery::new().limit(limit).answer(&timelines(&events));
            let actors = |label: Option<&str>| {
                let of_label = events.iter().filter(|(_, _, other)| label.is_none_or(|label| label == *other));
                of_label.map(|(actor, ..)| *actor).collect::<BTreeSet<_>>().len() as u64
            };
            let labels: BTreeSet<&str> = events.iter().map(|(_, _, label)| *label).collect();
            prop_assert_eq!((usage.active, usage.distinct), (actors(None), labels.len() as u64));
            prop_assert_eq!(usage.features.len(), labels.len().min(limit));
            for feature in &usage.features {
                let times: Vec<i64> =
                    events.iter().filter(|(_, _, label)| *label == feature.label).map(|(_, time, _)| time * 60_000).collect();
                prop_assert_eq!((feature.events, feature.actors), (times.len() as u64, actors(Some(&feature.label))));
                prop_assert_eq!(Some(feature.first.as_millis()), times.iter().min().copied());
                prop_assert_eq!(Some(feature.last.as_millis()), times.iter().max().copied());
                prop_assert_eq!(feature.share, Some(feature.actors as f64 / usage.active as f64));
            }
            let order = |feature: &Feature| (std::cmp::Reverse((feature.actors, feature.events)), feature.label.clone());
            prop_assert!(usage.features.windows(2).all(|pair| order(&pair[0]) < order(&pair[1])));
        }

        #[test]
        fn adoption_counts_actors_in_the_period_of_first_use(
            events in prop::collection::vec((0..5u32, 0..10i64, any::<bool>()), 0..30),
        ) {
            const DAY: i64 = 86_400_000;
            let range = Range::new(Timestamp::from_millis(DAY / 2), Timestamp::from_millis(10 * DAY)).unwrap();
            let query = AdoptionQuery::new(FunnelStep::new(EventType::ACTION));
            let time = |day: i64| day * DAY + DAY * 2 / 3;
            let marks = events.iter().map(|(actor, day, is_use)| {
                Mark { actor: *actor, time: time(*day), bits: u16::from(*is_use), branch: 0 }
            });
            let periods = query.periods(range).unwrap();
            let answer = AdoptionQuery::answer(&periods, marks.collect(), Timestamp::from_millis(9 * DAY));
            prop_assert_eq!(answer.periods.len(), 10);
            for (day, period) in (0..).zip(&answer.periods) {
                let until = |day: i64| {
                    let users = events.iter().filter(|(_, used, is_use)| *is_use && *used <= day);
                    users.map(|(actor, ..)| actor).collect::<BTreeSet<_>>().len() as u64
                };
                prop_assert_eq!(period.from.as_millis(), day * DAY);
                prop_assert_eq!((period.total, period.adopters), (until(day), until(day) - until(day - 1)));
                // The first day begins before the range; the last one is not over.
                prop_assert_eq!(period.complete, day > 0 && day < 9);
            }
        }
    }
}
