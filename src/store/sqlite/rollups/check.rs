//! Compares rollups with the rows.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use rusqlite::Connection;

use super::{DAYS, HOUR, Period, finalize::from_rows, finalized, numbers::excluded, read_parts};
use crate::{
    error::Result,
    model::analytics::{
        Range,
        rollup::{Merged, Part, Rollup},
    },
    store::{AggregateQuery, RollupCheck, sqlite::sql::Sql},
    time::Timestamp,
};

/// Returns the days with rollups.
pub(in crate::store::sqlite) fn days(database: &Connection) -> Result<BTreeSet<i64>> {
    let hours = finalized(database, Period::Hour(0), Period::Hour(DAYS - 1))?;
    let days = finalized(database, Period::Day(0), Period::Day(DAYS - 1))?;
    Ok(hours.into_iter().chain(days).map(|period| period.span().0.div_euclid(super::DAY)).collect())
}

/// Computes a day with all its hours again, and compares. Rollups made for other exclusions are not
/// compared.
pub(in crate::store::sqlite) fn check(
    database: &Connection,
    day: i64,
    counting: &AggregateQuery,
    stopped: &AtomicBool,
    result: &mut RollupCheck,
) -> Result<()> {
    let snapshot = database.unchecked_transaction().sql()?;
    let excluded = excluded(&snapshot, counting)?;
    let all: Vec<i64> = (day * 24..day * 24 + 24).collect();
    let expected = from_rows(&snapshot, &all, counting, stopped)?;
    let mut whole = Merged::new(day * 24 * HOUR);
    expected.values().try_for_each(|rollup| whole.append(rollup))?;
    let whole = whole.finalize(&excluded);
    let mut compare = |period: Period, expected: &Rollup| -> Result<()> {
        let stored = read_parts(&snapshot, period, &Part::ALL)?;
        let is_damaged = match stored.is_made_for(&excluded) {
            Ok(false) => return Ok(()),
            Ok(true) => stored != *expected,
            Err(_) => true,
        };
        result.checked += 1;
        if is_damaged {
            let (from, until) = period.span();
            result.wrong.push(Range::new(Timestamp::from_millis(from), Timestamp::from_millis(until))?);
        }
        Ok(())
    };
    for period in finalized(&snapshot, Period::Hour(day * 24), Period::Hour(day * 24 + 23))? {
        if let Some(expected) = expected.get(&period.number()) {
            compare(period, expected)?;
        }
    }
    for period in finalized(&snapshot, Period::Day(day), Period::Day(day))? {
        compare(period, &whole)?;
    }
    Ok(())
}
