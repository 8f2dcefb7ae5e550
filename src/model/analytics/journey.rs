//! [`Journey`]: the events of one user, in order.

use serde::Serialize;

use super::{pages::page_of, visits::Visit};
use crate::{
    id::SessionId,
    model::activity::{Activity, EventData, EventType},
    time::Timestamp,
};

/// The events of one user, ordered by time and sequence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Journey {
    /// The latest events, the oldest of them first.
    pub steps: Vec<JourneyStep>,
    /// Whether there are earlier events in the range than the first step.
    pub is_cut: bool,
}

/// An event of a [`Journey`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JourneyStep {
    /// The event's sequence number in the store.
    pub sequence: u64,
    /// Time of the event.
    pub time: Timestamp,
    /// Type of the event.
    pub event_type: EventType,
    /// Page: the event's `page`, or else its route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Session of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Data of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<EventData>,
    /// Whether a new [visit](super::visits()) begins here. If the journey is cut, the event just
    /// before the first step decides whether that step begins a visit.
    pub new_visit: bool,
    /// Time since the previous event, in milliseconds; `None` for the first event of the range.
    pub gap_ms: Option<u64>,
}

impl Journey {
    /// Builds the journey of the last `limit` of `activities`, in any order. If there are more than
    /// `limit`, one more is passed.
    pub(crate) fn of(mut activities: Vec<Activity>, limit: usize) -> Self {
        activities.sort_by_key(|activity| (activity.event.time, activity.sequence));
        let is_cut = activities.len() > limit;
        let mut visit: Option<Visit> = None;
        let mut steps = Vec::with_capacity(activities.len());
        for activity in activities {
            let time = activity.event.time.as_millis();
            let gap_ms = visit.map(|visit| time.saturating_sub(visit.last).unsigned_abs());
            let new_visit = visit.is_none_or(|visit| visit.ends_before(time));
            let first = visit.filter(|_| !new_visit).map_or(time, |visit| visit.first);
            visit = Some(Visit { first, last: time });
            steps.push(JourneyStep {
                sequence: activity.sequence,
                time: activity.event.time,
                page: page_of(&activity.event).map(|page| page.to_string()),
                event_type: activity.event.event_type,
                session: activity.event.session,
                data: activity.event.data,
                new_visit,
                gap_ms,
            });
        }
        if is_cut {
            steps.remove(0);
        }
        Self { steps, is_cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::activity::Event;

    fn activities(times: &[(u64, i64)]) -> Vec<Activity> {
        let event = |minute: i64| Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(minute * 60_000));
        times.iter().map(|(sequence, minute)| Activity::new(*sequence, event(*minute))).collect()
    }

    #[test]
    fn journey_orders_steps_by_time_and_marks_new_visits() {
        // The clock went back between 3 and 4; 5 and 6 have the same time.
        let journey = Journey::of(activities(&[(1, 0), (2, 30), (3, 70), (4, 65), (6, 71), (5, 71), (7, 102)]), 10);
        let steps: Vec<_> = journey.steps.iter().map(|step| (step.sequence, step.new_visit, step.gap_ms)).collect();
        let minutes = |minutes: u64| Some(minutes * 60_000);
        let expected = [
            (1, true, None),
            (2, false, minutes(30)),
            (4, true, minutes(35)),
            (3, false, minutes(5)),
            (5, false, minutes(1)),
            (6, false, minutes(0)),
            (7, true, minutes(31)),
        ];
        assert_eq!((steps, journey.is_cut), (expected.to_vec(), false));
    }

    #[test]
    fn cut_journey_knows_whether_a_visit_continues() {
        for (before, new_visit) in [(70, false), (69, true)] {
            let journey = Journey::of(activities(&[(1, before), (2, 100), (3, 101)]), 2);
            let first = &journey.steps[0];
            assert_eq!((journey.steps.len(), journey.is_cut, first.new_visit), (2, true, new_visit));
            assert_eq!(first.gap_ms, Some((100 - before).unsigned_abs() * 60_000));
        }
    }
}
