//! [`UserReport`] and [`SystemReport`]: several figures at once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Count, Durations, Overview, PageViews, Range, UserEvents, UserSummary};
use crate::time::Timestamp;

/// The activity of a user. Personal data: it names the user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserReport {
    /// When the report was made.
    pub generated_at: Timestamp,
    /// The user in a few figures.
    #[serde(flatten)]
    pub summary: UserSummary,
    /// The pages with the most views.
    pub popular_pages: Vec<PageViews>,
    /// The kinds of devices, by events.
    pub devices: Vec<Count>,
    /// Events by the hour of the day in UTC, 0 to 23.
    pub hourly_activity: [u64; 24],
    /// How long visits were.
    pub visits: Durations,
}

/// The activity of the 24 hours before the report was made. Personal data: it names users.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SystemReport {
    /// When the report was made.
    pub generated_at: Timestamp,
    /// Stretches that are not in the figures, see [`Overview::unread`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Range>,
    /// Number of events.
    pub activities_24h: u64,
    /// Distinct users.
    pub active_users_24h: u64,
    /// Events of each type.
    pub event_breakdown: BTreeMap<String, u64>,
    /// The pages with the most views.
    pub popular_pages: Vec<PageViews>,
    /// The users with the most events.
    pub top_users: Vec<UserEvents>,
    /// Events by the hour of the day in UTC, 0 to 23.
    pub hourly_activity: [u64; 24],
    /// How long visits were.
    pub visits: Durations,
}

impl UserReport {
    /// From an overview of this user alone.
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
    /// From an overview of the 24 hours before.
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
