//! [`PathQuery`]: the paths that visits take from a page, or to a page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    AnalyticsActor,
    patterns::check_limit,
    timelines::{Timelines, invalid, too_large},
};
use crate::error::Result;

/// A path query: where do visits go from a page, or how do they reach it?
///
/// # Definition
///
/// Page views are taken as for [transitions](super::TransitionQuery) and split into
/// [visits](super::visits()). The path of a visit is
///
/// - for [`from_beginning`](Self::from_beginning), all of its views in order;
/// - for [`from_page`](Self::from_page), the views after its *first* view of that page;
/// - for [`to_end`](Self::to_end), all of its views, backwards;
/// - for [`to_page`](Self::to_page), the views before its *last* view of that page, backwards.
///
/// The answer is the tree of these paths, down to [`depth`](Self::depth). Each node lists the next
/// pages with the most visits, by count and then by name, at most [`width`](Self::width). `other`
/// is the number of visits that continue with another page, or beyond the tree. At each node,
/// `visits` is the sum of `ends`, `other` and the visits of the nodes below. With
/// [`without_loops`](Self::without_loops), consecutive views of one page count as one.
///
/// # Limits
///
/// [`MAX_DEPTH`](Self::MAX_DEPTH), [`MAX_WIDTH`](Self::MAX_WIDTH), and
/// [`MAX_NODES`](Self::MAX_NODES) distinct nodes before rare ones are folded into `other`. Beyond
/// that the query fails with [`TooLarge`](crate::ErrorKind::TooLarge).
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{Event, EventType, RequestTrace},
///     analytics::{PathQuery, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// for (user, page) in [(1, "/"), (1, "/prices"), (1, "/buy"), (2, "/prices"), (2, "/")] {
///     let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(0));
///     event.user = Some(UserId::from(user));
///     let mut request = RequestTrace::default();
///     request.route = page.into();
///     event.request = Some(request);
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
/// let paths = guestbook.analytics().paths(range, PathQuery::from_page("/prices").depth(3)).await?;
/// let next: Vec<_> = paths.next.iter().map(|place| (place.page.as_str(), place.visits)).collect();
/// assert_eq!((paths.visits, next), (2, vec![("/", 1), ("/buy", 1)]));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PathQuery {
    pub(crate) actor: AnalyticsActor,
    page: Option<String>,
    is_backward: bool,
    depth: usize,
    width: usize,
    has_loops: bool,
}

/// The answer to a [`PathQuery`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Paths {
    /// The page of the query; `None` for the beginning or the end of visits.
    pub page: Option<String>,
    /// Whether paths are read backwards.
    pub backward: bool,
    /// Number of visits with a path.
    pub visits: u64,
    /// Number of visits that end here.
    pub ends: u64,
    /// Number of visits that continue with a page that is not listed.
    pub other: u64,
    /// The next pages.
    pub next: Vec<PathNode>,
}

/// A node in the tree of [`Paths`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PathNode {
    /// The page.
    pub page: String,
    /// Number of visits that reach this node.
    pub visits: u64,
    /// Number of visits that end here.
    pub ends: u64,
    /// Number of visits that continue with a page that is not listed, or beyond the tree.
    pub other: u64,
    /// The next pages.
    pub next: Vec<PathNode>,
}

impl PathQuery {
    /// The largest depth.
    pub const MAX_DEPTH: usize = 20;
    /// The largest number of pages at each node.
    pub const MAX_WIDTH: usize = 100;
    /// The largest number of distinct nodes before rare ones are folded.
    pub const MAX_NODES: usize = 1_000_000;

    /// Creates a query for the paths from the beginning of visits: 5 views deep, 10 pages wide,
    /// with loops, by [`AnalyticsActor::Person`].
    pub fn from_beginning() -> Self {
        Self { actor: AnalyticsActor::default(), page: None, is_backward: false, depth: 5, width: 10, has_loops: true }
    }

    /// Creates a query for the paths after the first view of this page.
    pub fn from_page(page: impl Into<String>) -> Self {
        Self { page: Some(page.into()), ..Self::from_beginning() }
    }

    /// Creates a query for the paths back from the end of visits.
    pub fn to_end() -> Self {
        Self { is_backward: true, ..Self::from_beginning() }
    }

    /// Creates a query for the paths back from the last view of this page.
    pub fn to_page(page: impl Into<String>) -> Self {
        Self { page: Some(page.into()), ..Self::to_end() }
    }

    /// Limits the depth: the number of views after the first. Default: 5.
    pub fn depth(mut self, views: usize) -> Self {
        self.depth = views;
        self
    }

    /// Limits the number of pages at each node. Default: 10.
    pub fn width(mut self, pages: usize) -> Self {
        self.width = pages;
        self
    }

