//! [`HistoryQuery`]: a question about what was recorded, answered in pages.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde::{Serialize, Serializer};

use super::{Activity, Event, EventType};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, UserId, VisitorId},
    time::Timestamp,
};

/// Which events are meant. What is not named does not matter; an empty filter means all.
///
/// ```
/// use tower_guestbook::{Timestamp, UserId, activity::{ActivityFilter, Event, EventType}};
///
/// let filter = ActivityFilter::new().user(UserId::from(7)).event_type(EventType::LOGIN);
/// let mut event = Event::new(EventType::LOGIN, Timestamp::from_millis(0));
/// assert!(!filter.matches(&event));
/// event.user = Some(UserId::from(7));
/// assert!(filter.matches(&event));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct ActivityFilter {
    /// Only events of this user.
    pub user: Option<UserId>,
    /// Only events of this session.
    pub session: Option<SessionId>,
    /// Only events of this visitor.
    pub visitor: Option<VisitorId>,
    /// Only events of this type.
    pub event_type: Option<EventType>,
    /// No events of these types.
    pub except_types: Vec<EventType>,
    /// Only events at or after this time.
    pub from: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
    /// No events of those who are restricted at this time, or whose activities are held. Only a
    /// store knows who that is.
    pub sparing_restricted: Option<Timestamp>,
    /// No events that are [anonymised](Activity::anonymised). Only a store knows which are.
    pub except_anonymised: bool,
}

impl ActivityFilter {
    /// All events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only events of this user.
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Only events of this session.
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Only events of this visitor.
    pub fn visitor(mut self, visitor: VisitorId) -> Self {
        self.visitor = Some(visitor);
        self
    }

    /// Only events of this type.
    pub fn event_type(mut self, event_type: EventType) -> Self {
        self.event_type = Some(event_type);
        self
    }

    /// No events of these types.
    pub fn except_types(mut self, event_types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = event_types.into_iter().collect();
        self
    }

    /// Only events at or after this time.
    pub fn from(mut self, time: Timestamp) -> Self {
        self.from = Some(time);
        self
    }

    /// Only events before this time: ranges are half-open.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// No events of those whose data is to be left alone at this time: who are
    /// [restricted](crate::privacy::Restriction), or whose activities are
    /// [held](crate::privacy::LegalHold).
    pub fn sparing_restricted(mut self, now: Timestamp) -> Self {
        self.sparing_restricted = Some(now);
        self
    }

    /// No events that are [anonymised](Activity::anonymised) already.
    pub fn except_anonymised(mut self) -> Self {
        self.except_anonymised = true;
        self
    }

    /// Whether `event` is meant, as far as the event tells: whether somebody is
    /// [spared](Self::sparing_restricted) it does not, nor whether it was anonymised.
    pub fn matches(&self, event: &Event) -> bool {
        self.user.as_ref().is_none_or(|user| event.user.as_ref() == Some(user))
            && self.session.is_none_or(|session| event.session == Some(session))
            && self.visitor.is_none_or(|visitor| event.visitor == Some(visitor))
            && self.event_type.as_ref().is_none_or(|kind| event.event_type == *kind)
            && !self.except_types.contains(&event.event_type)
            && self.from.is_none_or(|from| event.time >= from)
            && self.until.is_none_or(|until| event.time < until)
    }
}

/// In which order pages come. The order is that in which events were recorded; it never changes
/// afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last recorded first.
    #[default]
    NewestFirst,
    /// The first recorded first.
    OldestFirst,
}

/// A page of history: which events, in which order, from where on, how many.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct HistoryQuery {
    /// Which events.
    pub filter: ActivityFilter,
    /// In which order.
    pub order: Order,
    /// The sequence after which the page begins, in the order that is asked for.
    pub after: Option<u64>,
    /// How many events at most.
    pub limit: usize,
}

impl HistoryQuery {
    /// The largest page.
    pub const MAX_LIMIT: usize = 1_000;

    /// The first page of what `filter` means, newest first, 50 events.
    pub fn new(filter: ActivityFilter) -> Self {
        Self { filter, order: Order::default(), after: None, limit: 50 }
    }

    /// In this order.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// At most so many events: from 1 to [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, Self::MAX_LIMIT);
        self
    }

    /// What comes after the page that gave `cursor`. Sets the order to that page's.
    ///
    /// Nothing is skipped or seen twice, whatever is recorded or deleted between two pages.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.order = cursor.order;
        self.after = Some(cursor.sequence);
        self
    }

    /// Whether the activity with this sequence comes after the cursor. For stores.
    pub fn is_after_cursor(&self, sequence: u64) -> bool {
        self.after.is_none_or(|after| match self.order {
            Order::NewestFirst => sequence < after,
            Order::OldestFirst => sequence > after,
        })
    }

    /// The page that `activities` make, which are one more than asked for if there are more. For
    /// stores.
    pub fn page(&self, mut activities: Vec<Activity>) -> HistoryPage {
        let more = activities.len() > self.limit;
        activities.truncate(self.limit);
        let last = activities.last().filter(|_| more).map(|activity| activity.sequence);
        HistoryPage { activities, next: last.map(|sequence| Cursor { order: self.order, sequence }) }
    }
}

/// Some events, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The events, in the order that was asked for.
    pub activities: Vec<Activity>,
    /// From where to go on; `None` if this was the last page.
    pub next: Option<Cursor>,
}

/// A place in history, for [`HistoryQuery::after`]. As text it is opaque: what it says may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: Order,
    sequence: u64,
}

impl Cursor {
    /// The place right after the activity with this number.
    pub fn after_sequence(sequence: u64, order: Order) -> Self {
        Self { order, sequence }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 9];
        bytes[0] = u8::from(self.order == Order::OldestFirst);
        bytes[1..].copy_from_slice(&self.sequence.to_be_bytes());
        f.write_str(&BASE64URL.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new(ErrorKind::InvalidInput, "this is no cursor: take one from the page before");
        let bytes = BASE64URL.decode(text).map_err(|_| wrong())?;
        let [order, sequence @ ..] = <[u8; 9]>::try_from(bytes).map_err(|_| wrong())?;
        let order = match order {
            0 => Order::NewestFirst,
            1 => Order::OldestFirst,
            _ => return Err(wrong()),
        };
        let sequence = u64::from_be_bytes(sequence);
        if i64::try_from(sequence).is_err() {
            return Err(wrong());
        }
        Ok(Self { order, sequence })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let cursor = Cursor { order, sequence: 1 << 40 };
            assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }
        for wrong in ["", "7", "AAAAAAAAAAAA", "AgAAAAAAAAAB", "AP__________", "\0", "AAAAAAAAAAAAAAAA"] {
            if let Ok(cursor) = wrong.parse::<Cursor>() {
                assert_eq!(cursor.to_string(), wrong, "one spelling for one place");
            }
        }
        assert!("AgAAAAAAAAAB".parse::<Cursor>().is_err(), "an unknown order");
        assert!("AP__________".parse::<Cursor>().is_err(), "a number that no store gives");
    }
}
