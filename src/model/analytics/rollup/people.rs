//! [`People`] and [`Tally`]: who was active, and how much.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use roaring::{MultiOps, RoaringBitmap};

use super::codec::{Reader, Writer, damaged};
use crate::error::Result;

/// Users and visitors with events.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) users: IdSet,
    /// Visitors with an event without a login.
    pub(super) visitors: IdSet,
}

impl People {
    pub(super) fn read(reader: Reader<'_>) -> Result<Self> {
        let mut people = Self::default();
        people.add(reader)?;
        Ok(people)
    }

    pub(super) fn add(&mut self, mut reader: Reader<'_>) -> Result<()> {
        if !reader.is_empty() {
            self.users.add(reader.set()?);
            self.visitors.add(reader.set()?);
        }
        Ok(())
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let (users, visitors) = (self.users.all(), self.visitors.all());
        let mut writer = Writer::default();
        if !users.is_empty() || !visitors.is_empty() {
            writer.set(&users);
            writer.set(&visitors);
        }
        writer.finish()
    }
}

/// A set of distinct people. Many sets are united at once, in a third of the time of one after the
/// other.
#[derive(Debug, Default)]
pub(super) struct IdSet {
    own: RoaringBitmap,
    others: Vec<RoaringBitmap>,
}

impl IdSet {
    pub(super) fn insert(&mut self, number: u32) {
        self.own.insert(number);
    }

    pub(super) fn add(&mut self, others: RoaringBitmap) {
        if !others.is_empty() {
            self.others.push(others);
        }
    }

    pub(super) fn all(&self) -> RoaringBitmap {
        self.others.iter().chain([&self.own]).union()
    }

    pub(super) fn count(&self) -> u64 {
        match (&self.others[..], self.own.is_empty()) {
            ([], _) => self.own.len(),
            ([one], true) => one.len(),
            _ => self.all().len(),
        }
    }
}

/// Number of events of each user. Numbers of users lie close together, so they are counted in
/// chunks.
#[derive(Debug, Default)]
pub(super) struct Tally(HashMap<u32, Box<[u64; CHUNK]>, RandomState>);

const CHUNK: usize = 256;

impl Tally {
    pub(super) fn count(&mut self, user: u32, events: u64) {
        let chunk = self.0.entry(user / CHUNK as u32).or_insert_with(|| Box::new([0; CHUNK]));
        chunk[user as usize % CHUNK] += events;
    }

    pub(super) fn add(&mut self, mut reader: Reader<'_>) -> Result<()> {
        if reader.is_empty() {
            return Ok(());
        }
        let mut left = reader.count()?;
        let mut user: u32 = 0;
        let mut next = |reader: &mut Reader<'_>| -> Result<Option<u32>> {
            let Some(rest) = left.checked_sub(1) else { return Ok(None) };
            left = rest;
            user = user.checked_add(reader.small()?).ok_or_else(damaged)?;
            Ok(Some(user))
        };
        let mut user = next(&mut reader)?;
        while let Some(first) = user {
            let number = first / CHUNK as u32;
            let chunk = self.0.entry(number).or_insert_with(|| Box::new([0; CHUNK]));
            while let Some(same) = user.filter(|user| user / CHUNK as u32 == number) {
                chunk[same as usize % CHUNK] += reader.amount()?;
                user = next(&mut reader)?;
            }
        }
        Ok(())
    }

    /// Returns the users with events, in no order.
    pub(super) fn users(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().flat_map(|(chunk, counts)| {
            let first = chunk * CHUNK as u32;
            (first..).zip(counts.iter().copied()).filter(|(_, events)| *events > 0)
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut users: Vec<_> = self.users().collect();
        users.sort_unstable();
        let mut writer = Writer::default();
        if !users.is_empty() {
            writer.number(users.len() as u64);
            let mut before = 0;
            for (user, events) in users {
                writer.number(u64::from(user - before));
                writer.number(events);
                before = user;
            }
        }
        writer.finish()
    }
}
