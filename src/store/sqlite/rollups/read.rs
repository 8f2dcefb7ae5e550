//! Answers queries from rollups, and from rows where there are none.

use std::{cell::Cell, sync::atomic::AtomicBool};

use rusqlite::{Connection, params};

use super::{
    super::{activities::SEGMENT_SHIFT, sql::Sql},
    Period, finalized,
    numbers::{excluded, only},
    plan::{FinalizedSpans, Piece},
    read_parts,
    rows::{Block, Rows, blocks, damaged},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::analytics::{
        ActiveUsers, ActivitySeries, Overview, Period as CalendarPeriod, Range, Role, Zone,
        rollup::{Counted, ExcludedEvents, Lookups, Merged, OverviewQuery, Part, PeriodCounts, Rollup, Run, Stream},
    },
    store::{AggregateQuery, OverviewParts},
    time::Timestamp,
};

pub(in crate::store::sqlite) fn overview(
    database: &Connection,
    counting: &AggregateQuery,
    zone: &Zone,
    limit: usize,
    wanted: OverviewParts,
    stopped: &AtomicBool,
) -> Result<Option<Overview>> {
    if counting.only.is_some() {
        return Ok(None);
    }
    let snapshot = database.unchecked_transaction().sql()?;
    let source = Source::open(&snapshot, counting, stopped)?;
    let mut parts = vec![Part::Counts, Part::People];
    parts.extend(
        [(Part::Tally, wanted.users), (Part::Pages, wanted.pages)].iter().filter(|(_, is)| *is).map(|(part, _)| *part),
    );
    if wanted.pages || wanted.visits || wanted.sessions {
        parts.push(Part::Runs);
    }
    if wanted.visits || wanted.sessions {
        parts.push(Part::Visits);
    }
    if wanted.sessions {
        parts.push(Part::Sessions);
    }
    let (from, until) = (counting.range.from().as_millis(), counting.range.until().as_millis());
    let gathered = source.gather(|unread| {
        let mut merged = Merged::new(from);
        source.each_piece(from, until, &[], |piece| match piece {
            Found::Finalized(period) => match source.rollup(period, &parts)? {
                Some(rollup) => merged.append(&rollup).map(|()| true),
                None => Ok(false),
            },
            Found::Rows(blocks, from, until) => {
                if !unread.contains(&(from, until)) {
                    source.rows(blocks, from, until, |event| merged.add(event, &source.excluded))?;
                }
                merged.end_at(until);
                Ok(true)
            }
        })?;
        Ok(merged)
    });
    let (merged, unread) = gathered?;
    let ask = OverviewQuery { range: counting.range, zone: zone.clone(), limit };
    Ok(merged.overview(&ask, &source)?.map(|overview| Overview { unread, ..overview }))
}

pub(in crate::store::sqlite) fn series(
    database: &Connection,
    counting: &AggregateQuery,
    period: CalendarPeriod,
    zone: &Zone,
    stopped: &AtomicBool,
) -> Result<ActivitySeries> {
    let only = only(database, counting)?;
    let of = only.as_ref().map(|only| only.part);
    let new = || Ok(PeriodCounts::new(counting.range, period, zone.clone())?.only(only.clone()));
    let (attendance, unread) = attend(database, counting, of, new, stopped)?;
    Ok(ActivitySeries { unread, ..attendance.series() })
}

pub(in crate::store::sqlite) fn active_days(
    database: &Connection,
    counting: &AggregateQuery,
    zone: &Zone,
    stopped: &AtomicBool,
) -> Result<ActiveUsers> {
    let (_, wider) = PeriodCounts::days(counting.range, zone.clone())?;
    let only = only(database, counting)?;
    let of = only.as_ref().map(|only| only.part);
    let new = || Ok(PeriodCounts::days(counting.range, zone.clone())?.0.only(only.clone()));
    let counting = AggregateQuery { range: wider, ..counting.clone() };
    let (attendance, unread) = attend(database, &counting, of, new, stopped)?;
    Ok(ActiveUsers { unread, ..attendance.active_users() })
}

