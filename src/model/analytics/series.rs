//! [`ActivitySeries`] and [`ActiveUsers`]: how it went over time.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;

use super::{Period, Range, Zone};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::activity::Event,
    time::Timestamp,
};

/// Events and users of each period of a range, also of those in which nothing happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ActivitySeries {
    /// Of which range. What lies outside is in no bucket: the first and the last may be of a part
    /// of their period.
    pub range: Range,
    /// Stretches of the range that are not in the figures: they have more events than one answer
    /// may look at, and are not rolled up yet. Empty but after a flood of events, for an hour or
    /// two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Range>,
    /// What one bucket is.
    pub period: Period,
    /// Whose calendar.
    pub zone: Zone,
    /// One for each period that the range touches, in order.
    pub buckets: Vec<Bucket>,
}

/// A period and what happened in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Bucket {
    /// When the period began.
    pub start: Timestamp,
    /// Number of events.
    pub events: u64,
    /// Distinct users with at least one event.
    pub active_users: u64,
}

/// Daily, weekly and monthly active users of each day of a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ActiveUsers {
    /// Of which range. Its days are counted whole, but nothing counts from its end on.
    pub range: Range,
    /// Stretches of the range that are not in the figures: they have more events than one answer
    /// may look at, and are not rolled up yet. Empty but after a flood of events, for an hour or
    /// two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Range>,
    /// Whose calendar.
    pub zone: Zone,
    /// One for each day that the range touches, in order.
    pub days: Vec<ActiveDay>,
    /// The mean of the daily active users, divided by the mean of the monthly ones; `None` if
    /// nobody was active.
    pub stickiness: Option<f64>,
}

/// A day and who was active until its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ActiveDay {
    /// When the day began.
    pub start: Timestamp,
    /// Distinct users on this day.
    pub daily: u64,
    /// On this day or one of the six before.
    pub weekly: u64,
    /// On this day or one of the 29 before.
    pub monthly: u64,
}

/// Gathers events into periods, in any order.
pub(crate) struct Buckets {
    pub(super) range: Range,
    pub(super) period: Period,
    pub(super) zone: Zone,
    /// Beginnings in order; whole periods, also where the range begins within one.
    pub(super) starts: Vec<Timestamp>,
    events: Vec<u64>,
    users: Vec<HashSet<UserId>>,
}

/// The most periods of a series.
pub(crate) const MAX_BUCKETS: usize = 10_000;
pub(super) const WEEK: usize = 7;
pub(super) const MONTH: usize = 30;

impl Buckets {
    pub(crate) fn new(range: Range, period: Period, zone: Zone) -> Result<Self> {
        let starts = starts(range, period, &zone)?;
        let (events, users) = (vec![0; starts.len()], vec![HashSet::new(); starts.len()]);
        Ok(Self { range, period, zone, starts, events, users })
    }

    /// For [`finish_days`](Self::finish_days): days from 29 before the range on, and what is to be
    /// looked at for them.
    pub(crate) fn days(range: Range, zone: Zone) -> Result<(Self, Range)> {
        let mut from = range.from();
        if range.from() < range.until() {
            for _ in 1..MONTH {
                let start = zone.start_of(Period::Day, from);
                from = Timestamp::from_millis(start.as_millis().saturating_sub(1));
            }
            from = zone.start_of(Period::Day, from);
        }
        let wider = Range::new(from, range.until())?;
        let buckets = Self::new(wider, Period::Day, zone)?;
        Ok((Self { range, ..buckets }, wider))
    }

    pub(crate) fn add(&mut self, event: &Event) {
        let after = self.starts.partition_point(|start| *start <= event.time);
        let Some(index) = after.checked_sub(1) else { return };
        self.events[index] += 1;
        if let Some(user) = &event.user
            && !self.users[index].contains(user)
        {
            self.users[index].insert(user.clone());
        }
    }

    pub(crate) fn finish(self) -> ActivitySeries {
        let counted = self.starts.into_iter().zip(self.events).zip(self.users);
        let bucket =
            |((start, events), users): ((_, _), HashSet<_>)| Bucket { start, events, active_users: users.len() as u64 };
        let buckets = counted.map(bucket).collect();
        ActivitySeries { range: self.range, unread: Vec::new(), period: self.period, zone: self.zone, buckets }
    }

    /// One pass with the users of the last 7 and 30 days in hand.
    pub(crate) fn finish_days(self) -> ActiveUsers {
        let (mut week, mut month) = (Window::new(WEEK), Window::new(MONTH));
        let days = self.starts.into_iter().zip(&self.users).map(|(start, users)| {
            let (weekly, monthly) = (week.add(users), month.add(users));
            ActiveDay { start, daily: users.len() as u64, weekly, monthly }
        });
        ActiveUsers::new(self.range, self.zone.clone(), days.collect())
    }
}

impl ActiveUsers {
    /// From days that may begin before the range.
    pub(super) fn new(range: Range, zone: Zone, mut days: Vec<ActiveDay>) -> Self {
        let first = zone.start_of(Period::Day, range.from());
        days.retain(|day| day.start >= first);
        let sum = |count: fn(&ActiveDay) -> u64| days.iter().map(count).sum::<u64>();
        let (daily, monthly) = (sum(|day| day.daily), sum(|day| day.monthly));
        let stickiness = (monthly > 0).then(|| daily as f64 / monthly as f64);
        Self { range, unread: Vec::new(), zone, days, stickiness }
    }
}

/// The distinct users of a sliding number of days.
struct Window<'a> {
    length: usize,
    days: VecDeque<&'a HashSet<UserId>>,
    /// On how many of them somebody was active.
    users: HashMap<&'a UserId, usize>,
}

impl<'a> Window<'a> {
    fn new(length: usize) -> Self {
        Self { length, days: VecDeque::new(), users: HashMap::new() }
    }

    /// Moves on by a day.
    fn add(&mut self, day: &'a HashSet<UserId>) -> u64 {
        if self.days.len() == self.length {
            for user in self.days.pop_front().into_iter().flatten() {
                if let Some(days) = self.users.get_mut(user) {
                    *days -= 1;
                    if *days == 0 {
                        self.users.remove(user);
                    }
                }
            }
        }
        self.days.push_back(day);
        for user in day {
            *self.users.entry(user).or_default() += 1;
        }
        self.users.len() as u64
    }
}

fn starts(range: Range, period: Period, zone: &Zone) -> Result<Vec<Timestamp>> {
    let mut starts = Vec::new();
    if range.from() == range.until() {
        return Ok(starts);
    }
    let mut start = zone.start_of(period, range.from());
    while start < range.until() {
        let next = zone.next(period, start);
        if starts.len() == MAX_BUCKETS || next <= start {
            let context = format!(
                "a series has at most {MAX_BUCKETS} periods, within the years that a calendar has: ask for a shorter range, or a longer period"
            );
            return Err(Error::new(ErrorKind::InvalidInput, context));
        }
        starts.push(start);
        start = next;
    }
    Ok(starts)
}
