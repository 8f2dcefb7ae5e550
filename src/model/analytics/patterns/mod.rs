//! [`PatternQuery`]: common sequences of events.

mod gapped;
mod ngrams;

use std::cmp::Reverse;

use serde::Serialize;

use super::{
    AnalyticsActor, Labels,
    timelines::{Names, Timelines, invalid, share},
};
use crate::{error::Result, model::activity::EventType};

/// A pattern query: which sequences of events occur in the most visits?
///
/// # Definition
///
/// The events of each [`AnalyticsActor`] are split into [visits](super::visits()), and each event
/// gets its [label](Labels). A *pattern* is a sequence of 2 to [`longest`](Self::longest) labels. A
/// visit contains the pattern if the labels follow each other directly in it; with
/// [`gapped`](Self::gapped), other events may lie between. The *support* of a pattern is the number
/// of visits that contain it, however often.
///
/// The answer lists the patterns with the largest support. With equal support, longer patterns come
/// first, then the order of labels decides.
///
/// Gapped patterns need a minimum support (PrefixSpan; Pei et al. 2001): without one there are too
/// many to count.
///
/// # Limits
///
/// [`MAX_LENGTH`](Self::MAX_LENGTH), [`MAX_LIMIT`](Self::MAX_LIMIT), and
/// [`MAX_PATTERNS`](Self::MAX_PATTERNS) distinct patterns. Beyond that the query fails with
/// [`TooLarge`](crate::ErrorKind::TooLarge).
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{Event, EventType},
///     analytics::{PatternQuery, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// for (user, event_type) in [(1, "search"), (2, "search"), (1, "open"), (2, "open"), (1, "buy")] {
///     let mut event = Event::new(EventType::new(event_type)?, Timestamp::from_millis(0));
///     event.user = Some(UserId::from(user));
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let day = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
/// let common = guestbook.analytics().common_patterns(day, PatternQuery::new()).await?;
/// let patterns = common.patterns.iter();
/// let found: Vec<_> = patterns.map(|pattern| (pattern.labels.join(" "), pattern.visits)).collect();
/// assert_eq!(found[0], ("search open".into(), 2));
/// assert_eq!(found[1], ("search open buy".into(), 1));
/// assert_eq!(found[2], ("open buy".into(), 1));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PatternQuery {
    pub(crate) longest: usize,
    pub(crate) limit: usize,
    pub(crate) labels: Labels,
    pub(crate) actor: AnalyticsActor,
    pub(crate) types: Option<Vec<EventType>>,
    pub(crate) merges_repeats: bool,
    pub(crate) min_support: Option<u64>,
}

/// The answer to a [`PatternQuery`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CommonPatterns {
    /// Number of visits read.
    pub visits: u64,
    /// Number of distinct patterns.
    pub distinct: u64,
    /// The most common patterns.
    pub patterns: Vec<Pattern>,
}

/// A sequence of events.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pattern {
    /// The labels in order.
    pub labels: Vec<String>,
    /// Number of visits that contain the pattern.
    pub visits: u64,
    /// Percentage of all visits.
    pub percent: f64,
}

impl PatternQuery {
    /// The maximum length of a pattern.
    pub const MAX_LENGTH: usize = 8;
    /// The largest limit: 1,000.
    pub const MAX_LIMIT: usize = 1_000;
    /// The largest number of distinct patterns that are counted.
    pub const MAX_PATTERNS: usize = 2_000_000;

    /// Creates a query for the 20 most common patterns of 2 to 4 events, by [`Labels::Pages`] and
    /// [`AnalyticsActor::Person`].
    pub fn new() -> Self {
        Self {
            longest: 4,
            limit: 20,
            labels: Labels::default(),
            actor: AnalyticsActor::default(),
            types: None,
            merges_repeats: false,
            min_support: None,
        }
    }

    /// Limits the length of a pattern, in events. Default: 4.
    pub fn longest(mut self, events: usize) -> Self {
        self.longest = events;
        self
    }

    /// Limits the number of patterns. Default: 20.
    pub fn limit(mut self, patterns: usize) -> Self {
        self.limit = patterns;
        self
    }

    /// Sets how events are labelled. Default: [`Labels::Pages`].
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// Sets whose events are grouped together. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Restricts the query to events of these types. Default: all that count.
    pub fn types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.types = Some(types.into_iter().collect());
        self
    }

    /// Counts consecutive events of one label as one.
    pub fn merge_repeats(mut self) -> Self {
        self.merges_repeats = true;
        self
    }

    /// Allows other events between those of a pattern, and finds the patterns that at least
    /// `min_support` visits contain. The minimum is 1.
    pub fn gapped(mut self, min_support: u64) -> Self {
        self.min_support = Some(min_support);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !(2..=Self::MAX_LENGTH).contains(&self.longest) {
            return Err(invalid("longest", &format!("a pattern has 2 to {} events", Self::MAX_LENGTH)));
        }
        if self.min_support == Some(0) {
            return Err(invalid("gapped", "the least support is at least 1"));
        }
        check_limit(self.limit, Self::MAX_LIMIT)
    }

    /// Computes the answer.
    pub(crate) fn answer(&self, lines: &Timelines) -> Result<CommonPatterns> {
        let mut visits = Visits::default();
        for visit in lines.visits() {
            let begin = visits.labels.len();
            for step in visit {
                if !self.merges_repeats || visits.labels.get(begin..).and_then(<[u32]>::last) != Some(&step.label) {
                    visits.labels.push(step.label);
                }
            }
            visits.ends.push(visits.labels.len());
        }
        let mut found: Vec<(Vec<u32>, u64)> = match self.min_support {
            None => ngrams::count(&visits, self.longest)?,
            Some(least) => gapped::count(&visits, self.longest, least)?,
        };
        let distinct = found.len() as u64;
        let ranks = ranks(&lines.names);
        let rank = |(labels, support): &(Vec<u32>, u64)| {
            let names: Vec<u32> = labels.iter().map(|label| ranks[*label as usize]).collect();
            (Reverse(*support), Reverse(labels.len()), names)
        };
        if found.len() > self.limit {
            found.select_nth_unstable_by_key(self.limit, rank);
            found.truncate(self.limit);
        }
        found.sort_by_cached_key(rank);
        let total = visits.ends.len() as u64;
        let patterns = found.into_iter().map(|(labels, visits)| Pattern {
            labels: labels.into_iter().map(|label| lines.names.name(label).to_owned()).collect(),
            visits,
            percent: share(visits, total).unwrap_or_default() * 100.0,
        });
        Ok(CommonPatterns { visits: total, distinct, patterns: patterns.collect() })
    }
}

