//! [`Durations`]: how long visits and sessions were, where they began and where they ended.

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

/// How long visits or sessions were, in milliseconds. Only events of the range are looked at; what
/// still goes on counts with what there is of it.
///
/// A **visit** is a run of events of one session (of one user, or else one visitor, where an event
/// has no session), ordered by time and sequence. A gap of more than 30 minutes ends it, and so
/// does an event more than 24 hours after its first. A **session** is all events with one session
/// id, whatever gaps there are; where an event has none, its visit.
///
/// A view of a page and an *interaction* are what somebody does. An interaction is every other
/// event but those of [passive types](crate::analytics::AnalyticsRules::passive_types): what a page
/// fetches by itself, an `api_call`. The length is the time from the first view or interaction to
/// the last; without any, from the first event to the last. A **bounce** has one page view and no
/// interaction, so it lasts 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Durations {
    /// Number of visits.
    pub count: u64,
    /// Number of bounces among them: one page view and no interaction.
    pub bounces: u64,
    /// Bounces in all; `None` without any.
    pub bounce_rate: Option<f64>,
    /// The mean; `None` without any.
    pub average_ms: Option<u64>,
    /// The mean without bounces.
    pub average_without_bounces_ms: Option<u64>,
    /// The smallest length that at least half do not exceed.
    pub median_ms: Option<u64>,
    /// The same for 95 of 100.
    pub p95_ms: Option<u64>,
}

/// Gathers events by whose they are.
#[derive(Default)]
pub(super) struct Streams(HashMap<Stream, Vec<Step>>);

/// What the streams were.
#[derive(Default)]
pub(super) struct Stays {
    pub(super) visits: Durations,
    pub(super) sessions: Durations,
    /// The first page of each visit that has one.
    pub(super) entries: HashMap<Arc<str>, u64>,
    /// The last one.
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

/// Lengths, and how many are of bounces.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    all: Vec<u64>,
    bounces: u64,
}

impl Streams {
    /// An event, and the page if it is a view of one.
    pub(super) fn add(&mut self, activity: &Activity, role: Role, page: Option<Arc<str>>) {
        let event = &activity.event;
        let session = event.session.map(Stream::Session);
        let user = || event.user.clone().map(Stream::User);
        if let Some(stream) = session.or_else(user).or_else(|| event.visitor.map(Stream::Visitor)) {
            let step = Step { time: event.time, sequence: activity.sequence, role, page };
            self.0.entry(stream).or_default().push(step);
        }
    }

    /// Splits them into visits, and tells `pages` how long somebody stayed.
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

/// Tells `pages` how long each was looked at.
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

    /// The smallest that at least `percent` of 100 do not exceed.
    fn rank(&mut self, percent: usize) -> Option<u64> {
        let index = (self.all.len() * percent).div_ceil(100).checked_sub(1)?;
        Some(*self.all.select_nth_unstable(index).1)
    }
}

/// For rollups, which keep them.
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
