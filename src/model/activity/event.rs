//! [`Event`], [`Entry`] and [`Activity`]: an event, on its way to a store, and stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EventData, EventType, RequestTrace, ResponseTrace};
use crate::{
    id::{SessionId, UserId, VisitorId},
    model::client::Agent,
    time::Timestamp,
};

/// Something that happened: a request, a login, a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Type of the event.
    pub event_type: EventType,
    /// Time of arrival, by the server's clock.
    #[serde(rename = "timestamp")]
    pub time: Timestamp,
    /// Time by the client's clock, if the client sent one; at most a day from [`time`](Self::time).
    /// It is never used for order or deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_time: Option<Timestamp>,
    /// The logged-in user.
    #[serde(rename = "user_id", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Public id of the session.
    #[serde(rename = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The visitor, if visitors without a login are identified.
    #[serde(rename = "visitor_id", default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorId>,
    /// Who reported the event.
    #[serde(default, skip_serializing_if = "Origin::is_server")]
    pub origin: Origin,
    /// Additional data.
    #[serde(rename = "event_data", default, skip_serializing_if = "Option::is_none")]
    pub data: Option<EventData>,
    /// The request that the event belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTrace>,
    /// The response, if the event records a whole exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseTrace>,
}

/// Who reported an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The server observed it. Not written to JSON.
    #[default]
    Server,
    /// The client reported it, and may report anything. See
    /// [`Tracker::client`](crate::Tracker::client).
    Client,
}

impl Origin {
    pub(crate) fn is_server(&self) -> bool {
        *self == Self::Server
    }

    /// Returns the name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl Event {
    /// Removes everything that could identify a person.
    #[must_use]
    pub(crate) fn without_person(mut self) -> Self {
        (self.client_time, self.user, self.session, self.visitor, self.data) = (None, None, None, None, None);
        if let Some(request) = &mut self.request {
            (request.referrer, request.campaign, request.network) = (None, None, None);
            request.agent = Agent::default();
        }
        self
    }

    /// Returns the anonymised event.
    ///
    /// It keeps the type and origin, the day (UTC), method and route, the class of the status, and
    /// how the exchange ended. It has nothing that identifies a person or links events of one
    /// person. Latency and size are removed as well, because another log could identify the request
    /// by them.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{Timestamp, UserId, activity::{Event, EventType}};
    ///
    /// let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(1_800_000_000_000));
    /// event.user = Some(UserId::from(7));
    /// let anonymous = event.anonymised();
    /// assert_eq!((anonymous.user, anonymous.time), (None, Timestamp::from_millis(1_799_971_200_000)));
    /// ```
    #[must_use]
    pub fn anonymised(self) -> Self {
        let mut event = self.without_person();
        event.time = event.time.start_of_day();
        if let Some(response) = &mut event.response {
            response.status -= response.status % 100;
            (response.latency, response.bytes) = (0, 0);
        }
        event
    }

    /// Creates an event of this type and time. All other fields are empty.
    pub fn new(event_type: EventType, time: Timestamp) -> Self {
        Self {
            event_type,
            time,
            client_time: None,
            user: None,
            session: None,
            visitor: None,
            origin: Origin::Server,
            data: None,
            request: None,
            response: None,
        }
    }

    /// Sets the client's time, limited to a day from the server's time.
    #[must_use]
    pub fn with_client_time(mut self, time: Timestamp) -> Self {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let server = self.time.as_millis();
        let clamped = time.as_millis().clamp(server.saturating_sub(DAY), server.saturating_add(DAY));
        self.client_time = Some(Timestamp::from_millis(clamped));
        self
    }
}

/// The id by which a store recognises an event: a random origin and a number.
///
/// A recorder chooses a random origin when it starts and counts from 1. So a store remembers only
/// the ranges of numbers it has, not every event. It remembers them after the events are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// The recorder that numbered it.
    pub origin: u64,
    /// Its number, from 1.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.origin, self.number)
    }
}

/// An event on its way to a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The id by which a store recognises it.
    pub id: EventId,
    /// The event.
    pub event: Event,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Activity {
    /// The store's sequence number: later events have larger numbers, and none is used twice. It is
    /// the order of history.
    pub sequence: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// Whether the event was [anonymised](Event::anonymised).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anonymised: bool,
}

impl Activity {
    /// Creates a stored event.
    pub fn new(sequence: u64, event: Event) -> Self {
        Self { sequence, event, anonymised: false }
    }

    /// Returns the activity with its event anonymised.
    #[must_use]
    pub fn anonymised(self) -> Self {
        Self { event: self.event.anonymised(), anonymised: true, ..self }
    }
}
