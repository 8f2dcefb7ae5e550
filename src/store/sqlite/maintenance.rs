//! The methods of [`MaintenanceStore`](crate::store::MaintenanceStore) in SQL.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{database::Database, sql::Sql};
use crate::{error::Result, store::ReclaimedSpace, time::Timestamp};

pub(super) const SCHEMA: &str = "
    -- Who looks after the database, see `MaintenanceStore::lease`.
    CREATE TABLE leases (
        name TEXT PRIMARY KEY,
        holder BLOB NOT NULL,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

const LEASE: &str = "
    INSERT INTO leases (name, holder, until) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
        WHERE leases.holder = excluded.holder OR leases.until <= ?4";

pub(super) fn acquire_lease(
    database: &Connection,
    name: &str,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool> {
    let row = params![name, holder.as_bytes().as_slice(), until.as_millis(), now.as_millis()];
    let rows = database.prepare_cached(LEASE).and_then(|mut statement| statement.execute(row)).sql()?;
    Ok(rows > 0)
}

/// Runs outside a transaction. The file becomes shorter with the next checkpoint.
pub(super) fn reclaim_space(database: &Database, limit_pages: usize) -> Result<ReclaimedSpace> {
    let before = free_pages(database)?;
    // For SQLite, 0 means all pages.
    if limit_pages > 0 && before > 0 {
        let mut vacuum = database.prepare(&format!("PRAGMA incremental_vacuum({limit_pages})")).sql()?;
        let mut rows = vacuum.query([]).sql()?;
        // Each step frees one page.
        while rows.next().sql()?.is_some() {}
    }
    let left = free_pages(database)?;
    Ok(ReclaimedSpace { freed: before.saturating_sub(left), left })
}

fn free_pages(database: &Connection) -> Result<u64> {
    database.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0)).map(|pages| pages as u64).sql()
}
