//! Decisions of somebody who is struck out.

use rusqlite::Connection;
use uuid::Uuid;

use crate::{
    error::Result,
    id::{UserId, VisitorId},
    store::sqlite::connection::Sql,
};

const VISITORS: &str = "
    SELECT c.visitor FROM consent_subjects c JOIN users u ON u.id = c.linked_to WHERE u.external = ?1 ORDER BY c.id";

/// The visitors that were linked to a user.
pub(in crate::store::sqlite) fn visitors_of(database: &Connection, user: &UserId) -> Result<Vec<VisitorId>> {
    let mut statement = database.prepare_cached(VISITORS).sql()?;
    let visitors = statement.query_map([user.as_str()], |row| row.get(0)).sql()?;
    visitors.map(|visitor| Ok(Uuid::from_bytes(visitor.sql()?).into())).collect()
}

const THEIRS: &str = "
    SELECT c.id FROM consent_subjects c JOIN users u ON u.id = c.user WHERE u.external = ?1
    UNION SELECT c.id FROM consent_subjects c JOIN users u ON u.id = c.linked_to WHERE u.external = ?1";
const DELETE_RECORDS: &str = "DELETE FROM consent_records WHERE subject = ?1";
const DELETE_SUBJECT: &str = "DELETE FROM consent_subjects WHERE id = ?1";

/// Deletes all records of a user and of visitors that were linked to them. How many there were.
pub(in crate::store::sqlite) fn erase(database: &Connection, user: &UserId) -> Result<u64> {
    let mut statement = database.prepare_cached(THEIRS).sql()?;
    let subjects: Vec<i64> =
        statement.query_map([user.as_str()], |row| row.get(0)).sql()?.collect::<rusqlite::Result<_>>().sql()?;
    let mut deleted = 0;
    for subject in subjects {
        deleted += database.prepare_cached(DELETE_RECORDS).sql()?.execute([subject]).sql()?;
        database.prepare_cached(DELETE_SUBJECT).sql()?.execute([subject]).sql()?;
    }
    Ok(deleted as u64)
}
