//! [`SessionSpans`]: the spans of sessions.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::codec::{Reader, Writer, damaged};
use crate::{
    error::Result,
    model::analytics::{durations::Lengths, stay::Stay},
};

/// The span of each session. Numbers of sessions lie close together, so they are kept in chunks.
/// Chunks are small, because old sessions return one at a time.
#[derive(Debug, Default)]
pub(super) struct SessionSpans(HashMap<u32, Box<[Option<Stay>; CHUNK]>, RandomState>);

const CHUNK: usize = 128;

/// Position of the [`code`](Stay::code) in the column of lengths. The bits below it have room for
/// six days.
const CODE_SHIFT: u32 = 29;

impl SessionSpans {
    /// Adds an event.
    pub(super) fn count(&mut self, session: u32, event: Stay) {
        let chunk = self.0.entry(session / CHUNK as u32).or_insert_with(|| Box::new([None; CHUNK]));
        join(&mut chunk[session as usize % CHUNK], event);
    }

    /// Adds the sessions of a span that begins at `from`.
    pub(super) fn add(&mut self, mut reader: Reader<'_>, from: i64) -> Result<()> {
        if reader.is_empty() {
            return Ok(());
        }
        let (sessions, firsts, lengths) = (reader.column()?, reader.column()?, reader.column()?);
        if sessions.len() != firsts.len() || sessions.len() != lengths.len() {
            return Err(damaged());
        }
        let mut spans = sessions.zip(firsts).zip(lengths).peekable();
        while let Some(((first, _), _)) = spans.peek() {
            let number = first / CHUNK as u32;
            let chunk = self.0.entry(number).or_insert_with(|| Box::new([None; CHUNK]));
            let is_in_it = |((session, _), _): &((u32, u32), u32)| session / CHUNK as u32 == number;
            while let Some(((session, first), length)) = spans.next_if(is_in_it) {
                let first = from + i64::from(first);
                let last = first + i64::from(length & ((1 << CODE_SHIFT) - 1));
                let stay = Stay::from_code(length >> CODE_SHIFT, first, last).ok_or_else(damaged)?;
                join(&mut chunk[session as usize % CHUNK], stay);
            }
        }
        Ok(())
    }

    fn stays(&self) -> impl Iterator<Item = (u32, Stay)> {
        self.0.iter().flat_map(|(chunk, stays)| {
            let first = chunk * CHUNK as u32;
            (first..).zip(stays.iter()).filter_map(|(session, stay)| Some((session, (*stay)?)))
        })
    }

    /// Adds the lengths of the sessions.
    pub(super) fn measure(&self, lengths: &mut Lengths) {
        self.stays().for_each(|(_, stay)| lengths.push(&stay));
    }

    /// Writes the sessions of a span of at most a few days that begins at `from`.
    pub(super) fn write(&self, from: i64) -> Vec<u8> {
        let mut stays: Vec<_> = self.stays().collect();
        stays.sort_unstable_by_key(|(session, _)| *session);
        let mut writer = Writer::default();
        if !stays.is_empty() {
            writer.column(stays.iter().map(|(session, _)| *session));
            writer.column(stays.iter().map(|(_, stay)| stay.first.abs_diff(from) as u32));
            writer.column(stays.iter().map(|(_, stay)| stay.length() as u32 | stay.code() << CODE_SHIFT));
        }
        writer.finish()
    }
}

fn join(known: &mut Option<Stay>, stay: Stay) {
    *known = Some(known.map_or(stay, |known| known.joined(stay)));
}
