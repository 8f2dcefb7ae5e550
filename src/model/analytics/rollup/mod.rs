//! [`Rollup`]: the aggregates of an hour or a day, so that a query over months need not read its events.
//!
//! # What is kept
//!
//! Counts, sets of people as bitmaps, how long visits were, and of what lies near the edges of the
//! stretch enough to put it together with its neighbours: two rollups that follow each other make
//! exactly the one of both stretches together. Nobody is named; people are the store's numbers. Who
//! is erased is taken out by making the rollup anew from what is left. A sketch that estimates
//! distinct people would be smaller, but could not forget anybody.
//!
//! # Runs
//!
//! A *run* is what somebody did without a break of more than half an hour. Runs that come near an
//! edge are kept as such, with their first and last moment and page, as they may go on on the other
//! side. All others are visits already; only their lengths are kept. A visit ends after 24 hours
//! even without a break: of a run that is longer, one has to look at the events themselves.
//!
//! # Another format
//!
//! A change of what is kept, or what it means, appends a migration to the store that forgets
//! all rollups: they are made anew.

mod answer;
mod attendance;
mod codec;
mod counts;
mod leaving;
mod merged;
mod pages;
mod people;
mod runs;
mod sessions;
mod slices;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use roaring::RoaringBitmap;

pub(crate) use self::{
    answer::{Lookups, OverviewAsk},
    attendance::Attendance,
    leaving::{Leaving, Persons},
    merged::{Counted, Merged},
    runs::{Run, Stream},
};
use crate::{error::Result, model::client::DeviceClass};

/// The aggregates of an hour or a day, as a store keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollup {
    /// The first millisecond.
    pub(crate) from: i64,
    /// The first millisecond that is no more of it.
    pub(crate) until: i64,
    /// By [`Part`]; what is empty says nothing, or was not read.
    pub(crate) parts: [Vec<u8>; Part::ALL.len()],
}

/// A part of a rollup, which can be read without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// How many events, of which types, from where, at which time of the day. Who was left out.
    Counts,
    /// Who was there.
    People,
    /// How many events each user has.
    Tally,
    /// Views of pages and who looked.
    Pages,
    /// What comes near the edges.
    Runs,
    /// Visits that do not.
    Visits,
    /// When sessions were there.
    Sessions,
    /// Events and users of each type.
    Types,
    /// The same for routes.
    Routes,
    /// The same for kinds of devices.
    Devices,
}

/// Some events of a store: those of any of these numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Only {
    /// Of what: [`Types`](Part::Types), [`Routes`](Part::Routes) or [`Devices`](Part::Devices).
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
    /// One of which no part has been read yet.
    pub(crate) fn unread(from: i64, until: i64) -> Self {
        Self { from, until, parts: Default::default() }
    }

    fn part(&self, part: Part) -> codec::Reader<'_> {
        codec::Reader::new(&self.parts[part as usize])
    }

    /// Whether it is what it would be if it were made now, leaving these out. Needs the counts, and
    /// the people if persons are left out.
    pub(crate) fn is_made_for(&self, leaving: &Leaving) -> Result<bool> {
        let counts = counts::Counts::read(self.part(Part::Counts))?;
        let are_counted = |types: &BTreeSet<u32>| types.is_disjoint(&leaving.types);
        let types_fit = counts.types.keys().all(|number| !leaving.types.contains(number))
            && are_counted(&counts.types_left_out)
            && counts.types_excluded.is_subset(&leaving.types)
            && counts
                .types
                .keys()
                .all(|number| counts.types_passive.contains(number) == leaving.passive_types.contains(number));
        if !types_fit || !leaving.has_persons() {
            return Ok(types_fit && counts.exclusion.is_empty());
        }
        let people = people::People::read(self.part(Part::People))?;
        Ok(counts.groups(&people, leaving) == counts.exclusion)
    }

    /// The events, and the users who were there. Needs the counts and the people; of some events,
    /// their part.
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
