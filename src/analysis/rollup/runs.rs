//! [`Runs`]: what goes on without a break, over the edges of stretches.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{
    Counted,
    codec::{Reader, Writer, damaged},
    pages::RolledPages,
};
use crate::{
    analysis::{
        Names,
        durations::Lengths,
        visits::{GAP, LONGEST},
    },
    error::Result,
};

/// Whose events follow each other: those of a session, or of a user or visitor without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stream {
    Session(u32),
    User(u32),
    Visitor(u32),
}

/// What somebody did without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) stream: Stream,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(super) is_single: bool,
    /// The first page that was looked at.
    pub(super) entry: Option<u32>,
    /// The last one.
    pub(super) exit: Option<u32>,
    /// The same, if nothing came after it.
    pub(super) last_page: Option<u32>,
}

/// Runs that come near an edge, and the visits that do not.
#[derive(Debug)]
pub(super) struct Runs {
    /// Where the stretch begins.
    from: i64,
    /// Near the beginning, but not the end.
    head: Vec<Run>,
    /// Near the end.
    tail: HashMap<Stream, Run, RandomState>,
    /// Near neither, and too long for one visit.
    long: Vec<Run>,
    pub(super) visits: Visits,
}

/// Visits that are over.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// Of sessions.
    pub(super) in_sessions: Lengths,
    /// Of people without one.
    pub(super) alone: Lengths,
    pub(super) entries: HashMap<u32, u64, RandomState>,
    pub(super) exits: HashMap<u32, u64, RandomState>,
}

impl Run {
    /// The run that `next` makes of it.
    fn joined(self, next: Self) -> Self {
        Self {
            last: next.last,
            is_single: false,
            entry: self.entry.or(next.entry),
            exit: next.exit.or(self.exit),
            last_page: next.last_page,
            ..self
        }
    }

    /// Whether it is more than a visit.
    pub(super) fn is_long(&self) -> bool {
        self.last.saturating_sub(self.first) > LONGEST
    }
}

impl Runs {
    pub(super) fn new(from: i64) -> Self {
        Self { from, head: Vec::new(), tail: HashMap::default(), long: Vec::new(), visits: Visits::default() }
    }

    /// Goes on with the runs of a later stretch that ends at `until`, in the order of their beginnings.
    pub(super) fn append(&mut self, runs: impl IntoIterator<Item = Run>, until: i64, pages: &mut RolledPages) {
        let mut before = std::mem::take(&mut self.tail);
        for mut run in runs {
            if let Some(earlier) = before.remove(&run.stream) {
                let gap = run.first.saturating_sub(earlier.last);
                if gap <= GAP {
                    earlier.last_page.inspect(|page| pages.add_time(*page, gap.unsigned_abs()));
                    run = earlier.joined(run);
                } else {
                    self.settle(earlier);
                }
            }
            self.keep(run, until);
        }
        // The stretch may have been a short one.
        before.into_values().for_each(|run| self.keep(run, until));
    }

    fn keep(&mut self, run: Run, until: i64) {
        if until.saturating_sub(run.last) <= GAP {
            self.tail.insert(run.stream, run);
        } else {
            self.settle(run);
        }
    }

    /// What does not go on at the end.
    fn settle(&mut self, run: Run) {
        if run.first.saturating_sub(self.from) <= GAP {
            self.head.push(run);
        } else if run.is_long() {
            self.long.push(run);
        } else {
            self.visits.add(&run);
        }
    }

    /// All that are no visits yet, in the order of their beginnings.
    pub(super) fn take_open(&mut self) -> Vec<Run> {
        let mut open = std::mem::take(&mut self.head);
        open.append(&mut self.long);
        open.extend(std::mem::take(&mut self.tail).into_values());
        open.sort_unstable_by_key(|run| (run.first, run.stream));
        open
    }

    /// Runs of a stretch that begins at `from`.
    pub(super) fn read(mut reader: Reader<'_>, from: i64, names: &mut Names) -> Result<Vec<Run>> {
        if reader.is_empty() {
            return Ok(Vec::new());
        }
        let pages = (0..reader.count()?).map(|_| names.number(reader.text()?)).collect::<Result<Vec<_>>>()?;
        let mut first = from;
        let mut runs = Vec::new();
        for _ in 0..reader.count()? {
            let stream = Stream::from_code(reader.number()?)?;
            first = first.saturating_add_unsigned(reader.number()?);
            let last = first.saturating_add_unsigned(reader.number()?);
            let is_single = reader.number()? != 0;
            let mut page = || -> Result<Option<u32>> {
                let index = reader.number()?.checked_sub(1);
                index.map(|index| pages.get(index as usize).copied().ok_or_else(damaged)).transpose()
            };
            runs.push(Run { stream, first, last, is_single, entry: page()?, exit: page()?, last_page: page()? });
        }
        Ok(runs)
    }

