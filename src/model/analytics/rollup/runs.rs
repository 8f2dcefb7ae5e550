//! [`Runs`]: runs of events that may cross the edges of spans.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{
    Counted,
    codec::{Reader, Writer, damaged},
    pages::RolledPages,
};
use crate::{
    error::Result,
    model::analytics::{
        Names,
        durations::Lengths,
        stay::Stay,
        visits::{GAP, LONGEST},
    },
};

/// The stream of an event: its session, or else its user or visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stream {
    Session(u32),
    User(u32),
    Visitor(u32),
}

/// Events of one stream without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) stream: Stream,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(super) stay: Stay,
    /// The first page.
    pub(super) entry: Option<u32>,
    /// The last page.
    pub(super) exit: Option<u32>,
    /// Time of the first page view, with a named page or without.
    pub(super) first_view: Option<i64>,
    /// The last page, if it has a name and the time on it is not known yet.
    pub(super) open: Option<Page>,
}

/// A page that is being viewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) number: u32,
    pub(super) opened: i64,
}

/// Runs near an edge, and complete visits.
#[derive(Debug)]
pub(super) struct Runs {
    /// Start of the span.
    from: i64,
    /// Runs near the start, but not the end.
    head: Vec<Run>,
    /// Runs near the end.
    tail: HashMap<Stream, Run, RandomState>,
    /// Runs near neither edge, but too long for one visit.
    long: Vec<Run>,
    pub(super) visits: Visits,
}

/// Complete visits.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// Visits of sessions.
    pub(super) in_sessions: Lengths,
    /// Visits of people without a session.
    pub(super) alone: Lengths,
    pub(super) entries: HashMap<u32, u64, RandomState>,
    pub(super) exits: HashMap<u32, u64, RandomState>,
}

impl Run {
    /// Returns whether `next`, which is later, continues this run.
    pub(super) fn goes_on_with(&self, next: &Self) -> bool {
        self.stream == next.stream && next.first.saturating_sub(self.last) <= GAP
    }

    /// Joins `next` to this run. The next page view ends the time on the last page.
    pub(super) fn joined(self, next: Self, pages: &mut RolledPages) -> Self {
        if let (Some(page), Some(viewed)) = (self.open, next.first_view) {
            pages.add_time(page.number, viewed.abs_diff(page.opened));
        }
        Self {
            last: next.last,
            stay: self.stay.joined(next.stay),
            entry: self.entry.or(next.entry),
            exit: next.exit.or(self.exit),
            first_view: self.first_view.or(next.first_view),
            open: if next.first_view.is_some() { next.open } else { self.open },
            ..self
        }
    }

    /// Ends the run, and with it the time on the last page.
    pub(super) fn end(&mut self, pages: &mut RolledPages) {
        let page = self.open.take();
        if let Some((page, rest)) = page.and_then(|page| Some((page, self.stay.rest_after(page.opened)?))) {
            pages.add_time(page.number, rest);
        }
    }

    /// Returns whether it is longer than one visit.
    pub(super) fn is_long(&self) -> bool {
        self.last.saturating_sub(self.first) > LONGEST
    }
}

impl Runs {
    pub(super) fn new(from: i64) -> Self {
        Self { from, head: Vec::new(), tail: HashMap::default(), long: Vec::new(), visits: Visits::default() }
    }

    /// Continues with the runs of the next span, which ends at `until`. They are in the order of
    /// their starts.
    pub(super) fn append(&mut self, runs: impl IntoIterator<Item = Run>, until: i64, pages: &mut RolledPages) {
        let mut before = std::mem::take(&mut self.tail);
        for mut run in runs {
            if let Some(earlier) = before.remove(&run.stream) {
                if earlier.goes_on_with(&run) {
                    run = earlier.joined(run, pages);
                } else {
                    self.settle(earlier, pages);
                }
            }
            self.keep(run, until, pages);
        }
        // The span may have been a short one.
        before.into_values().for_each(|run| self.keep(run, until, pages));
    }

    fn keep(&mut self, run: Run, until: i64, pages: &mut RolledPages) {
        if until.saturating_sub(run.last) <= GAP {
            self.tail.insert(run.stream, run);
        } else {
            self.settle(run, pages);
        }
    }

    /// Handles a run that does not continue at the end.
    fn settle(&mut self, mut run: Run, pages: &mut RolledPages) {
        run.end(pages);
        if run.first.saturating_sub(self.from) <= GAP {
            self.head.push(run);
        } else if run.is_long() {
            self.long.push(run);
        } else {
            self.visits.add(&run);
        }
    }

    /// Takes all runs that are not complete visits, in the order of their starts.
    pub(super) fn take_open(&mut self) -> Vec<Run> {
        let mut open = std::mem::take(&mut self.head);
        open.append(&mut self.long);
        open.extend(std::mem::take(&mut self.tail).into_values());
        open.sort_unstable_by_key(|run| (run.first, run.stream));
        open
    }

    /// Reads the runs of a span that begins at `from`.
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
            let since = |reader: &mut Reader<'_>| reader.number().map(|since| first.saturating_add_unsigned(since));
            let code = reader.small()?;
            let (stay_first, stay_last) = (since(&mut reader)?, since(&mut reader)?);
            let stay = Stay::from_code(code, stay_first, stay_last).ok_or_else(damaged)?;
            let page = |reader: &mut Reader<'_>| -> Result<Option<u32>> {
                let index = reader.number()?.checked_sub(1);
                index.map(|index| pages.get(index as usize).copied().ok_or_else(damaged)).transpose()
            };
            let (entry, exit) = (page(&mut reader)?, page(&mut reader)?);
            let first_view = reader.number()?.checked_sub(1).map(|since| first.saturating_add_unsigned(since));
            let open = match page(&mut reader)? {
                Some(number) => Some(Page { number, opened: since(&mut reader)? }),
                None => None,
            };
            runs.push(Run { stream, first, last, stay, entry, exit, first_view, open });
        }
        Ok(runs)
    }

    /// Writes `runs` as returned by [`take_open`](Self::take_open).
    pub(super) fn write(runs: &[Run], from: i64, names: &Names) -> Vec<u8> {
        let mut writer = Writer::default();
        if runs.is_empty() {
            return writer.finish();
        }
        let pages = runs.iter().flat_map(|run| [run.entry, run.exit, run.open.map(|page| page.number)]);
        let mut pages: Vec<&str> = pages.flatten().map(|page| names.name(page)).collect();
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
            writer.number(u64::from(run.stay.code()));
            writer.number(run.stay.first.abs_diff(run.first));
            writer.number(run.stay.last.abs_diff(run.first));
            let index = |page: Option<u32>| {
                let index = page.map(|page| pages.partition_point(|known| *known < names.name(page)));
                index.map_or(0, |index| index as u64 + 1)
            };
            writer.number(index(run.entry));
            writer.number(index(run.exit));
            writer.number(run.first_view.map_or(0, |viewed| viewed.abs_diff(run.first) + 1));
            writer.number(index(run.open.map(|page| page.number)));
            if let Some(page) = run.open {
                writer.number(page.opened.abs_diff(run.first));
            }
            before = run.first;
        }
        writer.finish()
    }
}

impl Visits {
    /// Adds a run that is one visit.
    pub(super) fn add(&mut self, run: &Run) {
        self.of(run.stream).push(&run.stay);
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
            // A visit takes at most a day.
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
    /// Returns the stream of an event.
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
