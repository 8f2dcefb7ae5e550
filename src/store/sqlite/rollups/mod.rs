//! Rollups of hours and days, so that a query over months reads a few thousand small rows instead
//! of every event.
//!
//! # Life cycle
//!
//! An hour is rolled up ("finalized") in the background some time after its end, from its rows; a
//! day from its hours. Until then its rows are read. A change of the rows of a finalized hour (a
//! late event, a deletion, an erasure) deletes the rollups of the hour and its day in the same
//! transaction. So a rollup never coexists with rows that it does not include, storing events needs
//! no update of rollups, and an erased user is in no rollup from the moment their rows are gone.
//!
//! # Claims
//!
//! Rows are read by a reader, because that takes long, while the writer continues. Before reading,
//! a row in `rollups` claims the hour. It is deleted by the same rule: if it still exists
//! afterwards, nothing has changed.
//!
//! # Exclusions
//!
//! Some users and types do not count, and this may change. A rollup records its exclusions. If they
//! are not those of the query, the rollup is ignored, and computed again in time.

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

/// Deletes rollups made before a page view ended the previous one, and before passive types.
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
    /// Returns the hour of a time; the first or last possible hour if it is out of range.
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

    /// Returns the first millisecond, and the first one after it.
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

/// The hours whose rows a transaction changes.
#[derive(Debug, Default)]
pub(super) struct Changed(std::collections::BTreeSet<i64>);

impl Changed {
    pub(super) fn add(&mut self, time: i64) {
        self.0.insert(time.div_euclid(HOUR));
    }

    /// Adds the first hour of each of their days.
    pub(super) fn add_midnights(&mut self) {
        let midnights: Vec<_> = self.0.iter().map(|hour| hour.div_euclid(24) * 24).collect();
        self.0.extend(midnights);
    }
}

/// Detects late events in a batch.
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

const DELETE_PERIOD: &str = "DELETE FROM rollups WHERE period = ?1";
const DELETE_PART: &str = "DELETE FROM rollup_parts WHERE place = ?1";

/// Deletes the rollups of these hours.
pub(super) fn invalidate(database: &Connection, changed: &Changed) -> Result<()> {
    for hour in &changed.0 {
        evict(database, Period::Hour(*hour))?;
        evict(database, Period::Day(hour.div_euclid(24)))?;
    }
    Ok(())
}

fn evict(database: &Connection, period: Period) -> Result<()> {
    if database.prepare_cached(DELETE_PERIOD).sql()?.execute([period.number()]).sql()? > 0 {
        let mut statement = database.prepare_cached(DELETE_PART).sql()?;
        Part::ALL.iter().try_for_each(|part| statement.execute([period.place(*part)]).map(drop)).sql()?;
    }
    Ok(())
}

const DELETE_ALL: &str = "DELETE FROM rollups; DELETE FROM rollup_parts";

/// Deletes all rollups.
pub(super) fn evict_all(database: &Connection) -> Result<()> {
    database.execute_batch(DELETE_ALL).sql()
}

const STATE: &str = "SELECT state FROM rollup_parts WHERE place = ?1";

/// Reads some parts of a rollup.
fn read_parts(database: &Connection, period: Period, parts: &[Part]) -> Result<Rollup> {
    let (from, until) = period.span();
    let mut rollup = Rollup::unread(from, until);
    let mut statement = database.prepare_cached(STATE).sql()?;
    for part in parts {
        // Empty parts are not stored.
        if let Some(state) = statement.query_row([period.place(*part)], |row| row.get(0)).optional().sql()? {
            rollup.parts[*part as usize] = state;
        }
    }
    Ok(rollup)
}

const FINALIZED: &str = "SELECT period FROM rollups WHERE finalized AND period BETWEEN ?1 AND ?2 ORDER BY period";

/// Returns the finalized periods between two. Each is an hour or a day with events, so there is no
/// limit.
fn finalized(database: &Connection, first: Period, last: Period) -> Result<Vec<Period>> {
    let mut statement = database.prepare_cached(FINALIZED).sql()?;
    let numbers = statement.query_map([first.number(), last.number()], |row| row.get(0)).sql()?;
    numbers.map(|number| number.map(Period::of).sql()).collect()
}
