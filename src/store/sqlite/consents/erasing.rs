//! Erasing decisions.

use rusqlite::Connection;
use uuid::Uuid;

use super::refusals;
use crate::{
    error::Result,
    id::{UserId, VisitorId},
    store::sqlite::sql::Sql,
};

const VISITORS: &str = "
    SELECT c.visitor FROM consent_subjects c JOIN users u ON u.id = c.linked_to WHERE u.external = ?1 ORDER BY c.id";

/// Returns the visitors linked to a user.
pub(in crate::store::sqlite) fn visitors_of(database: &Connection, user: &UserId) -> Result<Vec<VisitorId>> {
    let mut statement = database.prepare_cached(VISITORS).sql()?;
    let visitors = statement.query_map([user.as_str()], |row| row.get(0)).sql()?;
    visitors.map(|visitor| Ok(Uuid::from_bytes(visitor.sql()?).into())).collect()
}

const THEIRS: &str = "
    SELECT c.id FROM consent_subjects c JOIN users u ON u.id = c.user WHERE u.external = ?1
    UNION SELECT c.id FROM consent_subjects c JOIN users u ON u.id = c.linked_to WHERE u.external = ?1";
const DELETE_RECORDS: &str = "
    DELETE FROM consent_records WHERE id IN (SELECT id FROM consent_records WHERE subject = ?1 ORDER BY id LIMIT ?2)";
const DELETE_SUBJECT: &str = "DELETE FROM consent_subjects WHERE id = ?1";

const CLEAR_SUBJECT: &str = "UPDATE consent_subjects SET consent_states = '{}' WHERE id = ?1";

/// Deletes at most `limit` records of a user and of linked visitors, and each subject with its last
/// record. With `keep_links` the subjects stay, without states, because data can still be found
/// through them. Returns the number of records; fewer than `limit` means that none is left.
pub(in crate::store::sqlite) fn erase(
    database: &Connection,
    user: &UserId,
    limit: usize,
    keep_links: bool,
) -> Result<usize> {
    let mut statement = database.prepare_cached(THEIRS).sql()?;
    let subjects: Vec<i64> =
        statement.query_map([user.as_str()], |row| row.get(0)).sql()?.collect::<rusqlite::Result<_>>().sql()?;
    let mut left = limit;
    for subject in subjects {
        refusals::evict(database, subject)?;
        let most = i64::try_from(left).unwrap_or(i64::MAX);
        left -= database.prepare_cached(DELETE_RECORDS).sql()?.execute([subject, most]).sql()?;
        if left == 0 {
            break;
        }
        let end = if keep_links { CLEAR_SUBJECT } else { DELETE_SUBJECT };
        database.prepare_cached(end).sql()?.execute([subject]).sql()?;
    }
    Ok(limit - left)
}
