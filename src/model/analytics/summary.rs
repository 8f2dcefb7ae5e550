//! [`UserSummary`]: a user in a few figures.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Overview;
use crate::{id::UserId, time::Timestamp};

/// A user in a few figures, of those events that are still kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserSummary {
    /// Who.
    pub user_id: UserId,
    /// Number of events.
    pub total_activities: u64,
    /// Number of visits: see [`Durations`](super::Durations).
    pub total_sessions: u64,
    /// The mean length of the sessions, in milliseconds; `None` without any.
    pub average_session_ms: Option<u64>,
    /// The first event's time, if there is one.
    pub first_seen: Option<Timestamp>,
    /// The last event's time, if there is one.
    pub last_activity: Option<Timestamp>,
    /// Number of days (UTC) with an event.
    pub days_active: u64,
    /// Events of each type.
    pub event_breakdown: BTreeMap<String, u64>,
}

impl UserSummary {
    /// From an overview of this user alone.
    pub(crate) fn new(user_id: UserId, overview: &Overview) -> Self {
        Self {
            user_id,
            total_activities: overview.events,
            total_sessions: overview.sessions.count,
            average_session_ms: overview.sessions.average_ms,
            first_seen: overview.first_activity,
            last_activity: overview.last_activity,
            days_active: overview.days_active,
            event_breakdown: overview.event_breakdown.clone(),
        }
    }
}
