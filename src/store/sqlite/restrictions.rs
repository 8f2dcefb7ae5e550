//! Restrictions in SQL. There are few, usually none.

use rusqlite::{Connection, OptionalExtension, params};

use super::{database::Database, sql::Sql};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{UserId, VisitorId},
    model::privacy::{Restriction, RestrictionReason},
    time::Timestamp,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE restrictions (
        user INTEGER PRIMARY KEY REFERENCES users (id),
        since INTEGER NOT NULL,
        reason TEXT NOT NULL
    ) STRICT;
";

const SET: &str = "
    INSERT INTO restrictions (user, since, reason) VALUES ((SELECT id FROM users WHERE external = ?1), ?2, ?3)
    ON CONFLICT (user) DO UPDATE SET since = excluded.since, reason = excluded.reason";
const LIFT: &str = "DELETE FROM restrictions WHERE user = (SELECT id FROM users WHERE external = ?1)";

pub(super) fn set(database: &Database, user: &UserId, restriction: Option<Restriction>) -> Result<()> {
    match restriction {
        Some(Restriction { since, reason, .. }) => {
            let row = params![user.as_str(), since.as_millis(), reason.as_str()];
            database.prepare_cached(SET).and_then(|mut statement| statement.execute(row)).sql()?;
        }
        None => {
            database.prepare_cached(LIFT).and_then(|mut statement| statement.execute([user.as_str()])).sql()?;
        }
    }
    // Batches use cached ids of users who may be stored.
    database.delete_interned();
    Ok(())
}

const OF_USER: &str = "
    SELECT r.since, r.reason FROM restrictions r JOIN users u ON u.id = r.user WHERE u.external = ?1";

pub(super) fn of_user(database: &Connection, user: &UserId) -> Result<Option<Restriction>> {
    let mut statement = database.prepare_cached(OF_USER).sql()?;
    let row = statement.query_row([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional().sql()?;
    row.map(|(since, reason)| stored(since, reason)).transpose()
}

/// Reads the two columns.
pub(super) fn stored(since: i64, reason: String) -> Result<Restriction> {
    let reason = RestrictionReason::from_name(&reason);
    let reason = reason.ok_or_else(|| Error::new(ErrorKind::Corrupt, "a stored restriction is damaged"))?;
    Ok(Restriction::new(Timestamp::from_millis(since), reason))
}

// CROSS JOIN, because few users are restricted: in the order of names SQLite would read all users.
const USERS: &str = "
    SELECT u.external FROM restrictions r CROSS JOIN users u ON u.id = r.user ORDER BY u.external LIMIT ?1";

pub(super) fn users(database: &Connection, limit: usize) -> Result<Vec<UserId>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = database.prepare_cached(USERS).sql()?;
    let names = statement.query_map([limit], |row| row.get::<_, String>(0)).sql()?;
    names.map(|name| UserId::try_from(name.sql()?)).collect()
}

const ANY: &str = "SELECT 1 FROM restrictions LIMIT 1";

/// Returns whether any user is restricted.
pub(super) fn are_any(database: &Connection) -> Result<bool> {
    database.prepare_cached(ANY).sql()?.exists([]).sql()
}

const OF_VISITOR: &str = "
    SELECT 1 FROM consent_subjects c JOIN restrictions r ON r.user = c.linked_to WHERE c.visitor = ?1";

/// Returns whether the visitor is linked to a restricted user.
pub(super) fn has_visitor(database: &Connection, visitor: &VisitorId) -> Result<bool> {
    let visitor = visitor.as_uuid().as_bytes().as_slice();
    database.prepare_cached(OF_VISITOR).sql()?.exists([visitor]).sql()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::migrations::MIGRATIONS;

    #[test]
    fn restricted_users_query_does_not_scan_all_users() {
        let database = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| database.execute_batch(migration).unwrap());
        let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {USERS}")).unwrap();
        let steps =
            statement.query_map([1], |row| row.get(3)).unwrap().collect::<rusqlite::Result<Vec<String>>>().unwrap();
        assert_eq!(steps[..2], ["SCAN r", "SEARCH u USING INTEGER PRIMARY KEY (rowid=?)"]);
    }
}
