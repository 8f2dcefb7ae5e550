//! Legal holds in SQL.

use rusqlite::{Connection, params};

use super::{audit, sql::Sql, users};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditNote, HeldClass, LegalHold},
    store::{restriction::nothing_to_hold, sqlite::tombstones},
    time::Timestamp,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE holds (
        user INTEGER NOT NULL REFERENCES users (id),
        class TEXT NOT NULL,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER,
        PRIMARY KEY (user, class)
    ) STRICT, WITHOUT ROWID;

    -- What an erasure has left because it is held, as JSON.
    ALTER TABLE erasures ADD COLUMN retained TEXT NOT NULL DEFAULT '[]';
";

const HOLD: &str = "
    INSERT INTO legal_holds (user, class, reason, since, until)
    VALUES ((SELECT id FROM users WHERE external = ?1), ?2, ?3, ?4, ?5)
    ON CONFLICT (user, class) DO UPDATE SET reason = excluded.reason, since = excluded.since, until = excluded.until";

pub(super) fn place_hold(
    database: &Connection,
    user: &UserId,
    hold: &LegalHold,
    note: &AuditNote,
    now: Timestamp,
) -> Result<()> {
    match tombstones::of_user(database, user)? {
        Some(erasure) if erasure.finished_at.is_some() => return Err(nothing_to_hold()),
        // The name exists as long as there is data to hold.
        Some(_) => users::intern_regardless(database, user)?,
        None => users::intern(database, user)?,
    }
    audit::append(database, note, now)?;
    let (since, until) = (hold.since.as_millis(), hold.until.map(Timestamp::as_millis));
    let row = params![user.as_str(), hold.class.as_str(), &*hold.reason, since, until];
    database.prepare_cached(HOLD).and_then(|mut statement| statement.execute(row)).sql()?;
    Ok(())
}

const RELEASE: &str = "DELETE FROM legal_holds WHERE user = (SELECT id FROM users WHERE external = ?1) AND class = ?2";

pub(super) fn release_hold(
    database: &Connection,
    user: &UserId,
    class: HeldClass,
    note: &AuditNote,
    now: Timestamp,
) -> Result<bool> {
    let row = params![user.as_str(), class.as_str()];
    let is_released = database.prepare_cached(RELEASE).and_then(|mut statement| statement.execute(row)).sql()? > 0;
    if is_released {
        audit::append(database, note, now)?;
    }
    Ok(is_released)
}

const OF_USER: &str = "
    SELECT h.class, h.reason, h.since, h.until FROM legal_holds h JOIN users u ON u.id = h.user WHERE u.external = ?1
    ORDER BY h.class";

pub(super) fn of_user(database: &Connection, user: &UserId) -> Result<Vec<LegalHold>> {
    let mut statement = database.prepare_cached(OF_USER).sql()?;
    let mut rows = statement.query([user.as_str()]).sql()?;
    let mut holds = Vec::new();
    while let Some(row) = rows.next().sql()? {
        let (class, reason): (String, String) = (row.get(0).sql()?, row.get(1).sql()?);
        let class = HeldClass::from_name(&class).ok_or_else(damaged)?;
        let mut hold = LegalHold::new(class, &reason, Timestamp::from_millis(row.get(2).sql()?))?;
        hold.until = row.get::<_, Option<i64>>(3).sql()?.map(Timestamp::from_millis);
        holds.push(hold);
    }
    // The order of `HeldClass`, not of the names.
    holds.sort_by_key(|hold| hold.class);
    Ok(holds)
}

const DELETE: &str = "DELETE FROM legal_holds WHERE user = (SELECT id FROM users WHERE external = ?1)";

/// Deletes expired holds when nothing is left of the user.
pub(super) fn evict(database: &Connection, user: &UserId) -> Result<()> {
    database.prepare_cached(DELETE).and_then(|mut statement| statement.execute([user.as_str()])).sql()?;
    Ok(())
}

const ANY: &str = "SELECT 1 FROM legal_holds LIMIT 1";

/// Returns whether there is any hold, expired or not.
pub(super) fn are_any(database: &Connection) -> Result<bool> {
    database.prepare_cached(ANY).sql()?.exists([]).sql()
}

fn damaged() -> Error {
    Error::new(ErrorKind::Corrupt, "a stored hold is damaged")
}
