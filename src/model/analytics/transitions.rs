//! [`TransitionQuery`]: how often one page follows another.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::Serialize;

use super::{
    AnalyticsActor,
    patterns::{check_limit, ranks},
    timelines::{Timelines, share, too_large},
};
use crate::error::Result;

/// A transition query: how often does one page follow another?
///
/// # Definition
///
/// Only views of pages with a name count: the event's `page`, or else its route. The views of each
/// [`AnalyticsActor`] are split into [visits](super::visits()). A *transition* is a pair of
/// consecutive views in a visit. A transition to the same page is a *loop*;
/// [`without_loops`](Self::without_loops) ignores loops. The answer lists the most frequent
/// transitions, by count and then by pages. `other` is the number of transitions that are not
/// listed.
///
/// # Limits
///
/// [`MAX_LIMIT`](Self::MAX_LIMIT), and [`MAX_TRANSITIONS`](Self::MAX_TRANSITIONS) distinct
/// transitions. Beyond that the query fails with [`TooLarge`](crate::ErrorKind::TooLarge).
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{Event, EventType, RequestTrace},
///     analytics::{Range, TransitionQuery},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// for (user, page) in [(1, "/"), (1, "/prices"), (1, "/prices"), (2, "/"), (2, "/prices")] {
///     let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(0));
///     event.user = Some(UserId::from(user));
///     let mut request = RequestTrace::default();
///     request.route = page.into();
///     event.request = Some(request);
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
/// let query = TransitionQuery::new().without_loops();
/// let answer = guestbook.analytics().transitions(range, query).await?;
/// assert_eq!(answer.total, 2);
/// let first = &answer.transitions[0];
/// assert_eq!((&*first.from, &*first.to, first.count), ("/", "/prices", 2));
///
/// let prices = guestbook.analytics().page_neighbours(range, "/prices", query).await?;
/// assert_eq!((prices.views, prices.entries, prices.loops, prices.exits), (3, 0, 1, 2));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct TransitionQuery {
    pub(crate) actor: AnalyticsActor,
    pub(crate) limit: usize,
    pub(crate) has_loops: bool,
}

/// The answer to a [`TransitionQuery`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Transitions {
    /// Number of visits read.
    pub visits: u64,
    /// Number of transitions.
    pub total: u64,
    /// The most frequent ones.
    pub transitions: Vec<Transition>,
    /// Number of transitions that are not listed.
    pub other: u64,
}

/// How often one page follows another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Transition {
    /// The first page.
    pub from: String,
    /// The page after it.
    pub to: String,
    /// Number of times.
    pub count: u64,
    /// Mean time between the two views, in milliseconds.
    pub mean_ms: f64,
}

/// The pages before and after one page.
///
/// Each view is an entry, a loop, or follows another page; and it is an exit, a loop, or precedes
/// another page: `views = entries + loops + previous + other_previous = exits + loops + next +
/// other_next`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PageNeighbours {
    /// The page.
    pub page: String,
    /// Number of views.
    pub views: u64,
    /// Number of visits that begin with this page.
    pub entries: u64,
    /// Number of visits that end with this page.
    pub exits: u64,
    /// Number of times the page follows itself.
    pub loops: u64,
    /// The previous pages, by count, then by name.
    pub previous: Vec<PageCount>,
    /// Number of times a page that is not listed precedes it.
    pub other_previous: u64,
    /// The next pages, by count, then by name.
    pub next: Vec<PageCount>,
    /// Number of times a page that is not listed follows it.
    pub other_next: u64,
}

/// A page and its count.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PageCount {
    /// The page.
    pub page: String,
    /// Number of times.
    pub count: u64,
    /// Share of all views of the queried page.
    pub share: Option<f64>,
}

impl TransitionQuery {
    /// The largest limit: 1,000.
    pub const MAX_LIMIT: usize = 1_000;
    /// The largest number of distinct transitions.
    pub const MAX_TRANSITIONS: usize = 2_000_000;

    /// Creates a query for the 50 most frequent transitions with loops, by
    /// [`AnalyticsActor::Person`].
    pub fn new() -> Self {
        Self { actor: AnalyticsActor::default(), limit: 50, has_loops: true }
    }

    /// Sets whose views are grouped together. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Limits the number of transitions; for one page, the number of previous and of next pages.
    /// Default: 50.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Ignores transitions from a page to itself. [`PageNeighbours`] counts them separately in any
    /// case.
    pub fn without_loops(mut self) -> Self {
        self.has_loops = false;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_limit(self.limit, Self::MAX_LIMIT)
    }

    pub(crate) fn answer(&self, lines: &Timelines) -> Result<Transitions> {
        let mut found: HashMap<(u32, u32), (u64, f64), RandomState> = HashMap::default();
        let (mut visits, mut total) = (0, 0);
        for visit in lines.visits() {
            visits += 1;
            for pair in visit.windows(2) {
                if self.has_loops || pair[0].label != pair[1].label {
                    let (count, time) = found.entry((pair[0].label, pair[1].label)).or_default();
                    *count += 1;
                    *time += (pair[1].time - pair[0].time) as f64;
                    total += 1;
                }
            }
            if found.len() > Self::MAX_TRANSITIONS {
                return Err(too_large("MAX_TRANSITIONS", "distinct transitions", Self::MAX_TRANSITIONS));
            }
        }
        let ranks = ranks(&lines.names);
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable_by_key(|((from, to), (count, _))| {
            (std::cmp::Reverse(*count), ranks[*from as usize], ranks[*to as usize])
        });
        found.truncate(self.limit);
        let name = |label| lines.names.name(label).to_owned();
        let transitions: Vec<_> = found
            .into_iter()
            .map(|((from, to), (count, time))| Transition {
                from: name(from),
                to: name(to),
                count,
                mean_ms: time / count as f64,
            })
            .collect();
        let listed: u64 = transitions.iter().map(|transition| transition.count).sum();
        Ok(Transitions { visits, total, transitions, other: total - listed })
    }