    /// `runs` as [`take_open`](Self::take_open) gives them.
    pub(super) fn write(runs: &[Run], from: i64, names: &Names) -> Vec<u8> {
        let mut writer = Writer::default();
        if runs.is_empty() {
            return writer.finish();
        }
        let mut pages: Vec<&str> =
            runs.iter().flat_map(|run| [run.entry, run.exit]).flatten().map(|page| names.name(page)).collect();
        pages.sort_unstable();
        pages.dedup();
        writer.number(pages.len() as u64);
        pages.iter().for_each(|page| writer.text(page));
        writer.number(runs.len() as u64);
        let mut before = from;
        for run in runs {
            writer.number(run.stream.code());
            writer.number(run.first.abs_diff(before));
            writer.number(run.last.abs_diff(run.first));
            writer.number(u64::from(run.is_single));
            for page in [run.entry, run.exit, run.last_page] {
                let index = page.map(|page| pages.partition_point(|known| *known < names.name(page)));
                writer.number(index.map_or(0, |index| index as u64 + 1));
            }
            before = run.first;
        }
        writer.finish()
    }
}

impl Visits {
    /// A run that is one.
    pub(super) fn add(&mut self, run: &Run) {
        let length = run.last.abs_diff(run.first);
        self.of(run.stream).push(length, run.is_single);
        if let (Some(entry), Some(exit)) = (run.entry, run.exit) {
            *self.entries.entry(entry).or_default() += 1;
            *self.exits.entry(exit).or_default() += 1;
        }
    }

    pub(super) fn of(&mut self, stream: Stream) -> &mut Lengths {
        if matches!(stream, Stream::Session(_)) { &mut self.in_sessions } else { &mut self.alone }
    }

    pub(super) fn read(&mut self, mut reader: Reader<'_>, names: &mut Names) -> Result<()> {
        if reader.is_empty() {
            return Ok(());
        }
        for lengths in [&mut self.in_sessions, &mut self.alone] {
            let bounces = reader.amount()?;
            lengths.extend(reader.column()?.map(u64::from), bounces);
        }
        for counts in [&mut self.entries, &mut self.exits] {
            for _ in 0..reader.count()? {
                let page = names.number(reader.text()?)?;
                *counts.entry(page).or_default() += reader.amount()?;
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, names: &Names) -> Vec<u8> {
        let mut writer = Writer::default();
        if self.in_sessions.is_empty() && self.alone.is_empty() {
            return writer.finish();
        }
        for lengths in [&self.in_sessions, &self.alone] {
            writer.number(lengths.bounces());
            // A visit takes a day at most.
            writer.column(lengths.sorted().into_iter().map(|length| length as u32));
        }
        for counts in [&self.entries, &self.exits] {
            let mut counts: Vec<_> = counts.iter().map(|(page, count)| (names.name(*page), *count)).collect();
            counts.sort_unstable();
            writer.number(counts.len() as u64);
            for (page, count) in counts {
                writer.text(page);
                writer.number(count);
            }
        }
        writer.finish()
    }
}

impl Stream {
    /// Which one an event belongs to.
    pub(crate) fn of(event: &Counted<'_>) -> Option<Self> {
        let person = event.user.map(Self::User).or_else(|| event.visitor.map(Self::Visitor));
        event.session.map(Self::Session).or(person)
    }

    fn code(self) -> u64 {
        let (kind, number) = match self {
            Self::Session(number) => (0, number),
            Self::User(number) => (1, number),
            Self::Visitor(number) => (2, number),
        };
        u64::from(number) << 2 | kind
    }

    fn from_code(code: u64) -> Result<Self> {
        let number = u32::try_from(code >> 2).map_err(|_| damaged())?;
        match code & 3 {
            0 => Ok(Self::Session(number)),
            1 => Ok(Self::User(number)),
            2 => Ok(Self::Visitor(number)),
            _ => Err(damaged()),
        }
    }
}
