//! [`UserReport`] and [`SystemReport`]: several figures at once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Count, Durations, Overview, PageViews, Range, UserEvents, UserSummary};
use crate::time::Timestamp;

/// The activity of one user. It is personal data: it names the user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserReport {
    /// Time of the report.
    pub generated_at: Timestamp,
    /// Summary of the user.
    #[serde(flatten)]
    pub summary: UserSummary,
    /// The pages with the most views.
    pub popular_pages: Vec<PageViews>,
    /// The device classes, by number of events.
    pub devices: Vec<Count>,
    /// Number of events by the hour of the day in UTC, 0 to 23.
    pub hourly_activity: [u64; 24],
    /// Lengths of visits.
    pub visits: Durations,
}

/// The activity of the 24 hours before the report. It is personal data: it names users.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SystemReport {
    /// Time of the report.
    pub generated_at: Timestamp,
    /// Spans that the figures do not include, see [`Overview::unread`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Range>,
    /// Number of events.
    pub activities_24h: u64,
    /// Number of distinct users with an event.
    pub active_users_24h: u64,
    /// Number of events of each type.
    pub event_breakdown: BTreeMap<String, u64>,
    /// The pages with the most views.
    pub popular_pages: Vec<PageViews>,
    /// The users with the most events.
    pub top_users: Vec<UserEvents>,
    /// Number of events by the hour of the day in UTC, 0 to 23.
    pub hourly_activity: [u64; 24],
    /// Lengths of visits.
    pub visits: Durations,
}

impl UserReport {
    /// Builds the report from an overview of this user's events.
    pub(crate) fn new(generated_at: Timestamp, summary: UserSummary, overview: Overview) -> Self {
        Self {
            generated_at,
            summary,
            popular_pages: overview.popular_pages,
            devices: overview.devices,
            hourly_activity: overview.activity_by_hour,
            visits: overview.visits,
        }
    }
}

impl SystemReport {
    /// Builds the report from an overview of the last 24 hours.
    pub(crate) fn new(generated_at: Timestamp, overview: Overview) -> Self {
        Self {
            generated_at,
            unread: overview.unread,
            activities_24h: overview.events,
            active_users_24h: overview.active_users,
            event_breakdown: overview.event_breakdown,
            popular_pages: overview.popular_pages,
            top_users: overview.top_users,
            hourly_activity: overview.activity_by_hour,
            visits: overview.visits,
        }
    }
}