impl Default for PatternQuery {
    fn default() -> Self {
        Self::new()
    }
}

/// Checks that a limit is between 1 and `most`.
pub(super) fn check_limit(limit: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&limit) { Ok(()) } else { Err(invalid("limit", &format!("it is 1 to {most}"))) }
}

/// Returns the rank of each name in alphabetical order.
pub(super) fn ranks(names: &Names) -> Vec<u32> {
    let mut order: Vec<u32> = (0..names.len() as u32).collect();
    order.sort_by_key(|number| names.name(*number));
    let mut ranks = vec![0; order.len()];
    for (rank, number) in (0..).zip(order) {
        ranks[number as usize] = rank;
    }
    ranks
}

/// The labels of all visits in one list: four bytes for each event.
#[derive(Default)]
struct Visits {
    labels: Vec<u32>,
    /// The end of each visit.
    ends: Vec<usize>,
}

impl Visits {
    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.labels[begin..*end])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{super::timelines::tests::timelines, *};

    /// Lists all sequences that a visit contains.
    fn by_the_docs(visits: &[Vec<&str>], query: &PatternQuery) -> Vec<(Vec<String>, u64)> {
        let mut support: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        for visit in visits {
            let mut visit = visit.clone();
            if query.merges_repeats {
                visit.dedup();
            }
            let mut has: BTreeSet<Vec<String>> = BTreeSet::new();
            for set in 1u32..1 << visit.len() {
                let places: Vec<usize> = (0..visit.len()).filter(|place| set & (1 << place) != 0).collect();
                let is_side_by_side = places.windows(2).all(|pair| pair[1] == pair[0] + 1);
                if (2..=query.longest).contains(&places.len()) && (query.min_support.is_some() || is_side_by_side) {
                    has.insert(places.iter().map(|place| visit[*place].to_owned()).collect());
                }
            }
            for pattern in has {
                *support.entry(pattern).or_default() += 1;
            }
        }
        let mut found: Vec<_> =
            support.into_iter().filter(|(_, support)| *support >= query.min_support.unwrap_or(1)).collect();
        found.sort_by_key(|(labels, support)| (Reverse(*support), Reverse(labels.len()), labels.clone()));
        found
    }

    proptest! {
        #[test]
        fn answer_equals_enumeration_of_all_sequences(
            visits in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["b", "a", "c"]), 1..8), 0..6),
            longest in 2..5usize,
            limit in 1..30usize,
            merges in any::<bool>(),
            gapped in prop::option::of(1..4u64),
        ) {
            let mut query = PatternQuery::new().longest(longest).limit(limit);
            query.merges_repeats = merges;
            query.min_support = gapped;
            let events: Vec<_> = (0..).zip(&visits).flat_map(|(actor, visit)| visit.iter().map(move |label| (actor, 0, *label))).collect();
            let common = query.answer(&timelines(&events)).unwrap();
            let mut expected = by_the_docs(&visits, &query);
            prop_assert_eq!((common.visits, common.distinct), (visits.len() as u64, expected.len() as u64));
            expected.truncate(limit);
            let found: Vec<_> = common.patterns.iter().map(|pattern| (pattern.labels.clone(), pattern.visits)).collect();
            prop_assert_eq!(found, expected);
            for pattern in &common.patterns {
                prop_assert!((pattern.percent - 100.0 * pattern.visits as f64 / visits.len() as f64).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn count_beyond_max_patterns_is_too_large() {
        let visits = Visits { labels: (0..1_000).collect(), ends: vec![1_000] };
        for error in
            [ngrams::count_up_to(&visits, 4, 900).unwrap_err(), gapped::count_up_to(&visits, 2, 1, 900).unwrap_err()]
        {
            let told = (error.kind(), error.to_string().contains("MAX_PATTERNS"));
            assert_eq!(told, (crate::error::ErrorKind::TooLarge, true));
        }
    }

    #[test]
    fn check_rejects_invalid_parameters() {
        for (query, parameter) in [
            (PatternQuery::new().longest(1), "longest"),
            (PatternQuery::new().longest(9), "longest"),
            (PatternQuery::new().limit(0), "limit"),
            (PatternQuery::new().limit(1_001), "limit"),
            (PatternQuery::new().gapped(0), "gapped"),
        ] {
            assert!(query.check().unwrap_err().to_string().contains(parameter));
        }
    }
}
