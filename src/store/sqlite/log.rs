//! Moves SQLite's write-ahead log into the database, and truncates it.

use std::time::Duration;

use rusqlite::Connection;

use super::sql::{Sql, pragma};
use crate::error::Result;

/// Moves as much of the log into the database as readers allow, while others write.
pub(super) fn move_log(database: &Connection) -> Result<()> {
    database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).sql()
}

/// Moves the log into the database and truncates it. Returns `false` if a reader uses part of it:
/// queued writes do not wait for readers.
pub(super) fn truncate_log(database: &Connection) -> Result<bool> {
    let timeout = Duration::from_millis(pragma(database, "busy_timeout")?.unsigned_abs());
    database.busy_timeout(timeout.min(Duration::from_millis(10))).sql()?;
    let busy = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).sql();
    database.busy_timeout(timeout).sql()?;
    Ok(busy? == 0)
}

pub(super) fn checkpoint(database: &Connection) -> Result<()> {
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).sql()
}
