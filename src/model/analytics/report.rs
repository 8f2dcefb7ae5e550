//! [`UserReport`] and [`SystemReport`]: for people to read, and for programs.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    Count, Durations, Overview, PageViews, Range, UserEvents, UserSummary,
    table::{Table, length, moment},
};
use crate::time::Timestamp;

/// What is known of a user's activity. As JSON by `serde`, as text by `Display`. It is personal: it
/// names the user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserReport {
    /// When it was made.
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

/// What happened in the 24 hours before it was made. As JSON by `serde`, as text by `Display`. It
/// is personal: it names users.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SystemReport {
    /// When it was made.
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

impl fmt::Display for UserReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.summary;
        let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), moment);
        let rows = vec![
            row("user", summary.user_id.as_str()),
            row("activities", summary.total_activities),
            row("sessions", summary.total_sessions),
            row("average session", length(summary.average_session_ms)),
            row("first seen", time(summary.first_seen)),
            row("last activity", time(summary.last_activity)),
            row("days active", summary.days_active),
        ];
        Table { title: &format!("User report of {}", moment(self.generated_at)), head: &[], rows }.fmt(f)?;
        types(&summary.event_breakdown).fmt(f)?;
        pages(&self.popular_pages).fmt(f)?;
        let devices = self.devices.iter().map(|device| row(&device.name, device.count)).collect();
        Table { title: "Devices", head: &["device", "events"], rows: devices }.fmt(f)?;
        hours(&self.hourly_activity).fmt(f)?;
        visits(&self.visits).fmt(f)
    }
}

impl fmt::Display for SystemReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = vec![row("activities", self.activities_24h), row("active users", self.active_users_24h)];
        let title = format!("System report of the 24 hours before {}", moment(self.generated_at));
        Table { title: &title, head: &[], rows }.fmt(f)?;
        types(&self.event_breakdown).fmt(f)?;
        pages(&self.popular_pages).fmt(f)?;
        let users = self.top_users.iter().map(|user| row(user.user_id.as_str(), user.events)).collect();
        Table { title: "Top users", head: &["user", "events"], rows: users }.fmt(f)?;
        hours(&self.hourly_activity).fmt(f)?;
        visits(&self.visits).fmt(f)
    }
}

fn row(name: &str, value: impl ToString) -> Vec<String> {
    vec![name.to_owned(), value.to_string()]
}

fn types(types: &BTreeMap<String, u64>) -> Table<'static> {
    let rows = types.iter().map(|(name, count)| row(name, count)).collect();
    Table { title: "Events", head: &["type", "events"], rows }
}

fn pages(pages: &[PageViews]) -> Table<'static> {
    let cells = |page: &PageViews| {
        let (views, users) = (page.views.to_string(), page.unique_users.to_string());
        vec![page.page.clone(), views, users, length(page.average_time_ms)]
    };
    let head = &["page", "views", "users", "average time"];
    Table { title: "Popular pages", head, rows: pages.iter().map(cells).collect() }
}

/// Only hours in which something happened.
fn hours(hours: &[u64; 24]) -> Table<'static> {
    let busy = hours.iter().enumerate().filter(|(_, count)| **count > 0);
    let rows = busy.map(|(hour, count)| row(&format!("{hour:02}:00"), count)).collect();
    Table { title: "By hour, UTC", head: &["hour", "events"], rows }
}

fn visits(visits: &Durations) -> Table<'static> {
    let rate = visits.bounce_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    let rows = vec![
        row("visits", visits.count),
        row("bounce rate", rate),
        row("average", length(visits.average_ms)),
        row("average without bounces", length(visits.average_without_bounces_ms)),
        row("median", length(visits.median_ms)),
        row("95 of 100 at most", length(visits.p95_ms)),
    ];
    Table { title: "Visits", head: &[], rows }
}
