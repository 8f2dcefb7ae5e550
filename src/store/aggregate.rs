//! [`AggregateQuery`]: what counts, for queries that a store may answer from rollups.

use std::fmt;

use serde::Serialize;

use super::Exclusion;
#[cfg(doc)]
use crate::model::analytics::Overview;
use crate::model::{
    activity::EventType,
    analytics::{Range, Slice},
};

/// What counts, for an answer about everything in a range.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct AggregateQuery {
    /// Only events of this time.
    pub range: Range,
    /// Only events of these; what an [`Overview`] is of is always all.
    pub only: Option<Slice>,
    /// No events of these types.
    pub except_types: Vec<EventType>,
    /// Events of these types are no interactions, see [`Durations`](crate::analytics::Durations).
    pub passive_types: Vec<EventType>,
    /// No events of these persons, of some types or of all.
    pub exclusion: Vec<Exclusion>,
    /// More events than that are not looked at one by one:
    /// [`TooLarge`](crate::ErrorKind::TooLarge).
    pub max_events: usize,
}

impl AggregateQuery {
    /// All events of `range`.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            only: None,
            except_types: Vec::new(),
            passive_types: Vec::new(),
            exclusion: Vec::new(),
            max_events: usize::MAX,
        }
    }

    /// Only events of these. For series.
    pub fn only(mut self, only: Slice) -> Self {
        self.only = Some(only);
        self
    }

    /// No events of these types.
    pub fn except_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = types.into_iter().collect();
        self
    }

    /// Events of these types are no interactions.
    pub fn passive_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.passive_types = types.into_iter().collect();
        self
    }

    /// No events of these persons, of some types or of all.
    pub fn exclusion(mut self, exclusion: Vec<Exclusion>) -> Self {
        self.exclusion = exclusion;
        self
    }

    /// Limits the number of events read one by one.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events;
        self
    }
}

/// Redacted: it may name users.
impl fmt::Debug for AggregateQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").field("range", &self.range).finish_non_exhaustive()
    }
}

/// Which parts of an [`Overview`] are wanted beside the counts, in which each costs time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverviewParts {
    /// `top_users`.
    pub users: bool,
    /// `popular_pages`.
    pub pages: bool,
    /// `visits`, `entry_pages`, `exit_pages`.
    pub visits: bool,
    /// `sessions`.
    pub sessions: bool,
}

impl OverviewParts {
    /// All of it.
    pub const ALL: Self = Self { users: true, pages: true, visits: true, sessions: true };
    /// Counts only.
    pub const NONE: Self = Self { users: false, pages: false, visits: false, sessions: false };
    /// `top_users`.
    pub const USERS: Self = Self { users: true, ..Self::NONE };
    /// `popular_pages`.
    pub const PAGES: Self = Self { pages: true, ..Self::NONE };
}

/// What a comparison of rollups with the events found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RollupCheck {
    /// Number of rolled up hours and days that were compared.
    pub checked: u64,
    /// Those that are not what the events say.
    pub wrong: Vec<Range>,
}
