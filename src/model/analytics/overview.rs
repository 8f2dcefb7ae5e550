//! [`Overview`]: the main figures of a range.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use serde::Serialize;

use super::{Durations, PageViews, Period, Range, Role, Zone, durations::Streams, pages::Pages};
use crate::{
    id::{UserId, VisitorId},
    model::{
        activity::{Activity, EventType},
        client::DeviceClass,
    },
    time::Timestamp,
};

/// The main figures of a range. Lists are sorted by count, descending, then by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Overview {
    /// The range of the query.
    pub range: Range,
    /// Spans of the range that the figures do not include, because they have more events than one
    /// query may read and are not rolled up yet. Empty, except for an hour or two after a burst of
    /// events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Range>,
    /// Number of events.
    pub events: u64,
    /// Distinct users with at least one event.
    pub active_users: u64,
    /// Distinct visitors with at least one event without a login. A visitor who then logs in counts
    /// both here and as a user.
    pub visitors: u64,
    /// The first event's time, if there is one.
    pub first_activity: Option<Timestamp>,
    /// The last event's time, if there is one.
    pub last_activity: Option<Timestamp>,
    /// Number of days, in the zone of the query, with an event.
    pub days_active: u64,
    /// Number of events of each type.
    pub event_breakdown: BTreeMap<String, u64>,
    /// The pages with the most views.
    pub popular_pages: Vec<PageViews>,
    /// The most frequent entry pages of visits. Visits without a page have none.
    pub entry_pages: Vec<Count>,
    /// The most frequent exit pages of visits.
    pub exit_pages: Vec<Count>,
    /// The referring hosts, by number of events.
    pub referrers: Vec<Count>,
    /// The device classes, by number of events. Events without a request have none.
    pub devices: Vec<Count>,
    /// The users with the most events.
    pub top_users: Vec<UserEvents>,
    /// Number of events by the hour of the day, 0 to 23, in the zone of the query.
    pub activity_by_hour: [u64; 24],
    /// Lengths of visits.
    pub visits: Durations,
    /// Lengths of sessions.
    pub sessions: Durations,
}

/// A name and its count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// Its name.
    pub name: String,
    /// Number of occurrences.
    pub count: u64,
}

/// A user and the number of their events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UserEvents {
    /// The user.
    pub user_id: UserId,
    /// Number of events.
    pub events: u64,
}

/// Builds an overview from events, in any order, until [`finish`](Self::finish).
pub(crate) struct OverviewBuilder {
    range: Range,
    zone: Zone,
    passive_types: Vec<EventType>,
    events: u64,
    span: Option<(Timestamp, Timestamp)>,
    days: BTreeSet<Timestamp>,
    types: BTreeMap<String, u64>,
    users: HashMap<UserId, u64>,
    visitors: HashSet<VisitorId>,
    referrers: HashMap<Box<str>, u64>,
    devices: HashMap<DeviceClass, u64>,
    hours: [u64; 24],
    pages: Pages,
    streams: Streams,
}

impl OverviewBuilder {
    pub(crate) fn new(range: Range, zone: Zone, passive_types: Vec<EventType>) -> Self {
        Self {
            range,
            zone,
            passive_types,
            events: 0,
            span: None,
            days: BTreeSet::new(),
            types: BTreeMap::new(),
            users: HashMap::new(),
            visitors: HashSet::new(),
            referrers: HashMap::new(),
            devices: HashMap::new(),
            hours: [0; 24],
            pages: Pages::default(),
            streams: Streams::default(),
        }
    }

    pub(crate) fn add(&mut self, activity: &Activity) {
        let event = &activity.event;
        self.events += 1;
        let (first, last) = self.span.unwrap_or((event.time, event.time));
        self.span = Some((first.min(event.time), last.max(event.time)));
        self.days.insert(self.zone.start_of(Period::Day, event.time));
        self.hours[self.zone.hour_of_day(event.time)] += 1;
        *self.types.entry(event.event_type.as_str().to_owned()).or_default() += 1;
        if let Some(user) = &event.user {
            *self.users.entry(user.clone()).or_default() += 1;
        } else {
            self.visitors.extend(event.visitor);
        }
        if let Some(request) = &event.request {
            *self.devices.entry(request.agent.device).or_default() += 1;
            if let Some(referrer) = &request.referrer {
                *self.referrers.entry(referrer.clone()).or_default() += 1;
            }
        }
        let page = self.pages.add(event);
        self.streams.add(activity, Role::of(&event.event_type, &self.passive_types), page);
    }

    pub(crate) fn finish(mut self, limit: usize) -> Overview {
        let stays = self.streams.finish(&mut self.pages);
        let active_users = self.users.len() as u64;
        let mut users: Vec<_> =
            self.users.into_iter().map(|(user_id, events)| UserEvents { user_id, events }).collect();
        users.sort_unstable_by(|a, b| b.events.cmp(&a.events).then_with(|| a.user_id.cmp(&b.user_id)));
        users.truncate(limit);
        let devices = self.devices.into_iter().map(|(device, count)| (device.as_str(), count));
        Overview {
            range: self.range,
            unread: Vec::new(),
            events: self.events,
            active_users,
            visitors: self.visitors.len() as u64,
            first_activity: self.span.map(|span| span.0),
            last_activity: self.span.map(|span| span.1),
            days_active: self.days.len() as u64,
            event_breakdown: self.types,
            popular_pages: self.pages.finish(limit),
            entry_pages: Count::most(stays.entries, limit),
            exit_pages: Count::most(stays.exits, limit),
            referrers: Count::most(self.referrers, limit),
            devices: Count::most(devices, limit),
            top_users: users,
            activity_by_hour: self.hours,
            visits: stays.visits,
            sessions: stays.sessions,
        }
    }
}

impl Count {
    pub(super) fn most<N: AsRef<str>>(counts: impl IntoIterator<Item = (N, u64)>, limit: usize) -> Vec<Self> {
        let named = counts.into_iter().map(|(name, count)| Self { name: name.as_ref().to_owned(), count });
        let mut counts: Vec<_> = named.collect();
        counts.sort_unstable_by(|a, b| Reverse(a.count).cmp(&Reverse(b.count)).then_with(|| a.name.cmp(&b.name)));
        counts.truncate(limit);
        counts
    }
}
