//! Names that an erasure leaves behind, and whether somebody else uses them.

use rusqlite::{Connection, params};

use super::{
    activities::{self, Names},
    connection::{Database, Sql},
};
use crate::{error::Result, privacy::ErasureId};

const ADD: &str = "INSERT INTO erasure_leftovers (erasure, kind, name) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

/// Remembers names of rows that were deleted.
pub(super) fn add(database: &Connection, erasure: ErasureId, names: &Names) -> Result<()> {
    let mut statement = database.prepare_cached(ADD).sql()?;
    for (kind, numbers) in [(TYPE, &names.types), (ROUTE, &names.routes)] {
        for number in numbers {
            statement.execute(params![erasure.as_uuid().as_bytes().as_slice(), kind, number]).sql()?;
        }
    }
    Ok(())
}

const LOAD: &str = "SELECT kind, name FROM erasure_leftovers WHERE erasure = ?1 ORDER BY kind, name";
const REMOVE: &str = "DELETE FROM erasure_leftovers WHERE erasure = ?1";
const POSITION: &str = "SELECT looked_through FROM erasures WHERE id = ?1";
const SET_POSITION: &str = "UPDATE erasures SET looked_through = ?2 WHERE id = ?1";

/// Looks through some more rows for the names, when all rows of the erasure are deleted. `true` if that was the end of it: names
/// that nobody else has are gone then.
pub(super) fn clear(database: &Database, erasure: ErasureId, limit: usize) -> Result<bool> {
    let id = erasure.as_uuid().as_bytes().as_slice();
    let mut names = Names::default();
    let mut statement = database.prepare_cached(LOAD).sql()?;
    let mut rows = statement.query([id]).sql()?;
    while let Some(row) = rows.next().sql()? {
        let numbers = if row.get::<_, i64>(0).sql()? == TYPE { &mut names.types } else { &mut names.routes };
        numbers.insert(row.get(1).sql()?);
    }
    let position = database.prepare_cached(POSITION).sql()?.query_row([id], |row| row.get(0)).sql()?;
    let position = match names.is_empty() {
        true => None,
        false => activities::keep_unused(database, &mut names, position, limit.saturating_mul(LOOKS))?,
    };
    database.prepare_cached(REMOVE).sql()?.execute([id]).sql()?;
    let Some(position) = position else {
        activities::forget_names(database, &names)?;
        // What is held may be deleted later, and has names of its own.
        database.prepare_cached(SET_POSITION).sql()?.execute(params![id, 0]).sql()?;
        return Ok(true);
    };
    add(database, erasure, &names)?;
    database.prepare_cached(SET_POSITION).sql()?.execute(params![id, position]).sql()?;
    Ok(false)
}

const TYPE: i64 = 0;
const ROUTE: i64 = 1;

/// So many rows are looked at in the time that it takes to delete one.
const LOOKS: usize = 100;