fn attend(
    database: &Connection,
    counting: &AggregateQuery,
    of: Option<Part>,
    new: impl Fn() -> Result<PeriodCounts>,
    stopped: &AtomicBool,
) -> Result<(PeriodCounts, Vec<Range>)> {
    let parts: Vec<_> = [Part::Counts, Part::People].into_iter().chain(of).collect();
    let snapshot = database.unchecked_transaction().sql()?;
    let source = Source::open(&snapshot, counting, stopped)?;
    let (from, until) = (counting.range.from().as_millis(), counting.range.until().as_millis());
    source.gather(|unread| {
        let mut attendance = new()?;
        source.each_piece(from, until, &attendance.cuts(), |piece| match piece {
            Found::Finalized(period) => match source.rollup(period, &parts)? {
                Some(rollup) => attendance.append(&rollup).map(|()| true),
                None => Ok(false),
            },
            Found::Rows(_, from, until) if unread.contains(&(from, until)) => Ok(true),
            Found::Rows(blocks, from, until) => {
                let add = |event: &Counted<'_>| {
                    attendance.add(event, &source.excluded);
                    Ok(())
                };
                source.rows(blocks, from, until, add).map(|()| true)
            }
        })?;
        Ok(attendance)
    })
}

/// A snapshot of the database for one answer.
struct Source<'a> {
    database: &'a Connection,
    reader: Rows<'a>,
    excluded: ExcludedEvents,
    max_events: usize,
    /// Number of rows read.
    seen: Cell<usize>,
    /// The span that had too many rows.
    too_many_in: Cell<Option<(i64, i64)>>,
    /// Whether there was any rollup.
    has_rollups: Cell<bool>,
}

/// A piece of an answer.
enum Found<'a> {
    Finalized(Period),
    Rows(&'a [Block], i64, i64),
}

impl<'a> Source<'a> {
    fn open(database: &'a Connection, counting: &AggregateQuery, stopped: &'a AtomicBool) -> Result<Self> {
        let (reader, excluded) = (Rows::new(database, stopped)?, excluded(database, counting)?);
        let (too_many_in, has_rollups) = Default::default();
        let max_events = counting.max_events;
        Ok(Self { database, reader, excluded, max_events, seen: Cell::new(0), too_many_in, has_rollups })
    }

    /// Returns the result of `gather` without pieces that have too many rows, and these pieces. If
    /// there are no rollups at all, it fails.
    fn gather<T>(&self, gather: impl Fn(&[(i64, i64)]) -> Result<T>) -> Result<(T, Vec<Range>)> {
        let mut unread = Vec::new();
        loop {
            self.seen.set(0);
            self.has_rollups.set(false);
            self.too_many_in.set(None);
            match (gather(&unread), self.too_many_in.get()) {
                (Err(_), Some(stretch)) if !unread.contains(&stretch) => unread.push(stretch),
                (Ok(_), _) if !unread.is_empty() && !self.has_rollups.get() => return Err(self.too_many()),
                (result, _) => {
                    let gathered = result?;
                    self.seen.set(0);
                    unread.sort_unstable();
                    let range = |(from, until): (i64, i64)| {
                        Range::new(Timestamp::from_millis(from), Timestamp::from_millis(until))
                    };
                    return Ok((gathered, unread.into_iter().map(range).collect::<Result<_>>()?));
                }
            }
        }
    }

    fn too_many(&self) -> Error {
        let context = format!("a query reads at most {} events: use a shorter range", self.max_events);
        Error::new(ErrorKind::TooLarge, context)
    }

