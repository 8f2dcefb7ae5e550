//! [`Numbers`]: a filter in ids of the database.

use rusqlite::Connection;

use super::{
    interned::{find_session, find_type, find_user, find_visitor, type_ids},
    type_bit,
};
use crate::{
    error::Result,
    id::VisitorId,
    model::activity::{ActivityFilter, EventType},
    store::sqlite::{legal_holds, restrictions},
    time::Timestamp,
};

/// A filter in ids of the database.
pub(in crate::store::sqlite) struct Numbers {
    pub(super) is_stranger: bool,
    pub(super) user: Option<i64>,
    pub(super) session: Option<i64>,
    pub(super) visitor: Option<i64>,
    pub(super) event_type: Option<i64>,
    pub(super) except: Vec<i64>,
    /// Bits of the types that may match.
    pub(super) type_bits: i64,
    pub(super) from: i64,
    pub(super) until: i64,
    /// The time at which restrictions and holds apply, if there are any.
    pub(super) restricted_at: Option<i64>,
    pub(super) except_anonymised: bool,
}

impl Numbers {
    /// Creates the filter for events of a visitor without a login; `None` if there are none.
    pub(in crate::store::sqlite) fn of_visitor(database: &Connection, visitor: VisitorId) -> Result<Option<Self>> {
        let numbers = Self::of(database, &ActivityFilter::new().visitor(visitor))?;
        Ok(numbers.map(|numbers| Self { is_stranger: true, ..numbers }))
    }

    /// Creates a filter. `None` if a name is unknown: then nothing matches.
    pub(in crate::store::sqlite) fn of(database: &Connection, filter: &ActivityFilter) -> Result<Option<Self>> {
        let mut numbers = Self {
            is_stranger: false,
            user: None,
            session: None,
            visitor: None,
            event_type: None,
            except: Vec::new(),
            type_bits: -1,
            from: filter.from.map_or(i64::MIN, Timestamp::as_millis),
            until: filter.until.map_or(i64::MAX, Timestamp::as_millis),
            restricted_at: restricted_at(database, filter)?,
            except_anonymised: filter.except_anonymised,
        };
        for (asked, number, found) in [
            (filter.user.is_some(), &mut numbers.user, filter.user.as_ref().map(|user| find_user(database, user))),
            (
                filter.session.is_some(),
                &mut numbers.session,
                filter.session.as_ref().map(|session| find_session(database, session)),
            ),
            (
                filter.visitor.is_some(),
                &mut numbers.visitor,
                filter.visitor.as_ref().map(|visitor| find_visitor(database, visitor)),
            ),
            (
                filter.event_type.is_some(),
                &mut numbers.event_type,
                filter.event_type.as_ref().map(|event_type| find_type(database, event_type)),
            ),
        ] {
            *number = found.transpose()?.flatten();
            if asked && number.is_none() {
                return Ok(None);
            }
        }
        Ok(numbers.exclude(database, &filter.except_types)?.then_some(numbers))
    }

    /// Returns the user, if the filter has a user, no visitor, and no restrictions apply.
    pub(super) fn user_without_visitor(&self) -> Option<i64> {
        self.user.filter(|_| self.visitor.is_none() && self.restricted_at.is_none())
    }

    /// Excludes these types. Returns `false` if nothing can match then.
    fn exclude(&mut self, database: &Connection, event_types: &[EventType]) -> Result<bool> {
        for event_type in event_types {
            // A type that was never stored excludes nothing.
            self.except.extend(find_type(database, event_type)?);
        }
        if let Some(event_type) = self.event_type {
            self.type_bits = type_bit(event_type);
            return Ok(!self.except.contains(&event_type));
        }
        if !self.except.is_empty() {
            let others = type_ids(database)?.into_iter().filter(|id| !self.except.contains(id));
            self.type_bits = others.map(type_bit).fold(0, |bits, bit| bits | bit);
        }
        Ok(self.type_bits != 0)
    }
}

/// Returns the time only if there is a restriction or hold. Otherwise a query costs what it costs
/// without.
fn restricted_at(database: &Connection, filter: &ActivityFilter) -> Result<Option<i64>> {
    match filter.except_restricted {
        Some(now) if restrictions::are_any(database)? || legal_holds::are_any(database)? => Ok(Some(now.as_millis())),
        _ => Ok(None),
    }
}
