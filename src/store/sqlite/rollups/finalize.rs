//! Rolls up past hours and days.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{
    Changed, DAYS, HOUR, Period, evict, finalized, invalidate,
    numbers::excluded,
    read_parts,
    rows::{Rows, blocks},
};
use crate::{
    error::Result,
    model::analytics::rollup::{Merged, Part, Rollup},
    store::{AggregateQuery, sqlite::sql::Sql},
    time::Timestamp,
};

/// The next periods to roll up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Batch {
    /// Hours of one day, in order.
    Hours(Vec<i64>),
    Day(i64),
}

impl Batch {
    /// Returns all affected hours.
    pub(in crate::store::sqlite) fn periods(&self) -> Vec<i64> {
        match self {
            Self::Hours(hours) => hours.clone(),
            Self::Day(day) => (day * 24..day * 24 + 24).collect(),
        }
    }
}

/// How long after its end an hour is rolled up: events may still wait in a queue.
const SETTLED: i64 = 10 * 60 * 1_000;

/// Number of blocks read for one batch, unless one hour has more.
const BLOCKS: usize = 256;

/// Returns the newest past hours without a rollup; if there are none, the newest day whose hours
/// have rollups.
pub(in crate::store::sqlite) fn next(database: &Connection, now: Timestamp) -> Result<Option<Batch>> {
    let snapshot = database.unchecked_transaction().sql()?;
    let over = now.as_millis().saturating_sub(SETTLED).div_euclid(HOUR);
    let blocks = blocks(&snapshot, 0, over.max(0) * HOUR)?;
    let hours_of = |block: &super::rows::Block| {
        let last = block.max_time.div_euclid(HOUR).min(over - 1);
        (block.min_time.max(0).div_euclid(HOUR), last)
    };
    let mut recorded: Vec<_> = blocks.iter().map(hours_of).filter(|(first, last)| first <= last).collect();
    recorded.sort_unstable();
    let known = finalized(&snapshot, Period::Hour(0), Period::Hour(DAYS - 1))?;
    let is_finalized = |hour: i64| known.binary_search(&Period::Hour(hour)).is_ok();
    let Some(newest) = newest_without(&recorded, is_finalized) else { return next_day(&snapshot, &known, over) };
    let mut hours = Vec::new();
    let mut read = 0;
    for hour in (newest.div_euclid(24) * 24..=newest).rev() {
        let filled = recorded.iter().filter(|(first, last)| (*first..=*last).contains(&hour)).count();
        read += filled;
        if !hours.is_empty() && read > BLOCKS {
            break;
        }
        if filled > 0 && !is_finalized(hour) {
            hours.push(hour);
        }
    }
    hours.reverse();
    Ok(Some(Batch::Hours(hours)))
}

/// Returns the last hour of the intervals, in order of their starts, that is not finalized.
fn newest_without(recorded: &[(i64, i64)], is_finalized: impl Fn(i64) -> bool) -> Option<i64> {
    // Intervals overlap; each hour is visited once.
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (first, last) in recorded {
        match merged.last_mut() {
            Some((_, end)) if *first <= *end + 1 => *end = (*end).max(*last),
            _ => merged.push((*first, *last)),
        }
    }
    merged.iter().rev().flat_map(|(first, last)| (*first..=*last).rev()).find(|hour| !is_finalized(*hour))
}

fn next_day(database: &Connection, hours: &[Period], over: i64) -> Result<Option<Batch>> {
    let days = finalized(database, Period::Day(0), Period::Day(DAYS - 1))?;
    let day_of = |hour: &Period| Period::Day(hour.span().0.div_euclid(super::DAY));
    let mut candidates = hours.iter().rev().map(day_of).filter(|day| day.span().1 <= over * HOUR);
    let day = candidates.find(|day| days.binary_search(day).is_err());
    Ok(day.map(|day| Batch::Day(day.span().0.div_euclid(super::DAY))))
}

const CLAIM: &str = "
    INSERT INTO rollups (period, claim, finalized) VALUES (?1, ?2, FALSE)
    ON CONFLICT (period) DO UPDATE SET claim = excluded.claim WHERE NOT finalized";

/// Claims hours that are about to be rolled up.
pub(in crate::store::sqlite) fn claim(database: &Connection, hours: &[i64], claim: Uuid) -> Result<()> {
    let mut statement = database.prepare_cached(CLAIM).sql()?;
    for hour in hours {
        statement.execute(params![Period::Hour(*hour).number(), claim.as_bytes().as_slice()]).sql()?;
    }
    Ok(())
}

/// The rollups of a batch, and the claims that must still exist when it is stored.
pub(in crate::store::sqlite) struct RolledUp {
    rollups: Vec<(Period, Rollup)>,
    /// The hours it consists of, with their claims.
    made_of: Vec<(i64, [u8; 16])>,
}

/// Rolls up a batch from one snapshot. Its hours must have been claimed before.
pub(in crate::store::sqlite) fn roll_up_period(
    database: &Connection,
    batch: &Batch,
    counting: &AggregateQuery,
    stopped: &AtomicBool,
) -> Result<RolledUp> {
    let snapshot = database.unchecked_transaction().sql()?;
    match batch {
        Batch::Hours(hours) => {
            let made_of = claims(&snapshot, hours.first().copied().unwrap_or(0), hours.last().copied().unwrap_or(-1))?;
            let rollups = from_rows(&snapshot, hours, counting, stopped)?;
            let rollups = rollups.into_iter().map(|(hour, rollup)| (Period::Hour(hour), rollup));
            Ok(RolledUp { rollups: rollups.collect(), made_of })
        }
        Batch::Day(day) => {
            let made_of = claims(&snapshot, day * 24, day * 24 + 23)?;
            let (from, until) = Period::Day(*day).span();
            let mut merged = Merged::new(from);
            for (hour, _) in &made_of {
                merged.append(&read_parts(&snapshot, Period::Hour(*hour), &Part::ALL)?)?;
            }
            merged.end_at(until);
            let rollup = merged.finalize(&excluded(&snapshot, counting)?);
            Ok(RolledUp { rollups: vec![(Period::Day(*day), rollup)], made_of })
        }
    }
}