    /// Calls `show` with the pieces of `[from, until)` in order. If `show` rejects a rollup, the
    /// smaller pieces of it are shown instead.
    fn each_piece(
        &self,
        from: i64,
        until: i64,
        cuts: &[i64],
        mut show: impl FnMut(Found<'_>) -> Result<bool>,
    ) -> Result<()> {
        let known = known(self.database, from, until)?;
        // The last piece comes first.
        let mut pieces = known.pieces(from, until, cuts);
        pieces.reverse();
        let mut loaded: Option<Vec<Block>> = None;
        while let Some(piece) = pieces.pop() {
            match piece {
                Piece::Finalized(period) => {
                    let is_fit = show(Found::Finalized(period))?;
                    let (start, end) = period.span();
                    match period {
                        _ if is_fit => {}
                        Period::Hour(_) => pieces.push(Piece::Rows(start, end)),
                        Period::Day(_) => {
                            let mut smaller = Vec::new();
                            known.by_hours(start, end, cuts, &mut smaller);
                            pieces.extend(smaller.into_iter().rev());
                        }
                    }
                }
                Piece::Rows(start, end) => {
                    let blocks = match &mut loaded {
                        Some(blocks) => blocks,
                        None => loaded.insert(blocks(self.database, start, until)?),
                    };
                    show(Found::Rows(blocks, start, end))?;
                }
            }
        }
        Ok(())
    }

    /// Returns the rollup of a period, if it fits the current exclusions.
    fn rollup(&self, period: Period, parts: &[Part]) -> Result<Option<Rollup>> {
        let rollup = read_parts(self.database, period, parts)?;
        match rollup.is_made_for(&self.excluded) {
            Ok(is_fit) => {
                self.has_rollups.set(self.has_rollups.get() || is_fit);
                Ok(is_fit.then_some(rollup))
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::error!(?period, "a rollup is damaged, its rows are read instead: rebuild the rollups");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn rows(
        &self,
        blocks: &[Block],
        from: i64,
        until: i64,
        mut each: impl FnMut(&Counted<'_>) -> Result<()>,
    ) -> Result<()> {
        self.reader.each(blocks, from, until, |event| {
            self.seen.set(self.seen.get() + 1);
            if self.seen.get() > self.max_events {
                self.too_many_in.set(Some((from, until)));
                return Err(self.too_many());
            }
            each(event)
        })
    }

    /// Returns the blocks in which a stream occurs, among the given ones.
    fn blocks_of(&self, stream: Stream, blocks: Vec<Block>) -> Result<Vec<Block>> {
        let mut numbers = Vec::new();
        let mut add = |sql: &str, parameters: &[i64]| -> Result<()> {
            let mut statement = self.database.prepare_cached(sql).sql()?;
            let mut rows = statement.query(rusqlite::params_from_iter(parameters)).sql()?;
            while let Some(row) = rows.next().sql()? {
                numbers.push(row.get::<_, i64>(0).sql()?);
            }
            Ok(())
        };
        match stream {
            Stream::Session(session) => add(SESSION_BLOCKS, &[i64::from(session)])?,
            Stream::Visitor(visitor) => add(VISITOR_BLOCKS, &[i64::from(visitor)])?,
            Stream::User(user) => {
                let mut segments: Vec<_> = blocks.iter().map(|block| block.number >> SEGMENT_SHIFT).collect();
                segments.dedup();
                segments.iter().try_for_each(|segment| add(USER_BLOCKS, &[*segment, i64::from(user)]))?;
            }
        }
        Ok(blocks.into_iter().filter(|block| numbers.binary_search(&block.number).is_ok()).collect())
    }
}

// Each returns the blocks of one stream.
const SESSION_BLOCKS: &str = "SELECT block FROM activity_session_blocks WHERE session = ?1 ORDER BY block";
const USER_BLOCKS: &str = "SELECT block FROM activity_user_blocks WHERE segment = ?1 AND user = ?2 ORDER BY block";
const VISITOR_BLOCKS: &str = "
    SELECT sequence >> 10 FROM activities INDEXED BY activities_by_visitor WHERE visitor = ?1 ORDER BY sequence";

const TYPE_NAME: &str = "SELECT name FROM event_types WHERE id = ?1";
const USER_NAME: &str = "SELECT external FROM users WHERE id = ?1";

impl Source<'_> {
    fn name(&self, sql: &str, number: u32) -> Result<String> {
        let mut statement = self.database.prepare_cached(sql).sql()?;
        statement.query_row(params![number], |row| row.get(0)).sql()
    }
}

impl Lookups for Source<'_> {
    fn event_type(&self, number: u32) -> Result<String> {
        self.name(TYPE_NAME, number)
    }

    fn user(&self, number: u32) -> Result<UserId> {
        UserId::try_from(self.name(USER_NAME, number)?)
            .map_err(|error| damaged("a stored user id is damaged").with_source(error))
    }

    fn steps(&self, run: &Run) -> Result<Vec<(i64, Role, Option<String>)>> {
        let until = run.last.saturating_add(1);
        let blocks = self.blocks_of(run.stream, blocks(self.database, run.first, until)?)?;
        let mut steps = Vec::new();
        self.rows(&blocks, run.first, until, |event| {
            if Stream::of(event) == Some(run.stream) && !self.excluded.excludes(event) {
                let page = event.page.map(str::to_owned);
                steps.push((event.time, event.sequence, self.excluded.role(event), page));
            }
            Ok(())
        })?;
        steps.sort_unstable_by_key(|(time, sequence, ..)| (*time, *sequence));
        Ok(steps.into_iter().map(|(time, _, role, page)| (time, role, page)).collect())
    }
}

/// Returns the rollups between two times.
fn known(database: &Connection, from: i64, until: i64) -> Result<FinalizedSpans> {
    let (first, last) = (Period::holding(from), Period::holding(until));
    let day = |hour: Period| Period::Day(hour.span().0.div_euclid(super::DAY));
    Ok(FinalizedSpans { days: finalized(database, day(first), day(last))?, hours: finalized(database, first, last)? })
}
