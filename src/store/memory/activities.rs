//! Activities in memory: one list.

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

/// What events are called.
#[derive(Debug, Default)]
pub(super) struct Names {
    types: HashSet<EventType>,
    routes: HashSet<(Method, Arc<str>)>,
}

impl Names {
    /// Whether both the type and the route of an event are among them.
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
            let is_left_out = is_struck_out || state.is_restricted(&entry.event);
            let is_new = state.activities.recorded.insert(entry.id);
            sequences.push((is_new && !is_left_out).then(|| state.activities.record(entry)));
        }
        Ok(sequences)
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        let state = self.state();
        let spared = state.spared(&query.filter);
        let found = |activity: &&Activity| {
            is_meant(&query.filter, activity)
                && !spared.has(&activity.event)
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
        let spared = state.spared(&filter);
        let is_counted = |activity: &&Activity| is_meant(&filter, activity) && !spared.has(&activity.event);
        Ok(state.activities.all.iter().filter(is_counted).count() as u64)
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        let mut state = self.state();
        let spared = state.spared(&filter);
        Ok(state
            .activities
            .delete_activities(limit, |activity| is_meant(&filter, activity) && !spared.has(&activity.event)))
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        let mut state = self.state();
        let (spared, filter) = (state.spared(&filter), filter.except_anonymised());
        Ok(state.activities.anonymise(limit, |activity| is_meant(&filter, activity) && !spared.has(&activity.event)))
    }
}

fn is_meant(filter: &ActivityFilter, activity: &Activity) -> bool {
    filter.matches(&activity.event) && !(filter.except_anonymised && activity.anonymised)
}

impl Activities {
    /// The users of whom there are events.
    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.all.iter().filter_map(|activity| activity.event.user.as_ref())
    }

    /// The events that are meant.
    pub(super) fn of(&self, is_meant: impl Fn(&Event) -> bool) -> Vec<Activity> {
        self.all.iter().filter(|activity| is_meant(&activity.event)).cloned().collect()
    }

    /// Deletes at most `limit` events, the oldest first. How many there were.
    pub(super) fn delete_activities(&mut self, limit: usize, is_meant: impl Fn(&Activity) -> bool) -> usize {
        let mut left = limit;
        self.all.retain(|activity| {
            let goes = left > 0 && is_meant(activity);
            left -= usize::from(goes);
            !goes
        });
        limit - left
    }

    /// Anonymises at most `limit` events, the oldest first. How many there were.
    pub(super) fn anonymise(&mut self, limit: usize, is_meant: impl Fn(&Activity) -> bool) -> usize {
        let meant = self.all.iter_mut().filter(|activity| is_meant(activity)).take(limit);
        meant.map(|activity| *activity = activity.clone().anonymised()).count()
    }

    /// The types, and the methods with routes, of the events that are meant.
    pub(super) fn names(&self, is_meant: impl Fn(&Event) -> bool) -> Names {
        let mut names = Names::default();
        for event in self.all.iter().map(|activity| &activity.event).filter(|event| is_meant(event)) {
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
