//! [`Durations`]: lengths of visits and sessions, and their entry and exit pages.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;

use super::{
    Role,
    pages::Pages,
    stay::Stay,
    visits::{GAP, LONGEST},
};
use crate::{
    id::{SessionId, UserId, VisitorId},
    model::activity::Activity,
    time::Timestamp,
};

/// Lengths of visits or sessions, in milliseconds.
///
/// Only events of the range are read. A visit that is still going on counts with its events so far.
///
/// - A **visit** is a run of events of one session, ordered by time and sequence; if events have no
///   session, of one user or else one visitor. It ends at a gap of more than 30 minutes, and at an
///   event more than 24 hours after its first.
/// - A **session** is all events with one session id, whatever the gaps. An event without a session
///   counts with its visit.
/// - An **interaction** is every event that is neither a page view nor of a [passive
///   type](crate::analytics::AnalyticsRules::passive_types), such as the `api_call` of a page that
///   loads data.
/// - The **length** is the time from the first page view or interaction to the last. Without
///   either, it is the time from the first event to the last.
/// - A **bounce** has one page view and no interaction, so its length is 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Durations {
    /// Number of visits.
    pub count: u64,
    /// Number of bounces.
    pub bounces: u64,
    /// Bounces divided by `count`; `None` if `count` is 0.
    pub bounce_rate: Option<f64>,
    /// Mean length; `None` if `count` is 0.
    pub average_ms: Option<u64>,
    /// Mean length without bounces; `None` if there are only bounces.
    pub average_without_bounces_ms: Option<u64>,
    /// Median length; `None` if `count` is 0.
    pub median_ms: Option<u64>,
    /// 95th percentile; `None` if `count` is 0.
    pub p95_ms: Option<u64>,
}

/// Collects events by stream.
#[derive(Default)]
pub(super) struct Streams(HashMap<Stream, Vec<Step>>);

/// Visits, sessions, and their entry and exit pages.
#[derive(Default)]
pub(super) struct Stays {
    pub(super) visits: Durations,
    pub(super) sessions: Durations,
    /// Number of visits by entry page. Visits without a page are not listed.
    pub(super) entries: HashMap<Arc<str>, u64>,
    /// Number of visits by exit page.
    pub(super) exits: HashMap<Arc<str>, u64>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Stream {
    Session(SessionId),
    User(UserId),
    Visitor(VisitorId),
}

struct Step {
    time: Timestamp,
    sequence: u64,
    role: Role,
    page: Option<Arc<str>>,
}

/// Lengths, and the number of bounces among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    all: Vec<u64>,
    bounces: u64,
}

impl Streams {
    /// Adds an event; `page` is set if it is a page view.
    pub(super) fn add(&mut self, activity: &Activity, role: Role, page: Option<Arc<str>>) {
        let event = &activity.event;
        let session = event.session.map(Stream::Session);
        let user = || event.user.clone().map(Stream::User);
        if let Some(stream) = session.or_else(user).or_else(|| event.visitor.map(Stream::Visitor)) {
            let step = Step { time: event.time, sequence: activity.sequence, role, page };
            self.0.entry(stream).or_default().push(step);
        }
    }

    /// Splits the streams into visits, and adds the time on each page to `pages`.
    pub(super) fn finish(self, pages: &mut Pages) -> Stays {
        let (mut stays, mut visits, mut sessions) = (Stays::default(), Lengths::default(), Lengths::default());
        for (stream, mut steps) in self.0 {
            steps.sort_unstable_by_key(|step| (step.time, step.sequence));
            let is_session = matches!(stream, Stream::Session(_));
            time_pages(&steps, pages);
            let mut begin = 0;
            for index in 0..steps.len() {
                let after = steps.get(index + 1).map(|next| millis_between(&steps[index], next));
                let gap = after.filter(|gap| *gap <= GAP);
                let goes_on = gap.is_some() && millis_between(&steps[begin], &steps[index + 1]) <= LONGEST;
                if goes_on {
                    continue;
                }
                let visit = &steps[begin..=index];
                visits.add(visit);
                if !is_session {
                    sessions.add(visit);
                }
                let mut seen = visit.iter().filter_map(|step| step.page.as_ref());
                if let Some(entry) = seen.next() {
                    *stays.entries.entry(entry.clone()).or_default() += 1;
                    *stays.exits.entry(seen.next_back().unwrap_or(entry).clone()).or_default() += 1;
                }
                begin = index + 1;
            }
            if is_session {
                sessions.add(&steps);
            }
        }
        (stays.visits, stays.sessions) = (visits.finish(), sessions.finish());
        stays
    }
}

/// Adds the time on each page to `pages`.
fn time_pages(steps: &[Step], pages: &mut Pages) {
    for run in steps.chunk_by(|step, next| millis_between(step, next) <= GAP) {
        let Some(stay) = stay(run) else { continue };
        let mut open: Option<&Step> = None;
        for view in run.iter().filter(|step| step.role == Role::View) {
            if let Some((before, page)) = open.and_then(|step| Some((step, step.page.as_ref()?))) {
                pages.add_time(page, millis_between(before, view).unsigned_abs());
            }
            open = Some(view);
        }
        if let Some((last, page)) = open.and_then(|step| Some((step, step.page.as_ref()?))) {
            stay.rest_after(last.time.as_millis()).inspect(|rest| pages.add_time(page, *rest));
        }
    }
}

fn stay(steps: &[Step]) -> Option<Stay> {
    steps.iter().map(|step| Stay::of(step.time.as_millis(), step.role)).reduce(Stay::joined)
}

impl Lengths {
    fn add(&mut self, steps: &[Step]) {
        stay(steps).inspect(|stay| self.push(stay));
    }

    pub(super) fn push(&mut self, stay: &Stay) {
        self.all.push(stay.length());
        self.bounces += u64::from(stay.is_bounce());
    }

    pub(super) fn finish(mut self) -> Durations {
        let (count, total) = (self.all.len() as u64, self.all.iter().sum::<u64>());
        Durations {
            count,
            bounces: self.bounces,
            bounce_rate: (count > 0).then(|| self.bounces as f64 / count as f64),
            average_ms: total.checked_div(count),
            average_without_bounces_ms: total.checked_div(count - self.bounces),
            median_ms: self.rank(50),
            p95_ms: self.rank(95),
        }
    }

    /// Returns the given percentile (nearest rank).
    fn rank(&mut self, percent: usize) -> Option<u64> {
        let index = (self.all.len() * percent).div_ceil(100).checked_sub(1)?;
        Some(*self.all.select_nth_unstable(index).1)
    }
}

/// Access for rollups, which store the lengths.
#[cfg(feature = "sqlite")]
impl Lengths {
    pub(super) fn extend(&mut self, lengths: impl Iterator<Item = u64>, bounces: u64) {
        self.all.extend(lengths);
        self.bounces += bounces;
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.all.append(&mut other.all);
        self.bounces += other.bounces;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn bounces(&self) -> u64 {
        self.bounces
    }

    pub(super) fn sorted(&self) -> Vec<u64> {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        sorted
    }
}

fn millis_between(first: &Step, last: &Step) -> i64 {
    last.time.as_millis().saturating_sub(first.time.as_millis())
}
