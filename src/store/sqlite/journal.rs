//! The time since which erasures are written to a journal outside the database.

use rusqlite::{Connection, OptionalExtension};

use super::sql::Sql;
use crate::{error::Result, time::Timestamp};

pub(super) const SCHEMA: &str = "
    -- One row at most: without it, a journal that is gone could not be told from one that never was.
    CREATE TABLE erasure_journal (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        began_at INTEGER NOT NULL
    ) STRICT;
";

const SINCE: &str = "SELECT began_at FROM erasure_journal WHERE one = 1";

pub(super) fn since(database: &Connection) -> Result<Option<Timestamp>> {
    let mut statement = database.prepare_cached(SINCE).sql()?;
    Ok(statement.query_row([], |row| row.get(0)).optional().sql()?.map(Timestamp::from_millis))
}

const BEGIN: &str = "INSERT INTO erasure_journal (one, began_at) VALUES (1, ?1) ON CONFLICT DO NOTHING";

pub(super) fn begin(database: &Connection, now: Timestamp) -> Result<()> {
    database.prepare_cached(BEGIN).and_then(|mut statement| statement.execute([now.as_millis()])).sql()?;
    Ok(())
}
