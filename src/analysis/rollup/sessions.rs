//! [`SessionSpans`]: when sessions were there.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::codec::{Reader, Writer, damaged};
use crate::{analysis::durations::Lengths, error::Result};

/// The first and the last event of each session. Numbers of sessions lie close together, so they are kept in chunks: not too large ones, as old
/// sessions come back one by one.
#[derive(Debug, Default)]
pub(super) struct SessionSpans(HashMap<u32, Box<[Span; CHUNK]>, RandomState>);

#[derive(Clone, Copy, Debug)]
struct Span {
    first: i64,
    last: i64,
    events: Events,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Events {
    None,
    One,
    Many,
}

const CHUNK: usize = 128;
const NOTHING: Span = Span { first: 0, last: 0, events: Events::None };

/// In the column of lengths: there is more than one event.
const MANY: u32 = 1 << 31;

impl SessionSpans {
    /// Another event.
    pub(super) fn count(&mut self, session: u32, time: i64) {
        let chunk = self.0.entry(session / CHUNK as u32).or_insert_with(|| Box::new([NOTHING; CHUNK]));
        chunk[session as usize % CHUNK].widen(Span { first: time, last: time, events: Events::One });
    }

    /// Adds those of a stretch that begins at `from`.
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
            let chunk = self.0.entry(number).or_insert_with(|| Box::new([NOTHING; CHUNK]));
            let is_in_it = |((session, _), _): &((u32, u32), u32)| session / CHUNK as u32 == number;
            while let Some(((session, first), length)) = spans.next_if(is_in_it) {
                let first = from + i64::from(first);
                let last = first + i64::from(length & !MANY);
                let events = if length & MANY == 0 { Events::One } else { Events::Many };
                chunk[session as usize % CHUNK].widen(Span { first, last, events });
            }
        }
        Ok(())
    }

    fn spans(&self) -> impl Iterator<Item = (u32, Span)> {
        self.0.iter().flat_map(|(chunk, spans)| {
            let first = chunk * CHUNK as u32;
            (first..).zip(spans.iter().copied()).filter(|(_, span)| span.events != Events::None)
        })
    }

    /// Adds how long they were.
    pub(super) fn measure(&self, lengths: &mut Lengths) {
        self.spans().for_each(|(_, span)| lengths.push(span.last.abs_diff(span.first), span.events == Events::One));
    }

    /// Of a stretch of at most a few days that begins at `from`.
    pub(super) fn write(&self, from: i64) -> Vec<u8> {
        let mut spans: Vec<_> = self.spans().collect();
        spans.sort_unstable_by_key(|(session, _)| *session);
        let mut writer = Writer::default();
        if !spans.is_empty() {
            writer.column(spans.iter().map(|(session, _)| *session));
            writer.column(spans.iter().map(|(_, span)| span.first.abs_diff(from) as u32));
            writer.column(spans.iter().map(|(_, span)| {
                let length = span.last.abs_diff(span.first) as u32;
                length | if span.events == Events::Many { MANY } else { 0 }
            }));
        }
        writer.finish()
    }
}

impl Span {
    fn widen(&mut self, other: Self) {
        *self = match self.events {
            Events::None => other,
            Events::One | Events::Many => {
                Self { first: self.first.min(other.first), last: self.last.max(other.last), events: Events::Many }
            }
        };
    }
}
