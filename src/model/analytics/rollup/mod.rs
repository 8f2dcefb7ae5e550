//! [`Rollup`]: the aggregates of an hour or a day, so that a query over months need not read its
//! events.
//!
//! # Content
//!
//! A rollup has counts, sets of persons as bitmaps, the lengths of visits, and enough about the
//! events near its edges to be merged with its neighbours: two consecutive rollups merge to exactly
//! the rollup of both spans together. It names nobody; persons are numbers of the store. To erase a
//! person, the store computes the rollup again from the remaining events. A sketch that estimates
//! distinct persons would be smaller, but nobody could be removed from it.
//!
//! # Runs
//!
//! A *run* is a sequence of events of one stream without a gap of more than half an hour. Runs near
//! an edge are kept with their first and last time and page, because they may continue on the other
//! side. All other runs are complete visits; only their lengths are kept. A visit ends after 24
//! hours even without a gap: the events of a longer run are read again.
//!
//! # Changes of the format
//!
//! A change of the content or its meaning appends a migration to the store that deletes all
//! rollups. They are then computed again.

mod answer;
mod codec;
mod counts;
mod excluded_events;
mod merged;
mod pages;
mod people;
mod period_counts;
mod runs;
mod sessions;
mod slices;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use roaring::RoaringBitmap;

pub(crate) use self::{
    answer::{Lookups, OverviewQuery},
    excluded_events::{ExcludedEvents, Persons},
    merged::{Counted, Merged},
    period_counts::PeriodCounts,
    runs::{Run, Stream},
};
use crate::{error::Result, model::client::DeviceClass};

/// The aggregates of an hour or a day, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollup {
    /// The first millisecond.
    pub(crate) from: i64,
    /// The first millisecond after the span.
    pub(crate) until: i64,
    /// By [`Part`]. An empty part has no data, or was not read.
    pub(crate) parts: [Vec<u8>; Part::ALL.len()],
}

/// A part of a rollup that can be read without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Numbers of events by type, referrer, device and time of day, and who was excluded.
    Counts,
    /// The users and visitors.
    People,
    /// Number of events of each user.
    Tally,
    /// Page views and viewers.
    Pages,
    /// Runs near the edges.
    Runs,
    /// Visits that are complete.
    Visits,
    /// Spans of the sessions.
    Sessions,
    /// Events and users of each type.
    Types,
    /// Events and users of each route.
    Routes,
    /// Events and users of each device class.
    Devices,
}

/// A selection of events: those with any of these numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Only {
    /// The property: [`Types`](Part::Types), [`Routes`](Part::Routes) or
    /// [`Devices`](Part::Devices).
    pub(crate) part: Part,
    pub(crate) numbers: Vec<u32>,
}

impl Only {
    pub(crate) fn has(&self, event: &Counted<'_>) -> bool {
        let number = match self.part {
            Part::Types => Some(event.event_type),
            Part::Routes => event.route,
            _ => event.device.map(counts::place_of),
        };
        number.is_some_and(|number| self.numbers.contains(&number))
    }

    pub(crate) fn device(device: DeviceClass) -> Self {
        Self { part: Part::Devices, numbers: vec![counts::place_of(device)] }
    }
}

impl Part {
    pub(crate) const ALL: [Self; 10] = [
        Self::Counts,
        Self::People,
        Self::Tally,
        Self::Pages,
        Self::Runs,
        Self::Visits,
        Self::Sessions,
        Self::Types,
        Self::Routes,
        Self::Devices,
    ];
}

impl Rollup {
    /// Creates a rollup with no part read.
    pub(crate) fn unread(from: i64, until: i64) -> Self {
        Self { from, until, parts: Default::default() }
    }

    fn part(&self, part: Part) -> codec::Reader<'_> {
        codec::Reader::new(&self.parts[part as usize])
    }

    /// Returns whether computing it now with these exclusions would give the same rollup. Needs the
    /// counts, and the people if persons are excluded.
    pub(crate) fn is_made_for(&self, excluded: &ExcludedEvents) -> Result<bool> {
        let counts = counts::Counts::read(self.part(Part::Counts))?;
        let are_counted = |types: &BTreeSet<u32>| types.is_disjoint(&excluded.types);
        let types_fit = counts.types.keys().all(|number| !excluded.types.contains(number))
            && are_counted(&counts.types_partly_excluded)
            && counts.types_excluded.is_subset(&excluded.types)
            && counts
                .types
                .keys()
                .all(|number| counts.types_passive.contains(number) == excluded.passive_types.contains(number));
        if !types_fit || !excluded.has_persons() {
            return Ok(types_fit && counts.exclusion.is_empty());
        }
        let people = people::People::read(self.part(Part::People))?;
        Ok(counts.groups(&people, excluded) == counts.exclusion)
    }

    /// Returns the number of events, and the users. Needs the counts and the people; for a
    /// selection, the part of its property.
    pub(crate) fn attendance(&self, only: Option<&Only>) -> Result<(u64, RoaringBitmap)> {
        if let Some(only) = only {
            return slices::Slices::of(self.part(only.part), &only.numbers);
        }
        let counts = counts::Counts::read(self.part(Part::Counts))?;
        Ok((counts.events, self.users()?))
    }

    fn users(&self) -> Result<RoaringBitmap> {
        Ok(people::People::read(self.part(Part::People))?.users.all())
    }
}
