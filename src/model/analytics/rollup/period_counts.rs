//! [`PeriodCounts`]: events and users of each period of a range.

use roaring::RoaringBitmap;

use super::{Counted, ExcludedEvents, Only, Rollup};
use crate::{
    error::Result,
    model::analytics::{
        ActiveDay, ActiveUsers, ActivitySeries, Bucket, Buckets, Period, Range, Zone,
        series::{MONTH, WEEK},
    },
    time::Timestamp,
};

/// Counts the events and users of each period of a range, in any order.
pub(crate) struct PeriodCounts {
    periods: Buckets,
    /// Set if only some events are selected.
    only: Option<Only>,
    events: Vec<u64>,
    users: Vec<RoaringBitmap>,
}

impl PeriodCounts {
    pub(crate) fn new(range: Range, period: Period, zone: Zone) -> Result<Self> {
        Ok(Self::of(Buckets::new(range, period, zone)?))
    }

    /// Selects only some events.
    pub(crate) fn only(mut self, only: Option<Only>) -> Self {
        self.only = only;
        self
    }

    /// Creates the days for [`active_users`](Self::active_users), which begin 29 days before the
    /// range, and the range of events to read for them.
    pub(crate) fn days(range: Range, zone: Zone) -> Result<(Self, Range)> {
        let (days, wider) = Buckets::days(range, zone)?;
        Ok((Self::of(days), wider))
    }

    fn of(periods: Buckets) -> Self {
        let count = periods.starts.len();
        Self { periods, only: None, events: vec![0; count], users: vec![RoaringBitmap::new(); count] }
    }

    /// Returns the starts of the periods.
    pub(crate) fn cuts(&self) -> Vec<i64> {
        self.periods.starts.iter().map(|start| start.as_millis()).collect()
    }

    /// Adds a rollup that lies within one of the periods.
    pub(crate) fn append(&mut self, rollup: &Rollup) -> Result<()> {
        if let Some(period) = self.period(rollup.from) {
            let (events, users) = rollup.attendance(self.only.as_ref())?;
            self.events[period] += events;
            self.users[period] |= users;
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, event: &Counted<'_>, excluded: &ExcludedEvents) {
        let is_meant = self.only.as_ref().is_none_or(|only| only.has(event)) && !excluded.excludes(event);
        if let Some(period) = self.period(event.time).filter(|_| is_meant) {
            self.events[period] += 1;
            self.users[period].extend(event.user);
        }
    }

    fn period(&self, time: i64) -> Option<usize> {
        self.periods.starts.partition_point(|start| *start <= Timestamp::from_millis(time)).checked_sub(1)
    }

    pub(crate) fn series(self) -> ActivitySeries {
        let Buckets { range, period, zone, starts, .. } = self.periods;
        let counted = starts.into_iter().zip(self.events).zip(self.users);
        let bucket =
            |((start, events), users): ((_, _), RoaringBitmap)| Bucket { start, events, active_users: users.len() };
        ActivitySeries { range, unread: Vec::new(), period, zone, buckets: counted.map(bucket).collect() }
    }

    pub(crate) fn active_users(self) -> ActiveUsers {
        let last_days = |day: usize, length: usize| {
            let days = &self.users[(day + 1).saturating_sub(length)..=day];
            roaring::MultiOps::union(days.iter()).len()
        };
        let day = |(day, start): (usize, &Timestamp)| ActiveDay {
            start: *start,
            daily: self.users[day].len(),
            weekly: last_days(day, WEEK),
            monthly: last_days(day, MONTH),
        };
        let days = self.periods.starts.iter().enumerate().map(day).collect();
        ActiveUsers::new(self.periods.range, self.periods.zone, days)
    }
}