    /// Returns the pages before and after `page`.
    pub(crate) fn around(&self, page: &str, lines: &Timelines) -> PageNeighbours {
        let mut answer = PageNeighbours {
            page: page.to_owned(),
            views: 0,
            entries: 0,
            exits: 0,
            loops: 0,
            previous: Vec::new(),
            other_previous: 0,
            next: Vec::new(),
            other_next: 0,
        };
        let Some(wanted) = lines.names.find(page) else { return answer };
        let (mut previous, mut next) = (vec![0; lines.names.len()], vec![0; lines.names.len()]);
        for visit in lines.visits() {
            for (index, _) in visit.iter().enumerate().filter(|(_, step)| step.label == wanted) {
                answer.views += 1;
                match index.checked_sub(1).map(|before| visit[before].label) {
                    None => answer.entries += 1,
                    Some(before) if before == wanted => answer.loops += 1,
                    Some(before) => previous[before as usize] += 1,
                }
                match visit.get(index + 1).map(|after| after.label) {
                    None => answer.exits += 1,
                    // Counted as the predecessor of the next view.
                    Some(after) if after == wanted => {}
                    Some(after) => next[after as usize] += 1,
                }
            }
        }
        (answer.previous, answer.other_previous) = self.list(&previous, answer.views, lines);
        (answer.next, answer.other_next) = self.list(&next, answer.views, lines);
        answer
    }

    /// Returns the most frequent pages, and the count of all others.
    fn list(&self, counts: &[u64], views: u64, lines: &Timelines) -> (Vec<PageCount>, u64) {
        let pages = (0..).zip(counts).filter(|(_, count)| **count > 0);
        let mut pages: Vec<_> = pages
            .map(|(label, count)| PageCount {
                page: lines.names.name(label).to_owned(),
                count: *count,
                share: share(*count, views),
            })
            .collect();
        pages.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.page.cmp(&other.page)));
        let other = pages.iter().skip(self.limit).map(|page| page.count).sum();
        pages.truncate(self.limit);
        (pages, other)
    }
}

impl Default for TransitionQuery {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{super::timelines::tests::timelines, *};

    proptest! {
        #[test]
        fn transitions_are_consecutive_pairs_within_visits(
            visits in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["b", "a", "c"]), 1..8), 0..6),
            limit in 1..6usize,
            has_loops in any::<bool>(),
        ) {
            let events: Vec<_> = (0..).zip(&visits).flat_map(|(actor, visit)| {
                (0..).zip(visit).map(move |(minute, label)| (actor, minute, *label))
            }).collect();
            let query = TransitionQuery { limit, has_loops, ..TransitionQuery::new() };
            let lines = timelines(&events);
            let answer = query.answer(&lines).unwrap();
            let mut expected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
            for pair in visits.iter().flat_map(|visit| visit.windows(2)) {
                if has_loops || pair[0] != pair[1] {
                    *expected.entry((pair[0], pair[1])).or_default() += 1;
                }
            }
            let mut expected: Vec<_> = expected.into_iter().collect();
            expected.sort_by_key(|(pair, count)| (std::cmp::Reverse(*count), *pair));
            let total: u64 = expected.iter().map(|(_, count)| count).sum();
            expected.truncate(limit);
            let found: Vec<_> = answer.transitions.iter().map(|one| ((one.from.as_str(), one.to.as_str()), one.count)).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert!(answer.transitions.iter().all(|one| one.mean_ms == 60_000.0));
            let listed: u64 = found.iter().map(|(_, count)| count).sum();
            prop_assert_eq!((answer.visits, answer.total, answer.other), (visits.len() as u64, total, total - listed));

            let around = query.around("a", &lines);
            let sum = |pages: &[PageCount]| pages.iter().map(|page| page.count).sum::<u64>();
            let views = visits.iter().flatten().filter(|label| **label == "a").count() as u64;
            prop_assert_eq!(around.views, views);
            prop_assert_eq!(around.entries + around.loops + sum(&around.previous) + around.other_previous, views);
            prop_assert_eq!(around.exits + around.loops + sum(&around.next) + around.other_next, views);
            prop_assert_eq!(around.entries, visits.iter().filter(|visit| visit[0] == "a").count() as u64);
            prop_assert_eq!(around.exits, visits.iter().filter(|visit| visit[visit.len() - 1] == "a").count() as u64);
            for page in &around.next {
                let pairs = visits.iter().flat_map(|visit| visit.windows(2)).filter(|pair| pair[0] == "a" && pair[1] == page.page);
                prop_assert_eq!(page.count, pairs.count() as u64);
            }
        }
    }

    #[test]
    fn around_an_unseen_page_is_empty() {
        let around = TransitionQuery::new().around("z", &timelines(&[(1, 0, "a")]));
        assert_eq!((around.views, around.entries, around.exits, around.previous.len()), (0, 0, 0, 0));
    }
}
