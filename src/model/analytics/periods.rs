//! [`Periods`]: the periods of a calendar that a range touches.

use super::{Period, Range, Zone, timelines::invalid};
use crate::{error::Result, time::Timestamp};

/// The periods that a range touches, in order.
pub(crate) struct Periods {
    range: Range,
    starts: Vec<Timestamp>,
    /// When the last one ends.
    end: Timestamp,
}

impl Periods {
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there are more than `most`.
    pub(crate) fn of(range: Range, period: Period, zone: &Zone, most: usize) -> Result<Self> {
        let mut starts = Vec::new();
        let mut start = zone.start_of(period, range.from());
        while start < range.until() {
            let next = zone.next(period, start);
            // Beyond the end of the calendar there is no next one.
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

    /// When the period begins and the next one does.
    pub(crate) fn bounds(&self, index: usize) -> (Timestamp, Timestamp) {
        (self.starts[index], self.starts.get(index + 1).copied().unwrap_or(self.end))
    }

    /// In which period a moment of the range lies.
    pub(crate) fn index(&self, time: i64) -> usize {
        self.starts.partition_point(|start| start.as_millis() <= time).saturating_sub(1)
    }

    /// Whether all of the period is in the range and over.
    pub(crate) fn is_complete(&self, index: usize, now: Timestamp) -> bool {
        let (from, until) = self.bounds(index);
        self.range.from() <= from && until <= self.range.until().min(now)
    }
}
