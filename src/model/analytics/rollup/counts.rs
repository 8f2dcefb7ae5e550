//! [`Counts`]: numbers of events by their properties.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ExcludedEvents, Persons,
    codec::{Reader, Writer, damaged},
    excluded_events::Groups,
    people::People,
};
use crate::{error::Result, model::client::DeviceClass};

/// Numbers of events by their properties.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    /// Times of the first and the last event.
    pub(super) span: Option<(i64, i64)>,
    /// Events by quarters of an hour since the epoch. Hours and days of every zone consist of them.
    pub(super) quarters: BTreeMap<i64, u64>,
    pub(super) types: BTreeMap<u32, u64>,
    /// Events by index into [`DEVICES`].
    pub(super) devices: BTreeMap<u32, u64>,
    pub(super) referrers: BTreeMap<Box<str>, u64>,
    /// Types with events here that are excluded entirely.
    pub(super) types_excluded: BTreeSet<u32>,
    /// Types with events here of persons who are excluded from them.
    pub(super) types_partly_excluded: BTreeSet<u32>,
    /// Types with events here that are passive.
    pub(super) types_passive: BTreeSet<u32>,
    /// Persons who are excluded from some types with events here, by these types.
    pub(super) exclusion: Groups,
}

/// The indices are stored: append only.
pub(super) const DEVICES: [DeviceClass; 5] =
    [DeviceClass::Desktop, DeviceClass::Mobile, DeviceClass::Tablet, DeviceClass::Bot, DeviceClass::Other];

/// Returns the index of a device class in [`DEVICES`].
pub(super) fn place_of(device: DeviceClass) -> u32 {
    DEVICES.iter().position(|known| *known == device).unwrap_or(DEVICES.len() - 1) as u32
}

pub(super) const QUARTER: i64 = 15 * 60 * 1_000;

/// Returns whether the quarter is in the range of [`Timestamp`](crate::Timestamp).
fn in_time(quarter: i64) -> bool {
    quarter.checked_mul(QUARTER).and_then(|start| start.checked_add(QUARTER)).is_some()
}

impl Counts {
    pub(super) fn read(reader: Reader<'_>) -> Result<Self> {
        let mut counts = Self::default();
        counts.add(reader)?;
        Ok(counts)
    }

    /// Adds the counts of another span.
    pub(super) fn add(&mut self, mut reader: Reader<'_>) -> Result<()> {
        if reader.is_empty() {
            return Ok(());
        }
        let events = reader.amount()?;
        self.events += events;
        if events > 0 {
            let first = reader.signed()?;
            let last = first.saturating_add_unsigned(reader.number()?);
            self.widen(first, last);
        }
        let mut quarter: i64 = 0;
        for _ in 0..reader.count()? {
            quarter = quarter.checked_add(reader.signed()?).filter(|quarter| in_time(*quarter)).ok_or_else(damaged)?;
            *self.quarters.entry(quarter).or_default() += reader.amount()?;
        }
        for numbers in [&mut self.types, &mut self.devices] {
            for _ in 0..reader.count()? {
                let number = reader.small()?;
                *numbers.entry(number).or_default() += reader.amount()?;
            }
        }
        for _ in 0..reader.count()? {
            let referrer = reader.text()?;
            let count = reader.amount()?;
            match self.referrers.get_mut(referrer) {
                Some(known) => *known += count,
                None => drop(self.referrers.insert(referrer.into(), count)),
            }
        }
        for types in [&mut self.types_excluded, &mut self.types_partly_excluded, &mut self.types_passive] {
            for _ in 0..reader.count()? {
                types.insert(reader.small()?);
            }
        }
        for _ in 0..reader.count()? {
            let types = (0..reader.count()?).map(|_| reader.small()).collect::<Result<_>>()?;
            let persons = Persons { users: reader.set()?, visitors: reader.set()? };
            self.exclusion.entry(types).or_default().add(&persons);
        }
        Ok(())
    }

    pub(super) fn widen(&mut self, first: i64, last: i64) {
        let (known_first, known_last) = self.span.unwrap_or((first, last));
        self.span = Some((known_first.min(first), known_last.max(last)));
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        if self.events == 0 && self.types_partly_excluded.is_empty() && self.types_excluded.is_empty() {
            return writer.finish();
        }
        writer.number(self.events);
        if let Some((first, last)) = self.span {
            writer.signed(first);
            writer.number(last.abs_diff(first));
        }
        writer.number(self.quarters.len() as u64);
        let mut before = 0;
        for (quarter, count) in &self.quarters {
            writer.signed(quarter - before);
            writer.number(*count);
            before = *quarter;
        }
        for numbers in [&self.types, &self.devices] {
            writer.number(numbers.len() as u64);
            for (number, count) in numbers {
                writer.number(u64::from(*number));
                writer.number(*count);
            }
        }
        writer.number(self.referrers.len() as u64);
        for (referrer, count) in &self.referrers {
            writer.text(referrer);
            writer.number(*count);
        }
        for types in [&self.types_excluded, &self.types_partly_excluded, &self.types_passive] {
            writer.number(types.len() as u64);
            types.iter().for_each(|number| writer.number(u64::from(*number)));
        }
        writer.number(self.exclusion.len() as u64);
        for (types, persons) in &self.exclusion {
            writer.number(types.len() as u64);
            types.iter().for_each(|number| writer.number(u64::from(*number)));
            writer.set(&persons.users);
            writer.set(&persons.visitors);
        }
        writer.finish()
    }

    /// Returns the excluded persons among those who are present, by the types with events here.
    pub(super) fn groups(&self, people: &People, excluded: &ExcludedEvents) -> Groups {
        let mut there = Persons { users: people.users.all(), visitors: people.visitors.all() };
        self.exclusion.values().for_each(|persons| there.add(persons));
        let types = self.types.keys().chain(&self.types_partly_excluded).copied().collect();
        excluded.groups(&types, &there)
    }
}
