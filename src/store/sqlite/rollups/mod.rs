//! Hours and days rolled up, so that a question about months reads a few thousand small rows
//! instead of every event.
//!
//! # When
//!
//! An hour is rolled up ("finalized") some time after it is over, in the background, from its rows;
//! a day from its hours. Until then its rows are read. A change of rows of a finalized hour (a late
//! event, a deletion, an erasure) deletes what the hour and its day were rolled up to, in the same
//! transaction: it is never there beside rows that it does not roll up. So nothing is to be kept up
//! to date while events are stored, and who is erased is in no rollup from the moment in which the
//! rows are gone.
//!
//! # Claims
//!
//! Rows are read by a reader, as that takes long, and the writer goes on meanwhile. Before, a row
//! in `rollups` claims the hour: it is deleted by the same rule. If it is still there afterwards,
//! nothing has changed.
//!
//! # Who is left out
//!
//! Some users and types do not count, and that may change. A rollup knows who was left out and who
//! was not; if it is not what the question needs, it is as if it were not there, and it is made
//! anew by and by.

mod check;
mod finalize;
mod numbers;
mod plan;
mod read;
mod rows;

use rusqlite::{Connection, OptionalExtension};

pub(super) use self::{
    check::{check, days},
    finalize::{Batch, claim, delete_periods, next, roll_up_period, store, unfit},
    read::{active_days, overview, series},
};
use super::sql::Sql;
use crate::{
    error::Result,
    model::analytics::rollup::{Part, Rollup},
};

pub(super) const SCHEMA: &str = "
    -- Hours (since the epoch) and days (with `DAYS` added) that are summed up; or about to be, while they are not sealed.
    CREATE TABLE rollups (
        period INTEGER PRIMARY KEY,
        claim BLOB NOT NULL,
        sealed INTEGER NOT NULL
    ) STRICT;
    -- What they are summed up to: see `analysis::rollup::Part`, whose number is in the upper bits of the place.
    CREATE TABLE rollup_parts (place INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT;
";

/// What was rolled up before a page ended with the next page view, and before passive types.
pub(super) const STAYS_SCHEMA: &str = "DELETE FROM rollups; DELETE FROM rollup_parts;";

/// An hour or a day since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Period {
    Hour(i64),
    Day(i64),
}

const DAYS: i64 = 1 << 40;
const PART_SHIFT: u32 = 48;
const HOUR: i64 = 60 * 60 * 1_000;
const DAY: i64 = 24 * HOUR;

impl Period {
    /// The hour that has a moment; the first or the last that there can be if it is out of all
    /// bounds.
    fn holding(time: i64) -> Self {
        Self::Hour(time.div_euclid(HOUR).clamp(0, DAYS - 1))
    }

    fn number(self) -> i64 {
        match self {
            Self::Hour(hour) => hour,
            Self::Day(day) => DAYS | day,
        }
    }

    fn of(number: i64) -> Self {
        if number < DAYS { Self::Hour(number) } else { Self::Day(number & !DAYS) }
    }

    /// The first millisecond, and the first after it.
    fn span(self) -> (i64, i64) {
        match self {
            Self::Hour(hour) => (hour * HOUR, (hour + 1) * HOUR),
            Self::Day(day) => (day * DAY, (day + 1) * DAY),
        }
    }

    fn place(self, part: Part) -> i64 {
        (part as i64) << PART_SHIFT | self.number()
    }
}

/// Hours whose rows a transaction changes.
#[derive(Debug, Default)]
pub(super) struct Changed(std::collections::BTreeSet<i64>);

impl Changed {
    pub(super) fn add(&mut self, time: i64) {
        self.0.insert(time.div_euclid(HOUR));
    }

    /// The first hour of each of their days, too.
    pub(super) fn add_midnights(&mut self) {
        let midnights: Vec<_> = self.0.iter().map(|hour| hour.div_euclid(24) * 24).collect();
        self.0.extend(midnights);
    }
}

/// Which events of a batch are late, if any.
pub(super) struct Lateness(Option<i64>);

const LAST: &str = "SELECT period FROM rollups WHERE period < ?1 ORDER BY period DESC LIMIT 1";

impl Lateness {
    pub(super) fn of(database: &Connection) -> Result<Self> {
        let mut statement = database.prepare_cached(LAST).sql()?;
        statement.query_row([DAYS], |row| row.get(0)).optional().sql().map(Self)
    }

    pub(super) fn look(&self, time: i64, changed: &mut Changed) {
        if self.0.is_some_and(|last| time.div_euclid(HOUR) <= last) {
            changed.add(time);
        }
    }
}

const REOPEN: &str = "DELETE FROM rollups WHERE period = ?1";
const FORGET_PART: &str = "DELETE FROM rollup_parts WHERE place = ?1";

/// What was rolled up of these hours is no more so.
pub(super) fn invalidate(database: &Connection, changed: &Changed) -> Result<()> {
    for hour in &changed.0 {
        evict(database, Period::Hour(*hour))?;
        evict(database, Period::Day(hour.div_euclid(24)))?;
    }
    Ok(())
}

fn evict(database: &Connection, period: Period) -> Result<()> {
    if database.prepare_cached(REOPEN).sql()?.execute([period.number()]).sql()? > 0 {
        let mut statement = database.prepare_cached(FORGET_PART).sql()?;
        Part::ALL.iter().try_for_each(|part| statement.execute([period.place(*part)]).map(drop)).sql()?;
    }
    Ok(())
}

const FORGET_ALL: &str = "DELETE FROM rollups; DELETE FROM rollup_parts";

/// As if nothing had ever been rolled up.
pub(super) fn evict_all(database: &Connection) -> Result<()> {
    database.execute_batch(FORGET_ALL).sql()
}

const STATE: &str = "SELECT state FROM rollup_parts WHERE place = ?1";

/// Reads some parts of what a period was rolled up to.
fn read_parts(database: &Connection, period: Period, parts: &[Part]) -> Result<Rollup> {
    let (from, until) = period.span();
    let mut rollup = Rollup::unread(from, until);
    let mut statement = database.prepare_cached(STATE).sql()?;
    for part in parts {
        // What is empty is not stored.
        if let Some(state) = statement.query_row([period.place(*part)], |row| row.get(0)).optional().sql()? {
            rollup.parts[*part as usize] = state;
        }
    }
    Ok(rollup)
}

const FINALIZED: &str = "SELECT period FROM rollups WHERE finalized AND period BETWEEN ?1 AND ?2 ORDER BY period";

/// The periods between two that are rolled up. Each is an hour or a day of what was recorded, so
/// there is no limit.
fn finalized(database: &Connection, first: Period, last: Period) -> Result<Vec<Period>> {
    let mut statement = database.prepare_cached(FINALIZED).sql()?;
    let numbers = statement.query_map([first.number(), last.number()], |row| row.get(0)).sql()?;
    numbers.map(|number| number.map(Period::of).sql()).collect()
}
