//! [`ActivitySeries`] and [`ActiveUsers`]: figures over time.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;

use super::{Period, Range, Zone};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::activity::Event,
    time::Timestamp,
};

/// Events and active users for each period of a range, including periods without events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ActivitySeries {
    /// The range of the query. The first and the last bucket may cover only a part of their period.
    pub range: Range,
    /// Spans of the range that the figures do not include, because they have more events than one
    /// query may read and are not rolled up yet. Empty, except for an hour or two after a burst of
    /// events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Range>,
    /// Length of a bucket.
    pub period: Period,
    /// Time zone of the buckets.
    pub zone: Zone,
    /// The buckets in order, one for each period that the range touches.
    pub buckets: Vec<Bucket>,
}

/// The figures of one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Bucket {
    /// Start of the period.
    pub start: Timestamp,
    /// Number of events.
    pub events: u64,
    /// Distinct users with at least one event.
    pub active_users: u64,
}

/// Daily, weekly and monthly active users for each day of a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ActiveUsers {
    /// The range of the query. Its days are whole days, but events after its end do not count.
    pub range: Range,
    /// Spans of the range that the figures do not include, because they have more events than one
    /// query may read and are not rolled up yet. Empty, except for an hour or two after a burst of
    /// events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Range>,
    /// Time zone of the days.
    pub zone: Zone,
    /// The days in order, one for each day that the range touches.
    pub days: Vec<ActiveDay>,
    /// Mean of the daily active users divided by the mean of the monthly active users; `None` if
    /// there are none.
    pub stickiness: Option<f64>,
}

/// Active users up to the end of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ActiveDay {
    /// Start of the day.
    pub start: Timestamp,
    /// Distinct users with an event on this day.
    pub daily: u64,
    /// Distinct users with an event on this day or the six days before.
    pub weekly: u64,
    /// Distinct users with an event on this day or the 29 days before.
    pub monthly: u64,
}

/// Builds a series from events, in any order.
pub(crate) struct Buckets {
    pub(super) range: Range,
    pub(super) period: Period,
    pub(super) zone: Zone,
    /// Starts of the whole periods, also if the range begins within one.
    pub(super) starts: Vec<Timestamp>,
    events: Vec<u64>,
    users: Vec<HashSet<UserId>>,
}

/// The largest number of periods of a series.
pub(crate) const MAX_BUCKETS: usize = 10_000;
pub(super) const WEEK: usize = 7;
pub(super) const MONTH: usize = 30;

impl Buckets {
    pub(crate) fn new(range: Range, period: Period, zone: Zone) -> Result<Self> {
        let starts = starts(range, period, &zone)?;
        let (events, users) = (vec![0; starts.len()], vec![HashSet::new(); starts.len()]);
        Ok(Self { range, period, zone, starts, events, users })
    }

    /// Creates the days for [`finish_days`](Self::finish_days), which begin 29 days before the
    /// range, and the range of events to read for them.
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

    /// Computes active users in one pass, with the users of the last 7 and 30 days in memory.
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
    /// Creates the answer from days that may begin before the range.
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
    /// Number of days in the window on which each user was active.
    users: HashMap<&'a UserId, usize>,
}

impl<'a> Window<'a> {
    fn new(length: usize) -> Self {
        Self { length, days: VecDeque::new(), users: HashMap::new() }
    }

    /// Moves the window forward by one day.
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
