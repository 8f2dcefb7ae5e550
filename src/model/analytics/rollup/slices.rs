//! [`Slices`]: events and users by type, route or device class.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::{
    codec::{Reader, Writer},
    people::IdSet,
};
use crate::error::Result;

/// Events by one of their properties.
#[derive(Debug, Default)]
pub(super) struct Slices(BTreeMap<u32, Sliced>);

#[derive(Debug, Default)]
struct Sliced {
    events: u64,
    users: IdSet,
}

impl Slices {
    pub(super) fn count(&mut self, number: u32, user: Option<u32>) {
        let slice = self.0.entry(number).or_default();
        slice.events += 1;
        user.inspect(|user| slice.users.insert(*user));
    }

    pub(super) fn add(&mut self, mut reader: Reader<'_>) -> Result<()> {
        if reader.is_empty() {
            return Ok(());
        }
        for _ in 0..reader.count()? {
            let slice = self.0.entry(reader.small()?).or_default();
            slice.events += reader.amount()?;
            slice.users.add(reader.set()?);
        }
        Ok(())
    }

    /// Returns the number of events with any of these numbers, and their users.
    pub(super) fn of(mut reader: Reader<'_>, numbers: &[u32]) -> Result<(u64, RoaringBitmap)> {
        let (mut events, mut users) = (0, IdSet::default());
        if !reader.is_empty() {
            for _ in 0..reader.count()? {
                let is_meant = numbers.contains(&reader.small()?);
                let (of_slice, who) = (reader.amount()?, reader.bytes_of_set()?);
                if is_meant {
                    events += of_slice;
                    users.add(Reader::to_set(who)?);
                }
            }
        }
        Ok((events, users.all()))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        if !self.0.is_empty() {
            writer.number(self.0.len() as u64);
            for (number, slice) in &self.0 {
                writer.number(u64::from(*number));
                writer.number(slice.events);
                writer.set(&slice.users.all());
            }
        }
        writer.finish()
    }
}
