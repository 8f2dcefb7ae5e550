//! The refusals in force: one row each, found by purpose.

use std::collections::BTreeMap;

use rusqlite::{Connection, named_params, params};
use uuid::Uuid;

use super::damaged;
use crate::{
    error::Result,
    id::UserId,
    model::consent::{ConsentState, Decision, PurposeId, Subject},
    store::sqlite::sql::Sql,
};

/// Added to the schema, and filled from existing decisions.
pub(in crate::store::sqlite) const SCHEMA: &str = "
    CREATE TABLE consent_refusals (
        purpose TEXT NOT NULL,
        -- Whether more than a denial was said since: something may have been recorded before.
        was_more INTEGER NOT NULL,
        -- Without a foreign key, for which each deletion of a subject would look through all rows.
        subject INTEGER NOT NULL,
        PRIMARY KEY (purpose, was_more, subject)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO consent_refusals
        SELECT s.key, EXISTS (SELECT 1 FROM consent_records r
            WHERE r.subject = c.id AND r.purpose = s.key AND json_extract(r.standing, '$.decision') <> 'denied'), c.id
        FROM consent_subjects c, json_each(iif(json_valid(c.standings), c.standings, '{}')) s WHERE json_extract(s.value, '$.decision') <> 'granted';
";

const REMOVE: &str =
    "DELETE FROM consent_refusals WHERE purpose = ?1 AND was_more IN (0, 1) AND subject = ?2 RETURNING was_more";
const ADD: &str = "INSERT INTO consent_refusals (purpose, was_more, subject) VALUES (?1, ?2, ?3)";

/// Updates the refusals of a subject whose states have changed.
pub(super) fn note(
    database: &Connection,
    subject: i64,
    purpose: &PurposeId,
    before: Option<&ConsentState>,
    after: &ConsentState,
) -> Result<()> {
    let mut was_more = after.decision != Decision::Denied;
    if let Some(before) = before {
        was_more |= before.decision == Decision::Granted;
        let mut remove = database.prepare_cached(REMOVE).sql()?;
        let mut removed = remove.query(params![purpose.as_str(), subject]).sql()?;
        while let Some(row) = removed.next().sql()? {
            was_more |= row.get::<_, bool>(0).sql()?;
        }
    }
    if after.decision.is_no() {
        database.prepare_cached(ADD).sql()?.execute(params![purpose.as_str(), was_more, subject]).sql()?;
    }
    Ok(())
}

// Uses the purposes of its records; otherwise each row would have to be read.
const DELETE_SUBJECT: &str = "
    DELETE FROM consent_refusals WHERE was_more IN (0, 1) AND subject = ?1
        AND purpose IN (SELECT DISTINCT purpose FROM consent_records WHERE subject = ?1)";

/// Deletes the refusals of a subject before its records are deleted.
pub(super) fn evict(database: &Connection, subject: i64) -> Result<()> {
    database.prepare_cached(DELETE_SUBJECT).sql()?.execute([subject]).sql()?;
    Ok(())
}

const OF_SUBJECT: &str = "
    SELECT purpose, was_more FROM consent_refusals WHERE was_more IN (0, 1) AND subject = ?1
        AND purpose IN (SELECT DISTINCT purpose FROM consent_records WHERE subject = ?1) ORDER BY purpose, was_more";

/// Corrects the rows of a subject. Returns whether they were correct.
pub(super) fn set(database: &Connection, subject: i64, right: &BTreeMap<String, bool>) -> Result<bool> {
    let mut statement = database.prepare_cached(OF_SUBJECT).sql()?;
    let stored = statement.query_map([subject], |row| Ok((row.get(0)?, row.get(1)?))).sql()?;
    let stored: Vec<(String, bool)> = stored.collect::<rusqlite::Result<_>>().sql()?;
    if stored.iter().map(|(purpose, was_more)| (purpose, was_more)).eq(right) {
        return Ok(true);
    }
    for (purpose, _) in &stored {
        let mut remove = database.prepare_cached(REMOVE).sql()?;
        let mut removed = remove.query(params![purpose, subject]).sql()?;
        while removed.next().sql()?.is_some() {}
    }
    for (purpose, was_more) in right {
        database.prepare_cached(ADD).sql()?.execute(params![purpose, was_more, subject]).sql()?;
    }
    Ok(false)
}

pub(super) const REFUSING: &str = "
    SELECT u.external, c.visitor FROM consent_refusals r CROSS JOIN consent_subjects c ON c.id = r.subject
    LEFT JOIN users u ON u.id = c.user
    WHERE r.purpose = :purpose AND r.was_more >= :at_least ORDER BY r.was_more, r.subject LIMIT :limit";
/// Visitors linked to a refusing user, except those who refuse themselves.
pub(super) const LINKED_TO_REFUSING: &str = "
    SELECT NULL, v.visitor FROM consent_refusals r CROSS JOIN consent_subjects c ON c.id = r.subject
    CROSS JOIN consent_subjects v ON v.linked_to = c.user
    WHERE r.purpose = :purpose AND r.was_more >= :at_least AND NOT EXISTS
        (SELECT 1 FROM consent_refusals o WHERE o.purpose = :purpose AND o.was_more IN (:at_least, 1) AND o.subject = v.id)
    ORDER BY r.was_more, r.subject, v.id LIMIT :limit";

pub(in crate::store::sqlite) fn refusing(
    database: &Connection,
    purpose: &PurposeId,
    denied: bool,
    limit: usize,
) -> Result<Vec<Subject>> {
    let mut found = Vec::new();
    for sql in [REFUSING, LINKED_TO_REFUSING] {
        let mut statement = database.prepare_cached(sql).sql()?;
        let mut rows = statement
            .query(named_params! {
                ":purpose": purpose.as_str(),
                ":at_least": !denied,
                ":limit": i64::try_from(limit - found.len()).unwrap_or(i64::MAX),
            })
            .sql()?;
        while let Some(row) = rows.next().sql()? {
            let user: Option<String> = row.get(0).sql()?;
            found.push(match user {
                Some(user) => Subject::User(UserId::try_from(user).map_err(damaged)?),
                None => Subject::Visitor(Uuid::from_bytes(row.get(1).sql()?).into()),
            });
        }
    }
    Ok(found)
}
