//! Visits: events of one person without a long gap.

use std::{ops::Range, time::Duration};

use crate::time::Timestamp;

/// The gap that ends a visit, if it is longer: 30 minutes.
pub const VISIT_GAP: Duration = Duration::from_secs(30 * 60);

/// The maximum length of a visit, from its first event: 24 hours.
pub const LONGEST_VISIT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const GAP: i64 = 30 * 60 * 1_000;
pub(super) const LONGEST: i64 = 24 * 60 * 60 * 1_000;

/// Splits the events of one person into visits. `times` are in ascending order.
///
/// An event begins a new visit if it comes *more* than [`VISIT_GAP`] after the previous event, or
/// *more* than [`LONGEST_VISIT`] after the first event of the visit. A visit is not a login
/// session: a session may last for weeks and contain many visits.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{Timestamp, analytics::visits};
///
/// let minutes = |minutes: [i64; 4]| minutes.map(|minute| Timestamp::from_millis(minute * 60_000));
/// assert_eq!(visits(&minutes([0, 30, 60, 90])), [0..4], "half an hour is no gap yet");
/// assert_eq!(visits(&minutes([0, 30, 61, 61])), [0..2, 2..4]);
/// ```
pub fn visits(times: &[Timestamp]) -> Vec<Range<usize>> {
    split(times, |time| time.as_millis())
}

/// Splits anything that has a time.
pub(super) fn split<T>(events: &[T], time: impl Fn(&T) -> i64) -> Vec<Range<usize>> {
    let mut visits: Vec<Range<usize>> = Vec::new();
    let mut current: Option<Visit> = None;
    for (index, event) in events.iter().enumerate() {
        let time = time(event);
        match (&mut current, visits.last_mut()) {
            (Some(visit), Some(range)) if !visit.ends_before(time) => {
                range.end = index + 1;
                visit.last = time;
            }
            _ => {
                visits.push(index..index + 1);
                current = Some(Visit { first: time, last: time });
            }
        }
    }
    visits
}

/// The current visit.
#[derive(Clone, Copy)]
pub(super) struct Visit {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Visit {
    /// Returns whether an event at this time belongs to the next visit.
    pub(super) fn ends_before(self, time: i64) -> bool {
        time.saturating_sub(self.last) > GAP || time.saturating_sub(self.first) > LONGEST
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(times: &[i64]) -> Vec<Timestamp> {
        times.iter().copied().map(Timestamp::from_millis).collect()
    }

    #[test]
    fn visits_end_after_30_minutes_or_24_hours_to_the_millisecond() {
        assert!(visits(&[]).is_empty());
        assert_eq!(visits(&at(&[5])).first(), Some(&(0..1)));
        assert_eq!(visits(&at(&[0, GAP, 2 * GAP])).first(), Some(&(0..3)));
        assert_eq!(visits(&at(&[0, GAP, 2 * GAP + 1])), [0..2, 2..3]);
        let all_day: Vec<_> = (0..=48).map(|half| half * GAP).chain([LONGEST + 1, LONGEST + 2]).collect();
        assert_eq!(visits(&at(&all_day)), [0..49, 49..51]);
        assert_eq!((GAP, LONGEST), (crate::time::to_millis(VISIT_GAP), crate::time::to_millis(LONGEST_VISIT)));
    }

    proptest! {
        #[test]
        fn visits_split_exactly_where_documented(
            mut times in prop::collection::vec((0..200i64).prop_map(|minutes| minutes * 600_000), 0..40)
        ) {
            times.sort_unstable();
            let visits = visits(&at(&times));
            prop_assert_eq!(visits.iter().map(Range::len).sum::<usize>(), times.len());
            let visit_of = |index: usize| visits.iter().find(|visit| visit.contains(&index)).unwrap();
            for index in 1..times.len() {
                let first = times[visit_of(index - 1).start];
                let belongs = times[index] - times[index - 1] <= GAP && times[index] - first <= LONGEST;
                prop_assert_eq!(visit_of(index) == visit_of(index - 1), belongs);
            }
        }
    }
}
