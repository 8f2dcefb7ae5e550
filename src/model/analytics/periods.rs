//! [`Periods`]: the calendar periods that a range touches.

use super::{Period, Range, Zone, timelines::invalid};
use crate::{error::Result, time::Timestamp};

/// The calendar periods that a range touches, in order.
pub(crate) struct Periods {
    range: Range,
    starts: Vec<Timestamp>,
    /// End of the last period.
    end: Timestamp,
}

impl Periods {
    /// Returns the periods of `range`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there are more than `most`.
    pub(crate) fn of(range: Range, period: Period, zone: &Zone, most: usize) -> Result<Self> {
        let mut starts = Vec::new();
        let mut start = zone.start_of(period, range.from());
        while start < range.until() {
            let next = zone.next(period, start);
            // At the end of the calendar there is no next period.
            if starts.len() == most || next <= start {
                return Err(invalid("range", &format!("it has at most {most} periods")));
            }
            starts.push(start);
            start = next;
        }
        Ok(Self { range, starts, end: start })
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns the start of the period and of the next one.
    pub(crate) fn bounds(&self, index: usize) -> (Timestamp, Timestamp) {
        (self.starts[index], self.starts.get(index + 1).copied().unwrap_or(self.end))
    }

    /// Returns the index of the period of a time within the range.
    pub(crate) fn index(&self, time: i64) -> usize {
        self.starts.partition_point(|start| start.as_millis() <= time).saturating_sub(1)
    }

    /// Returns whether the whole period is over and within the range.
    pub(crate) fn is_complete(&self, index: usize, now: Timestamp) -> bool {
        let (from, until) = self.bounds(index);
        self.range.from() <= from && until <= self.range.until().min(now)
    }
}
