//! Users: the application's names and their ids in the database.

use rusqlite::{Connection, params};

use super::sql::Sql;
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    store::sqlite::tombstones,
};

const INTERN: &str = "INSERT INTO users (external) VALUES (?1) ON CONFLICT (external) DO NOTHING";

/// Adds the user, unless they exist or are erased.
pub(super) fn intern(database: &Connection, user: &UserId) -> Result<()> {
    tombstones::check_not_erased(database, user)?;
    intern_regardless(database, user)
}

/// Adds the user, unless they exist, even if they are erased.
pub(super) fn intern_regardless(database: &Connection, user: &UserId) -> Result<()> {
    database.prepare_cached(INTERN).and_then(|mut statement| statement.execute([user.as_str()])).sql()?;
    Ok(())
}

// Every row of a user refers to this table.
const LIST: &str = "SELECT external FROM users WHERE external > ?1 ORDER BY external LIMIT ?2";

/// Returns the names of users, in byte order.
pub(super) fn list(database: &Connection, after: Option<&UserId>, limit: usize) -> Result<Vec<UserId>> {
    let damaged = |error: Error| Error::new(ErrorKind::Corrupt, "a stored user id is damaged").with_source(error);
    // No id is empty.
    let after = after.map_or("", UserId::as_str);
    let mut statement = database.prepare_cached(LIST).sql()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let names = statement.query_map(params![after, limit], |row| row.get::<_, String>(0)).sql()?;
    names.map(|name| UserId::try_from(name.sql()?).map_err(damaged)).collect()
}
