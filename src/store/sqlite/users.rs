//! Users, whom the application names and a row refers to by a number.

use rusqlite::Connection;

use super::{connection::Sql, subjects};
use crate::{error::Result, id::UserId};

const INTERN: &str = "INSERT INTO users (external) VALUES (?1) ON CONFLICT (external) DO NOTHING";

/// Gives the user a number, if they have none yet and are not struck out.
pub(super) fn intern(database: &Connection, user: &UserId) -> Result<()> {
    subjects::check_not_struck_out(database, user)?;
    intern_regardless(database, user)
}

/// Gives the user a number, if they have none yet, whether or not they are struck out.
pub(super) fn intern_regardless(database: &Connection, user: &UserId) -> Result<()> {
    database.prepare_cached(INTERN).and_then(|mut statement| statement.execute([user.as_str()])).sql()?;
    Ok(())
}
