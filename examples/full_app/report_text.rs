//! The system report as plain text.

use std::{collections::BTreeMap, fmt};

use tower_guestbook::{
    Timestamp,
    analytics::{Durations, PageViews, SystemReport},
};

/// The report as tables.
pub(crate) fn text(report: &SystemReport) -> String {
    let rows = vec![row("activities", report.activities_24h), row("active users", report.active_users_24h)];
    let title = format!("System report of the 24 hours before {}", moment(report.generated_at));
    let users = report.top_users.iter().map(|user| row(user.user_id.as_str(), user.events)).collect();
    [
        Table { title: &title, head: &[], rows },
        types(&report.event_breakdown),
        pages(&report.popular_pages),
        Table { title: "Top users", head: &["user", "events"], rows: users },
        hours(&report.hourly_activity),
        visits(&report.visits),
    ]
    .iter()
    .map(ToString::to_string)
    .collect()
}

/// Rows below a title; the first column to the left, the others to the right.
struct Table<'a> {
    title: &'a str,
    /// What the columns are; empty where that needs no word.
    head: &'a [&'a str],
    rows: Vec<Vec<String>>,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        if self.rows.is_empty() {
            return writeln!(f, "  none");
        }
        let head = self.head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = std::iter::once(&head)
            .filter(|head| !head.is_empty())
            .chain(&self.rows)
            .map(|line| line.iter().map(|cell| printable(cell)).collect())
            .collect();
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for line in &lines {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "  {cell:<width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A moment in UTC, as in RFC 3339.
fn moment(time: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(time.as_millis());
    moment.map_or_else(|_| format!("{} ms", time.as_millis()), |moment| moment.to_string())
}

/// Hours, minutes and seconds; a dash where there is nothing.
fn length(millis: Option<u64>) -> String {
    let Some(seconds) = millis.map(|millis| millis / 1_000) else { return "-".to_owned() };
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Names come from applications and their clients: none may write a line of its own, or tell the
/// terminal what to do.
fn printable(text: &str) -> String {
    let harmless = |character: char| match character {
        // What turns the direction of writing is no control character to `char`.
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    text.chars().map(harmless).collect()
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
