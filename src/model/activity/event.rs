//! [`Event`], [`Entry`] and [`Activity`]: what happened, on its way, and stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EventData, EventType, RequestTrace, ResponseTrace};
use crate::{
    id::{SessionId, UserId, VisitorId},
    model::client::Agent,
    time::Timestamp,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// What kind of thing.
    pub event_type: EventType,
    /// When, by the server's clock, at arrival.
    #[serde(rename = "timestamp")]
    pub time: Timestamp,
    /// When, by the client's own clock, if it said so; at most a day from [`time`](Self::time).
    /// Never used for order or deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_time: Option<Timestamp>,
    /// Who was logged in.
    #[serde(rename = "user_id", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// In which session: its public id.
    #[serde(rename = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Which visitor, where visitors are told apart without an account.
    #[serde(rename = "visitor_id", default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorId>,
    /// Who says that it happened.
    #[serde(default, skip_serializing_if = "Origin::is_server")]
    pub origin: Origin,
    /// What else there is to say.
    #[serde(rename = "event_data", default, skip_serializing_if = "Option::is_none")]
    pub data: Option<EventData>,
    /// The request that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTrace>,
    /// The response, where the event is the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseTrace>,
}

/// Who says that something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The server, which saw it. Left out of JSON.
    #[default]
    Server,
    /// The client, which may say what it likes. See [`Tracker::client`](crate::Tracker::client).
    Client,
}

impl Origin {
    pub(crate) fn is_server(&self) -> bool {
        *self == Self::Server
    }

    /// The name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl Event {
    /// That it happened, and nothing that somebody could be told by.
    #[must_use]
    pub(crate) fn without_person(mut self) -> Self {
        (self.client_time, self.user, self.session, self.visitor, self.data) = (None, None, None, None, None);
        if let Some(request) = &mut self.request {
            (request.referrer, request.campaign, request.network) = (None, None, None);
            request.agent = Agent::default();
        }
        self
    }

    /// What is left of an event that is anonymised: its type and origin, the day (UTC), method and
    /// route, the class of the status and how the exchange ended. Neither who did it, nor anything
    /// that rows of one person have in common; also not how long it took and how many bytes it had,
    /// by which another log would know it again.
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

    /// An event of this type at this time; nothing else is known of it yet.
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

    /// The same event with the client's own time, moved to within a day of the server's.
    #[must_use]
    pub fn with_client_time(mut self, time: Timestamp) -> Self {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let server = self.time.as_millis();
        let clamped = time.as_millis().clamp(server.saturating_sub(DAY), server.saturating_add(DAY));
        self.client_time = Some(Timestamp::from_millis(clamped));
        self
    }
}

/// The name under which a store knows an event again: who numbered it, and the number.
///
/// A recorder takes a random origin when it starts and counts from 1. A store needs to remember
/// only which ranges of numbers it has, not every event, and it remembers them after the events
/// themselves are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// Who numbered it.
    pub origin: u64,
    /// Which of them, from 1.
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
    /// The name by which a store knows it again.
    pub id: EventId,
    /// What happened.
    pub event: Event,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Activity {
    /// The store's number for it: later ones are larger, none is used twice. The order of history.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// Whether this is what was [left](Event::anonymised) of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anonymised: bool,
}

impl Activity {
    /// An event as a store has it.
    pub fn new(sequence: u64, event: Event) -> Self {
        Self { sequence, event, anonymised: false }
    }

    /// The same activity without the person.
    #[must_use]
    pub fn anonymised(self) -> Self {
        Self { event: self.event.anonymised(), anonymised: true, ..self }
    }
}
