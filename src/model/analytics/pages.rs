//! [`PageViews`]: pages, and who looked at them for how long.

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

/// A page and who looked at it. Its name is the event's `page`, or else the route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PageViews {
    /// Its name.
    pub page: String,
    /// Number of `page_view` events.
    pub views: u64,
    /// Distinct users; visitors without an account count by their id, so one who logs in between
    /// two views counts as two.
    pub unique_users: u64,
    /// Mean time on the page, in milliseconds; `None` if it is known of no view.
    ///
    /// A page ends with the next page view of the same session (of the same user, or else visitor,
    /// where an event has no session), or else with the last interaction before a gap of more than
    /// 30 minutes between two events. The last page without an interaction after it is left out of
    /// the mean. What a page fetches does not end it: see
    /// [`AnalyticsRules::passive_types`](crate::analytics::AnalyticsRules::passive_types).
    pub average_time_ms: Option<u64>,
}

/// Gathers views.
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
    /// Counts the event if it is a view of a page, and names the page.
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

    /// Somebody looked at `page` for so many milliseconds.
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
        // They are by name already.
        pages.sort_by_key(|page| Reverse(page.views));
        pages.truncate(limit);
        pages
    }
}

/// The page that an event is about: its own `page`, or else the route.
pub(super) fn page_of(event: &Event) -> Option<Arc<str>> {
    let named = event.data.as_ref().and_then(|data| page_in(data.as_json())).map(Arc::from);
    named.or_else(|| event.request.as_ref().map(|request| request.route.clone()))
}

/// The `page` in the data of an event, if it is a text.
pub(crate) fn page_in(data: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        page: Option<serde_json::Value>,
    }
    // Most data has none, and to see that takes a hundredth of the time. Stored data has letters
    // unescaped.
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
    fn a_page_is_a_text_at_the_top_of_the_data() {
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
