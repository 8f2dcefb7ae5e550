//! [`PageViews`]: views of pages, viewers, and time on page.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    id::{UserId, VisitorId},
    model::activity::{Event, EventType},
};

/// Views of one page. Its name is the event's `page`, or else the route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PageViews {
    /// Its name.
    pub page: String,
    /// Number of `page_view` events.
    pub views: u64,
    /// Distinct users and, for events without a login, visitors. A visitor who logs in between two
    /// views counts twice.
    pub unique_users: u64,
    /// Mean time on the page, in milliseconds; `None` if no view has a known time.
    ///
    /// The time on a page ends with the next page view of the same session (of the same user or
    /// else visitor if events have no session). Without a next view, it ends with the last
    /// interaction before a gap of more than 30 minutes. The last page of a visit without an
    /// interaction after it has no known time. [Passive
    /// events](crate::analytics::AnalyticsRules::passive_types) do not end it.
    pub average_time_ms: Option<u64>,
}

/// Collects page views.
#[derive(Default)]
pub(super) struct Pages(BTreeMap<Arc<str>, Page>);

#[derive(Default)]
struct Page {
    views: u64,
    people: HashSet<Person>,
    time: u64,
    timed: u64,
}

#[derive(PartialEq, Eq, Hash)]
enum Person {
    User(UserId),
    Visitor(VisitorId),
}

impl Pages {
    /// Counts the event if it is a page view, and returns the page.
    pub(super) fn add(&mut self, event: &Event) -> Option<Arc<str>> {
        let name = if event.event_type == EventType::PAGE_VIEW { page_of(event)? } else { return None };
        let page = self.0.entry(name.clone()).or_default();
        page.views += 1;
        page.people.extend(match (&event.user, event.visitor) {
            (Some(user), _) => Some(Person::User(user.clone())),
            (None, visitor) => visitor.map(Person::Visitor),
        });
        Some(name)
    }

    /// Adds the time of one view of `page`.
    pub(super) fn add_time(&mut self, page: &str, millis: u64) {
        if let Some(page) = self.0.get_mut(page) {
            page.time += millis;
            page.timed += 1;
        }
    }

    pub(super) fn finish(self, limit: usize) -> Vec<PageViews> {
        let mut pages: Vec<_> = self
            .0
            .into_iter()
            .map(|(name, page)| PageViews {
                page: name.as_ref().to_owned(),
                views: page.views,
                unique_users: page.people.len() as u64,
                average_time_ms: page.time.checked_div(page.timed),
            })
            .collect();
        // The pages are in order of name already; the sort is stable.
        pages.sort_by_key(|page| Reverse(page.views));
        pages.truncate(limit);
        pages
    }
}

/// Returns the page of an event: its own `page`, or else the route.
pub(super) fn page_of(event: &Event) -> Option<Arc<str>> {
    let named = event.data.as_ref().and_then(|data| page_in(data.as_json())).map(Arc::from);
    named.or_else(|| event.request.as_ref().map(|request| request.route.clone()))
}

/// Returns `page` in the data of an event, if it is a string.
pub(crate) fn page_in(data: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        page: Option<serde_json::Value>,
    }
    // Most data has no page; this check takes a hundredth of the time of parsing. Letters in stored
    // data are never escaped.
    if !data.contains("\"page\"") {
        return None;
    }
    match serde_json::from_str::<Named>(data).ok()?.page? {
        serde_json::Value::String(page) => Some(page),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_in_reads_a_top_level_string() {
        for (data, page) in [
            (r#"{"page":"/a"}"#, Some("/a")),
            (r#"{"page":"\u00fc","x":[1]}"#, Some("ü")),
            (r#"{"page":7}"#, None),
            (r#"{"page":null}"#, None),
            (r#"{"x":{"page":"/a"}}"#, None),
            (r#"{"x":"\"page\""}"#, None),
            (r#"{"#, None),
        ] {
            assert_eq!(page_in(data).as_deref(), page, "{data}");
        }
    }
}
