//! Names that may remain after an erasure, and whether others use them.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::{
    activities::{self, Names},
    database::Database,
    sql::Sql,
};
use crate::{error::Result, model::privacy::ErasureId};

const ADD: &str = "INSERT INTO erasure_leftovers (erasure, kind, name) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

/// Records names of deleted rows.
pub(super) fn add(database: &Connection, erasure: ErasureId, names: &Names) -> Result<()> {
    let mut statement = database.prepare_cached(ADD).sql()?;
    for (kind, numbers) in [(TYPE, &names.types), (ROUTE, &names.routes)] {
        for number in numbers {
            statement.execute(params![erasure.as_uuid().as_bytes().as_slice(), kind, number]).sql()?;
        }
    }
    Ok(())
}

const ADD_ROW: &str = "INSERT INTO erasure_rows (erasure, sequence) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

/// Records anonymised rows: the first and last row of each run.
pub(super) fn add_rows(database: &Connection, erasure: ErasureId, runs: &[(i64, i64)]) -> Result<()> {
    let mut statement = database.prepare_cached(ADD_ROW).sql()?;
    for sequence in runs.iter().flat_map(|(first, last)| *first..=*last) {
        statement.execute(params![erasure.as_uuid().as_bytes().as_slice(), sequence]).sql()?;
    }
    Ok(())
}

/// The result of [`clear`].
#[derive(Default)]
pub(super) struct Cleared {
    /// Whether nothing is left to do.
    pub(super) is_done: bool,
    /// Number of anonymised rows that were deleted in the end.
    pub(super) deleted: u64,
}

const LOAD: &str = "SELECT kind, name FROM erasure_leftovers WHERE erasure = ?1 ORDER BY kind, name";
const REMOVE: &str = "DELETE FROM erasure_leftovers WHERE erasure = ?1";
const POSITION: &str = "SELECT looked_through FROM erasures WHERE id = ?1";
const SET_POSITION: &str = "UPDATE erasures SET looked_through = ?2 WHERE id = ?1";
const OWN: &str = "SELECT sequence FROM erasure_rows WHERE erasure = ?1 AND sequence > ?2 ORDER BY sequence";

/// Searches more rows for the names, after all rows of the erasure are deleted or anonymised. In
/// the end, names that nobody else has are deleted, with the anonymised rows that have them.
pub(super) fn clear(database: &Database, erasure: ErasureId, limit: usize) -> Result<Cleared> {
    let id = erasure.as_uuid().as_bytes().as_slice();
    let mut names = Names::default();
    let mut statement = database.prepare_cached(LOAD).sql()?;
    let mut rows = statement.query([id]).sql()?;
    while let Some(row) = rows.next().sql()? {
        let numbers = if row.get::<_, i64>(0).sql()? == TYPE { &mut names.types } else { &mut names.routes };
        numbers.insert(row.get(1).sql()?);
    }
    let position: i64 = database.prepare_cached(POSITION).sql()?.query_row([id], |row| row.get(0)).sql()?;
    let mut own = database.prepare_cached(OWN).sql()?;
    let mut own = own.query(params![id, position]).sql()?;
    // At the end it also reads the rows added since.
    let looked = activities::keep_unused(database, &mut names, position, limit.saturating_mul(LOOKS), &mut own)?;
    let mut cleared = Cleared::default();
    if looked.is_all {
        cleared = clear_rows(database, id, &names, limit)?;
    }
    database.prepare_cached(REMOVE).sql()?.execute([id]).sql()?;
    if cleared.is_done {
        activities::delete_names(database, &names)?;
    } else {
        add(database, erasure, &names)?;
    }
    // Held rows may be deleted later, and have names of their own.
    let position = if cleared.is_done { 0 } else { looked.last };
    database.prepare_cached(SET_POSITION).sql()?.execute(params![id, position]).sql()?;
    Ok(cleared)
}

const ROWS: &str = "
    SELECT r.sequence, a.type, a.route FROM erasure_rows r LEFT JOIN activities a ON a.sequence = r.sequence
    WHERE r.erasure = ?1 ORDER BY r.sequence LIMIT ?2";
const REMOVE_ROWS: &str = "DELETE FROM erasure_rows WHERE erasure = ?1 AND sequence <= ?2";

/// Deletes anonymised rows with one of the names, and forgets the owner of the others, at most
/// `limit`.
fn clear_rows(database: &Database, id: &[u8], names: &Names, limit: usize) -> Result<Cleared> {
    let (mut last, mut count, mut singular) = (None, 0, Vec::new());
    let mut statement = database.prepare_cached(ROWS).sql()?;
    let mut rows = statement.query(params![id, i64::try_from(limit).unwrap_or(i64::MAX)]).sql()?;
    while let Some(row) = rows.next().sql()? {
        let (sequence, event_type, route): (i64, Option<i64>, Option<i64>) = row.try_into().sql()?;
        (last, count) = (Some(sequence), count + 1);
        let has = |numbers: &BTreeSet<i64>, number: Option<i64>| number.is_some_and(|number| numbers.contains(&number));
        if has(&names.types, event_type) || has(&names.routes, route) {
            singular.push(sequence);
        }
    }
    drop(rows);
    let deleted = activities::delete_anonymised(database, &singular)? as u64;
    if let Some(last) = last {
        database.prepare_cached(REMOVE_ROWS).sql()?.execute(params![id, last]).sql()?;
    }
    Ok(Cleared { is_done: count < limit, deleted })
}

const TYPE: i64 = 0;
const ROUTE: i64 = 1;

/// Number of rows that can be read in the time of deleting one.
const LOOKS: usize = 100;