    /// Sets whose views are grouped together. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Counts consecutive views of one page as one.
    pub fn without_loops(mut self) -> Self {
        self.has_loops = false;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=Self::MAX_DEPTH).contains(&self.depth) {
            return Err(invalid("depth", &format!("it is 1 to {}", Self::MAX_DEPTH)));
        }
        check_limit(self.width, Self::MAX_WIDTH)
            .map_err(|_| invalid("width", &format!("it is 1 to {}", Self::MAX_WIDTH)))
    }

    pub(crate) fn answer(&self, lines: &Timelines) -> Result<Paths> {
        let mut tree = vec![Place::default()];
        let wanted = self.page.as_ref().map(|page| lines.names.find(page));
        let mut path: Vec<u32> = Vec::new();
        for visit in lines.visits() {
            path.clear();
            if self.is_backward {
                path.extend(visit.iter().rev().map(|step| step.label));
            } else {
                path.extend(visit.iter().map(|step| step.label));
            }
            if !self.has_loops {
                path.dedup();
            }
            let begin = match wanted {
                None => Some(0),
                Some(page) => path.iter().position(|label| Some(*label) == page).map(|place| place + 1),
            };
            if let Some(begin) = begin {
                self.add(&mut tree, &path[begin..])?;
            }
        }
        let root = self.place(&tree, 0, lines);
        Ok(Paths {
            page: self.page.clone(),
            backward: self.is_backward,
            visits: root.visits,
            ends: root.ends,
            other: root.other,
            next: root.next,
        })
    }

    fn add(&self, tree: &mut Vec<Place>, path: &[u32]) -> Result<()> {
        let mut place = 0;
        tree[place].visits += 1;
        for label in path.iter().take(self.depth) {
            let new = tree.len();
            place = *tree[place].next.entry(*label).or_insert(new);
            if place == new {
                if new == Self::MAX_NODES {
                    return Err(too_large("MAX_NODES", "distinct nodes", Self::MAX_NODES));
                }
                tree.push(Place { label: *label, ..Place::default() });
            }
            tree[place].visits += 1;
        }
        tree[place].ends += u64::from(path.len() <= self.depth);
        Ok(())
    }

    /// Returns the node with the most frequent nodes below it.
    fn place(&self, tree: &[Place], number: usize, lines: &Timelines) -> PathNode {
        let Place { label, visits, ends, next } = &tree[number];
        let mut order: Vec<usize> = next.values().copied().collect();
        let name = |place: usize| lines.names.name(tree[place].label);
        order.sort_by(|one, other| {
            tree[*other].visits.cmp(&tree[*one].visits).then_with(|| name(*one).cmp(name(*other)))
        });
        order.truncate(self.width);
        let next: Vec<_> = order.into_iter().map(|place| self.place(tree, place, lines)).collect();
        let below: u64 = next.iter().map(|place| place.visits).sum();
        let page = if number == 0 { String::new() } else { lines.names.name(*label).to_owned() };
        PathNode { page, visits: *visits, ends: *ends, other: visits - ends - below, next }
    }
}

/// A node while visits are counted.
#[derive(Default)]
struct Place {
    label: u32,
    visits: u64,
    ends: u64,
    next: BTreeMap<u32, usize>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::timelines::tests::timelines, *};

    /// Computes the paths of the visits as the docs define them.
    fn by_the_docs(visits: &[Vec<&str>], query: &PathQuery) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for visit in visits {
            let mut views = visit.clone();
            if !query.has_loops {
                views.dedup();
            }
            let path = match (&query.page, query.is_backward) {
                (None, false) => Some(views),
                (None, true) => Some(views.into_iter().rev().collect()),
                (Some(page), false) => {
                    views.iter().position(|view| view == page).map(|first| views[first + 1..].to_vec())
                }
                (Some(page), true) => views
                    .iter()
                    .rposition(|view| view == page)
                    .map(|last| views[..last].iter().rev().copied().collect()),
            };
            paths.extend(path.map(|path| path.into_iter().map(str::to_owned).collect()));
        }
        paths
    }

    fn compare(query: &PathQuery, paths: &[Vec<String>], depth: usize, place: &PathNode) {
        let ended = paths.iter().filter(|path| path.len() == depth).count() as u64;
        assert_eq!((place.visits, place.ends), (paths.len() as u64, ended));
        let below: u64 = place.next.iter().map(|next| next.visits).sum();
        assert_eq!(place.other, place.visits - place.ends - below);
        if depth == query.depth {
            assert!(place.next.is_empty());
            return;
        }
        let mut pages: BTreeMap<&str, Vec<Vec<String>>> = BTreeMap::new();
        for path in paths.iter().filter(|path| path.len() > depth) {
            pages.entry(&path[depth]).or_default().push(path.clone());
        }
        let mut pages: Vec<_> = pages.into_iter().collect();
        pages.sort_by_key(|(page, paths)| (std::cmp::Reverse(paths.len()), *page));
        pages.truncate(query.width);
        let found: Vec<_> = place.next.iter().map(|next| next.page.as_str()).collect();
        assert_eq!(found, pages.iter().map(|(page, _)| *page).collect::<Vec<_>>());
        for (next, (_, paths)) in place.next.iter().zip(&pages) {
            compare(query, paths, depth + 1, next);
        }
    }

    proptest! {
        #[test]
        fn answer_equals_the_tree_of_all_paths(
            visits in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["b", "a", "c"]), 1..8), 0..8),
            page in prop::option::of(prop::sample::select(vec!["a", "z"])),
            is_backward in any::<bool>(),
            has_loops in any::<bool>(),
            depth in 1..5usize,
            width in 1..4usize,
        ) {
            let page = page.map(str::to_owned);
            let query = PathQuery { page, is_backward, has_loops, depth, width, ..PathQuery::from_beginning() };
            let events: Vec<_> = (0..).zip(&visits).flat_map(|(actor, visit)| visit.iter().map(move |label| (actor, 0, *label))).collect();
            let answer = query.answer(&timelines(&events)).unwrap();
            let Paths { visits: count, ends, other, next, .. } = answer;
            let root = PathNode { page: String::new(), visits: count, ends, other, next };
            compare(&query, &by_the_docs(&visits, &query), 0, &root);
        }
    }

    #[test]
    fn check_rejects_invalid_parameters() {
        for (query, parameter) in [
            (PathQuery::to_end().depth(0), "depth"),
            (PathQuery::to_end().depth(21), "depth"),
            (PathQuery::to_end().width(0), "width"),
            (PathQuery::to_end().width(101), "width"),
        ] {
            assert!(query.check().unwrap_err().to_string().contains(parameter));
        }
    }
}
