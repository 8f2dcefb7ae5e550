//! Activities in memory.

use std::{collections::HashSet, sync::Arc};

use super::MemoryStore;
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::activity::{
        Activity, ActivityFilter, Entry, Event, EventId, EventType, HistoryPage, HistoryQuery, Method, Order,
        RequestTrace,
    },
    store::{ActivityStore, Commit},
};

/// Types and routes of events.
#[derive(Debug, Default)]
pub(super) struct Names {
    types: HashSet<EventType>,
    routes: HashSet<(Method, Arc<str>)>,
}

impl Names {
    /// Returns whether both the type and the route of an event are included.
    pub(super) fn has(&self, event: &Event) -> bool {
        let has_route = |request: &RequestTrace| self.routes.contains(&(request.method, request.route.clone()));
        self.types.contains(&event.event_type) && event.request.as_ref().is_none_or(has_route)
    }
}

#[derive(Debug, Default)]
pub(super) struct Activities {
    all: Vec<Activity>,
    recorded: HashSet<EventId>,
    sequence: u64,
}

impl ActivityStore for MemoryStore {
    async fn append(&self, entries: Arc<[Entry]>, _: Commit) -> Result<Vec<Option<u64>>> {
        let mut state = self.state();
        if state.activities.all.len() + entries.len() > self.activity_capacity {
            let context = format!("the memory store holds {} activities", self.activity_capacity);
            return Err(Error::new(ErrorKind::StorageFull, context));
        }
        let mut sequences = Vec::with_capacity(entries.len());
        for entry in entries.iter() {
            let is_struck_out = match &entry.event.user {
                Some(user) => state.erasure(user)?.is_some(),
                None => false,
            };
            let is_excluded = is_struck_out || state.is_restricted(&entry.event);
            let is_new = state.activities.recorded.insert(entry.id);
            sequences.push((is_new && !is_excluded).then(|| state.activities.record(entry)));
        }
        Ok(sequences)
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        let state = self.state();
        let restricted = state.restricted(&query.filter);
        let found = |activity: &&Activity| {
            matches(&query.filter, activity)
                && !restricted.has(&activity.event)
                && query.is_after_cursor(activity.sequence)
        };
        let (all, some) = (state.activities.all.iter(), query.limit + 1);
        let activities = match query.order {
            Order::OldestFirst => all.filter(found).take(some).cloned().collect(),
            Order::NewestFirst => all.rev().filter(found).take(some).cloned().collect(),
        };
        Ok(query.page(activities))
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        let state = self.state();
        let restricted = state.restricted(&filter);
        let is_counted = |activity: &&Activity| matches(&filter, activity) && !restricted.has(&activity.event);
        Ok(state.activities.all.iter().filter(is_counted).count() as u64)
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        let mut state = self.state();
        let restricted = state.restricted(&filter);
        Ok(state
            .activities
            .delete_activities(limit, |activity| matches(&filter, activity) && !restricted.has(&activity.event)))
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        let mut state = self.state();
        let (restricted, filter) = (state.restricted(&filter), filter.except_anonymised());
        Ok(state.activities.anonymise(limit, |activity| matches(&filter, activity) && !restricted.has(&activity.event)))
    }
}

fn matches(filter: &ActivityFilter, activity: &Activity) -> bool {
    filter.matches(&activity.event) && !(filter.except_anonymised && activity.anonymised)
}

impl Activities {
    /// Returns the users with events.
    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.all.iter().filter_map(|activity| activity.event.user.as_ref())
    }

    /// Returns the matching events.
    pub(super) fn of(&self, matches: impl Fn(&Event) -> bool) -> Vec<Activity> {
        self.all.iter().filter(|activity| matches(&activity.event)).cloned().collect()
    }

    /// Deletes the oldest matching events, at most `limit`, and returns their number.
    pub(super) fn delete_activities(&mut self, limit: usize, matches: impl Fn(&Activity) -> bool) -> usize {
        let mut left = limit;
        self.all.retain(|activity| {
            let goes = left > 0 && matches(activity);
            left -= usize::from(goes);
            !goes
        });
        limit - left
    }

    /// Anonymises the oldest matching events, at most `limit`, and returns their number.
    pub(super) fn anonymise(&mut self, limit: usize, matches: impl Fn(&Activity) -> bool) -> usize {
        let meant = self.all.iter_mut().filter(|activity| matches(activity)).take(limit);
        meant.map(|activity| *activity = activity.clone().anonymised()).count()
    }

    /// Returns the types, and the methods with routes, of the matching events.
    pub(super) fn names(&self, matches: impl Fn(&Event) -> bool) -> Names {
        let mut names = Names::default();
        for event in self.all.iter().map(|activity| &activity.event).filter(|event| matches(event)) {
            names.types.insert(event.event_type.clone());
            names.routes.extend(event.request.as_ref().map(|request| (request.method, request.route.clone())));
        }
        names
    }

    fn record(&mut self, entry: &Entry) -> u64 {
        self.sequence += 1;
        self.all.push(Activity::new(self.sequence, entry.event.clone()));
        self.sequence
    }
}
