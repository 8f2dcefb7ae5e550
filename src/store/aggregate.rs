//! [`AggregateQuery`]: a query that a store may answer from rollups.

use std::fmt;

use serde::Serialize;

use super::Exclusion;
#[cfg(doc)]
use crate::model::analytics::Overview;
use crate::model::{
    activity::EventType,
    analytics::{Range, Slice},
};

/// The events of an aggregate over a range. A store may answer it from rollups.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct AggregateQuery {
    /// Only events in this range.
    pub range: Range,
    /// Only events with this property. An [`Overview`] always reads all events.
    pub only: Option<Slice>,
    /// Excludes events of these types.
    pub except_types: Vec<EventType>,
    /// Types that are not interactions, see [`Durations`](crate::analytics::Durations).
    pub passive_types: Vec<EventType>,
    /// Excludes events of these people, of some types or of all.
    pub exclusion: Vec<Exclusion>,
    /// The maximum number of events that are read one by one. Beyond it the query fails with
    /// [`TooLarge`](crate::ErrorKind::TooLarge).
    pub max_events: usize,
}

impl AggregateQuery {
    /// Creates a query of all events in `range`.
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

    /// Matches only events with this property. For series.
    pub fn only(mut self, only: Slice) -> Self {
        self.only = Some(only);
        self
    }

    /// Excludes events of these types.
    pub fn except_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = types.into_iter().collect();
        self
    }

    /// Sets the types that are not interactions.
    pub fn passive_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.passive_types = types.into_iter().collect();
        self
    }

    /// Excludes events of these people, of some types or of all.
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

/// The requested parts of an [`Overview`] beside the counts. Each of them costs time.
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
    /// All parts.
    pub const ALL: Self = Self { users: true, pages: true, visits: true, sessions: true };
    /// No parts: counts only.
    pub const NONE: Self = Self { users: false, pages: false, visits: false, sessions: false };
    /// `top_users`.
    pub const USERS: Self = Self { users: true, ..Self::NONE };
    /// `popular_pages`.
    pub const PAGES: Self = Self { pages: true, ..Self::NONE };
}

/// The result of comparing rollups with the events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RollupCheck {
    /// Number of rollups that were compared.
    pub checked: u64,
    /// The hours and days whose rollup differs from the events.
    pub wrong: Vec<Range>,
}
