//! [`Exclusion`]: people whose events do not count.

use std::{collections::HashSet, fmt};

use crate::{
    id::{UserId, VisitorId},
    model::{
        activity::{Event, EventType},
        consent::Subject,
    },
};

/// People whose events do not count, of some types or of all. Events of a visitor while a user is
/// logged in belong to the user.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{Timestamp, UserId, activity::{Event, EventType}, consent::Subject, store::Exclusion};
///
/// let ada = UserId::try_from("ada")?;
/// let exclusion = Exclusion::new([Subject::User(ada.clone())]).except_types([EventType::PURCHASE]);
/// let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(0));
/// event.user = Some(ada);
/// assert!(exclusion.has(&event));
/// event.event_type = EventType::PURCHASE;
/// assert!(!exclusion.has(&event));
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Exclusion {
    /// Users.
    pub users: HashSet<UserId>,
    /// Visitors, for events without a login.
    pub visitors: HashSet<VisitorId>,
    /// Only events of these types do not count; `None` for all types.
    pub types: Option<Vec<EventType>>,
    /// Events of these types count all the same.
    pub except_types: Vec<EventType>,
}

impl Exclusion {
    /// Excludes all events of these people.
    pub fn new(persons: impl IntoIterator<Item = Subject>) -> Self {
        let mut exclusion = Self::default();
        for person in persons {
            match person {
                Subject::User(user) => _ = exclusion.users.insert(user),
                Subject::Visitor(visitor) => _ = exclusion.visitors.insert(visitor),
            }
        }
        exclusion
    }

    /// Excludes only events of these types.
    pub fn types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.types = Some(types.into_iter().collect());
        self
    }

    /// Does not exclude events of these types.
    pub fn except_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = types.into_iter().collect();
        self
    }

    /// Returns whether events of this type are excluded.
    pub fn has_type(&self, event_type: &EventType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(event_type)) && !self.except_types.contains(event_type)
    }

    /// Returns whether this event is excluded.
    pub fn has(&self, event: &Event) -> bool {
        let has_person = match (&event.user, &event.visitor) {
            (Some(user), _) => self.users.contains(user),
            (None, Some(visitor)) => self.visitors.contains(visitor),
            (None, None) => false,
        };
        has_person && self.has_type(&event.event_type)
    }
}

/// Redacted: it names users.
impl fmt::Debug for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusion")
            .field("users", &self.users.len())
            .field("visitors", &self.visitors.len())
            .field("types", &self.types)
            .field("except_types", &self.except_types)
            .finish()
    }
}
