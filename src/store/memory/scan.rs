//! Scans of activities in memory.

use std::{collections::HashMap, hash::Hash};

use super::MemoryStore;
use crate::{
    error::Result,
    id::{UserId, VisitorId},
    model::activity::{Activity, Event, EventData},
    store::{AnalyticsStore, EventVisitor, Scan, ScannedEvent, ScannedName},
};

impl AnalyticsStore for MemoryStore {
    async fn at_most(&self, scan: Scan) -> Result<u64> {
        Ok(self.state().activities.of(|event| matches(&scan, event)).len() as u64)
    }

    async fn scan(&self, scan: Scan, mut each: EventVisitor) -> Result<()> {
        let (all, links): (Vec<Activity>, HashMap<VisitorId, UserId>) = {
            let state = self.state();
            let link = |event: &Event| {
                let visitor = event.visitor.filter(|_| scan.has_links && event.user.is_none())?;
                Some((visitor, state.consents.user_of(visitor)?.clone()))
            };
            // The event counts as the linked user's.
            let is_excluded = |event: &Event| {
                link(event).is_some_and(|(_, user)| {
                    let event = Event { user: Some(user), ..event.clone() };
                    !matches(&Scan { user: None, ..scan.clone() }, &event)
                })
            };
            let all = state.activities.of(|event| matches(&scan, event) && !is_excluded(event));
            let links = all.iter().filter_map(|activity| link(&activity.event)).collect();
            (all, links)
        };
        let (mut types, mut routes) = (Numbers::default(), Numbers::default());
        let (mut users, mut visitors, mut sessions) = (Numbers::default(), Numbers::default(), Numbers::default());
        for Activity { sequence, event, .. } in &all {
            let name = event.event_type.as_str();
            let event_type = ScannedName { number: types.of(name), name };
            let mut scanned = ScannedEvent::new(*sequence, event.time, event_type);
            scanned.user = event.user.as_ref().map(|user| users.of(user));
            scanned.visitor = event.visitor.map(|visitor| visitors.of(visitor));
            if event.user.is_none() {
                let linked = event.visitor.and_then(|visitor| links.get(&visitor));
                scanned.linked_user = linked.map(|user| users.of(user));
            }
            if scan.has_sessions {
                scanned.session = event.session.map(|session| sessions.of(session));
            }
            if scan.has_routes {
                scanned.route = event.request.as_ref().map(|request| ScannedName {
                    number: routes.of((request.method, &request.route)),
                    name: &request.route,
                });
            }
            if scan.has_data {
                scanned.data = event.data.as_ref().map(EventData::as_json);
            }
            if each(&scanned).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn matches(scan: &Scan, event: &Event) -> bool {
    scan.range.contains(event.time)
        && scan.is_counted(&event.event_type)
        && scan.user.as_ref().is_none_or(|user| event.user.as_ref() == Some(user))
        && !event.user.as_ref().is_some_and(|user| scan.except_users.contains(user))
        && !scan.exclusion.iter().any(|exclusion| exclusion.has(event))
        && scan.session.is_none_or(|session| event.session == Some(session))
        && (!scan.needs_person || event.user.is_some() || event.visitor.is_some())
}

/// Names by the order of their first use.
struct Numbers<T>(HashMap<T, u64>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Numbers<T> {
    fn of(&mut self, name: T) -> u64 {
        let next = self.0.len() as u64;
        *self.0.entry(name).or_insert(next)
    }
}
