//! [`HistoryQuery`]: recorded activity, in pages.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde::{Serialize, Serializer};

use super::{Activity, Event, EventType};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, UserId, VisitorId},
    time::Timestamp,
};

/// Conditions on events. Conditions that are not set match every event; an empty filter matches
/// all.
///
/// # Examples
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
    /// Excludes events of these types.
    pub except_types: Vec<EventType>,
    /// Only events at or after this time.
    pub from: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
    /// Excludes events of users who are restricted at this time, or whose activities are under a
    /// legal hold. Only a store can decide this.
    pub except_restricted: Option<Timestamp>,
    /// Excludes [anonymised](Activity::anonymised) events. Only a store can decide this.
    pub except_anonymised: bool,
}

impl ActivityFilter {
    /// Creates a filter that matches all events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches only events of this user.
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Matches only events of this session.
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Matches only events of this visitor.
    pub fn visitor(mut self, visitor: VisitorId) -> Self {
        self.visitor = Some(visitor);
        self
    }

    /// Matches only events of this type.
    pub fn event_type(mut self, event_type: EventType) -> Self {
        self.event_type = Some(event_type);
        self
    }

    /// Excludes events of these types.
    pub fn except_types(mut self, event_types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = event_types.into_iter().collect();
        self
    }

    /// Matches only events at or after this time.
    pub fn from(mut self, time: Timestamp) -> Self {
        self.from = Some(time);
        self
    }

    /// Matches only events before this time: ranges are half-open.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Excludes events of users whose data must not be processed at this time: those who are
    /// [restricted](crate::privacy::Restriction), and those whose activities are under a [legal
    /// hold](crate::privacy::LegalHold).
    pub fn except_restricted(mut self, now: Timestamp) -> Self {
        self.except_restricted = Some(now);
        self
    }

    /// Excludes events that are [anonymised](Activity::anonymised).
    pub fn except_anonymised(mut self) -> Self {
        self.except_anonymised = true;
        self
    }

    /// Returns whether `event` matches. [`except_restricted`](Self::except_restricted) and
    /// [`except_anonymised`](Self::except_anonymised) are ignored, because the event alone does not
    /// tell.
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

/// The order of a history. It is the order in which events were stored, and never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Latest first. The default.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// A query for one page of history.
///
/// Pages are linked by a [`Cursor`]. No event is skipped or repeated, whatever is recorded or
/// deleted between two pages.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{ActivityFilter, Event, EventType, HistoryQuery},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// for minute in 0..3 {
///     let time = Timestamp::from_millis(minute * 60_000);
///     let mut event = Event::new(EventType::PAGE_VIEW, time);
///     event.user = Some(UserId::from(7));
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let query = HistoryQuery::new(ActivityFilter::new().user(UserId::from(7))).limit(2);
/// let first = guestbook.activities().history(query.clone()).await?;
/// assert_eq!(first.activities.len(), 2);
/// let second = guestbook.activities().history(query.after(first.next.unwrap())).await?;
/// assert_eq!((second.activities.len(), second.next), (1, None));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct HistoryQuery {
    /// The conditions.
    pub filter: ActivityFilter,
    /// The order.
    pub order: Order,
    /// The sequence number after which the page begins, in the given order.
    pub after: Option<u64>,
    /// The maximum number of events.
    pub limit: usize,
}

impl HistoryQuery {
    /// The largest page: 1,000.
    pub const MAX_LIMIT: usize = 1_000;

    /// Creates a query for the first page of the events that match `filter`: newest first, 50
    /// events.
    pub fn new(filter: ActivityFilter) -> Self {
        Self { filter, order: Order::default(), after: None, limit: 50 }
    }

    /// Sets the order.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Limits the number of events: from 1 to [`MAX_LIMIT`](Self::MAX_LIMIT). Default: 50.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, Self::MAX_LIMIT);
        self
    }

    /// Continues after the page that returned `cursor`, in the order of that page.
    ///
    /// No event is skipped or repeated, whatever is recorded or deleted between two pages.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.order = cursor.order;
        self.after = Some(cursor.sequence);
        self
    }

    /// Returns whether the activity with this sequence number comes after the cursor. For stores.
    pub fn is_after_cursor(&self, sequence: u64) -> bool {
        self.after.is_none_or(|after| match self.order {
            Order::NewestFirst => sequence < after,
            Order::OldestFirst => sequence > after,
        })
    }

    /// Creates the page from `activities`, which has one more than the limit if there are more. For
    /// stores.
    pub fn page(&self, mut activities: Vec<Activity>) -> HistoryPage {
        let more = activities.len() > self.limit;
        activities.truncate(self.limit);
        let last = activities.last().filter(|_| more).map(|activity| activity.sequence);
        HistoryPage { activities, next: last.map(|sequence| Cursor { order: self.order, sequence }) }
    }
}

/// A page of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The events, in the order of the query.
    pub activities: Vec<Activity>,
    /// Where the next page begins; `None` for the last page.
    pub next: Option<Cursor>,
}

/// A position in history, for [`HistoryQuery::after`]. Its text form is opaque and may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: Order,
    sequence: u64,
}

impl Cursor {
    /// Creates the position after the activity with this sequence number.
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
        let wrong = || Error::new(ErrorKind::InvalidInput, "not a cursor: use the one of the previous page");
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
    fn cursor_parses_its_own_text_only() {
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
