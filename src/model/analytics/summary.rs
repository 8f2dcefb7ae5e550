//! [`UserSummary`]: the main figures of one user.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Overview;
use crate::{id::UserId, time::Timestamp};

/// The main figures of one user, computed from the events that are still stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserSummary {
    /// The user.
    pub user_id: UserId,
    /// Number of events.
    pub total_activities: u64,
    /// Number of visits: see [`Durations`](super::Durations).
    pub total_sessions: u64,
    /// Mean length of sessions, in milliseconds; `None` if there are none.
    pub average_session_ms: Option<u64>,
    /// Time of the first event, if there is one.
    pub first_seen: Option<Timestamp>,
    /// Time of the last event, if there is one.
    pub last_activity: Option<Timestamp>,
    /// Number of days (UTC) with an event.
    pub days_active: u64,
    /// Number of events of each type.
    pub event_breakdown: BTreeMap<String, u64>,
}

impl UserSummary {
    /// Builds the summary from an overview of this user's events.
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