/// Returns the rollups of the rows of these hours.
pub(super) fn from_rows(
    database: &Connection,
    hours: &[i64],
    counting: &AggregateQuery,
    stopped: &AtomicBool,
) -> Result<BTreeMap<i64, Rollup>> {
    let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return Ok(BTreeMap::new()) };
    let (from, until) = (first * HOUR, (last + 1) * HOUR);
    let (excluded, rows) = (excluded(database, counting)?, Rows::new(database, stopped)?);
    let mut open: BTreeMap<i64, Merged> = hours.iter().map(|hour| (*hour, Merged::new(hour * HOUR))).collect();
    rows.each(&blocks(database, from, until)?, from, until, |event| {
        match open.get_mut(&event.time.div_euclid(HOUR)) {
            Some(hour) => hour.add(event, &excluded),
            None => Ok(()),
        }
    })?;
    let finalize = |(hour, mut merged): (i64, Merged)| {
        merged.end_at((hour + 1) * HOUR);
        (hour, merged.finalize(&excluded))
    };
    Ok(open.into_iter().map(finalize).collect())
}

const CLAIMS: &str = "SELECT period, claim FROM rollups WHERE period BETWEEN ?1 AND ?2 ORDER BY period";

fn claims(database: &Connection, first: i64, last: i64) -> Result<Vec<(i64, [u8; 16])>> {
    let mut statement = database.prepare_cached(CLAIMS).sql()?;
    let claims = statement.query_map([first, last], |row| Ok((row.get(0)?, row.get(1)?))).sql()?;
    claims.collect::<rusqlite::Result<_>>().sql()
}

const FINALIZE: &str = "
    INSERT INTO rollups (period, claim, finalized) VALUES (?1, ?2, TRUE)
    ON CONFLICT (period) DO UPDATE SET finalized = TRUE WHERE claim = excluded.claim";
const STORE_PART: &str = "
    INSERT INTO rollup_parts (place, state) VALUES (?1, ?2) ON CONFLICT (place) DO UPDATE SET state = excluded.state";

/// Stores the rollups, unless their rows have changed since. Returns the number of stored periods.
pub(in crate::store::sqlite) fn store(database: &Connection, rolled_up: &RolledUp) -> Result<usize> {
    let (Some((first, claim)), Some((last, _))) = (rolled_up.made_of.first(), rolled_up.made_of.last()) else {
        return Ok(0);
    };
    let now = claims(database, *first, *last)?;
    let (mut finalize, mut store) =
        (database.prepare_cached(FINALIZE).sql()?, database.prepare_cached(STORE_PART).sql()?);
    let mut stored = 0;
    for (period, rollup) in &rolled_up.rollups {
        let claim = match period {
            // A day consists of all its hours.
            Period::Day(_) if now == rolled_up.made_of => claim,
            Period::Day(_) => continue,
            Period::Hour(hour) => {
                let of_hour = |claims: &[(i64, [u8; 16])]| {
                    claims.iter().find(|(other, _)| other == hour).map(|(_, claim)| *claim)
                };
                match rolled_up.made_of.iter().find(|(other, _)| other == hour) {
                    Some((_, claim)) if of_hour(&now) == Some(*claim) => claim,
                    _ => continue,
                }
            }
        };
        finalize.execute(params![period.number(), claim.as_slice()]).sql()?;
        for part in Part::ALL {
            let state = &rollup.parts[part as usize];
            if !state.is_empty() {
                store.execute(params![period.place(part), state]).sql()?;
            }
        }
        stored += 1;
    }
    Ok(stored)
}

/// Returns the periods whose rollups do not fit the current exclusions.
pub(in crate::store::sqlite) fn unfit(database: &Connection, counting: &AggregateQuery) -> Result<Vec<i64>> {
    let snapshot = database.unchecked_transaction().sql()?;
    let excluded = excluded(&snapshot, counting)?;
    let mut unfit = Vec::new();
    for (first, last) in [(Period::Hour(0), Period::Hour(DAYS - 1)), (Period::Day(0), Period::Day(DAYS - 1))] {
        for period in finalized(&snapshot, first, last)? {
            let rollup = read_parts(&snapshot, period, &[Part::Counts, Part::People])?;
            // Damaged rollups are computed again, too.
            if !rollup.is_made_for(&excluded).unwrap_or(false) {
                unfit.push(period.number());
            }
        }
    }
    Ok(unfit)
}

/// Deletes these rollups, and those of their days.
pub(in crate::store::sqlite) fn delete_periods(database: &Connection, numbers: &[i64]) -> Result<()> {
    let mut changed = Changed::default();
    for number in numbers {
        match Period::of(*number) {
            Period::Hour(hour) => changed.add(hour * HOUR),
            day @ Period::Day(_) => evict(database, day)?,
        }
    }
    invalidate(database, &changed)
}
