//! The methods of [`PreferenceStore`](crate::store::PreferenceStore) in SQL: one row per user.

use rusqlite::{Connection, OptionalExtension, params};

use super::{audit, sql::Sql, users};
use crate::{
    error::Result,
    id::UserId,
    model::{
        preferences::{Overrides, Patch},
        privacy::AuditNote,
    },
    store::{PreferenceChange, StoredPreferences, sqlite::tombstones},
    time::Timestamp,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE preferences (
        user INTEGER PRIMARY KEY REFERENCES users (id),
        version INTEGER NOT NULL,
        overrides TEXT NOT NULL
    ) STRICT;
";

const LOAD: &str = "
    SELECT p.version, p.overrides FROM preferences p JOIN users u ON u.id = p.user WHERE u.external = ?1";

pub(super) fn load(database: &Connection, user: &UserId) -> Result<StoredPreferences> {
    let mut statement = database.prepare_cached(LOAD).sql()?;
    let row = statement.query_row([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?)));
    let (version, overrides) = row.optional().sql()?.unwrap_or_default();
    stored(version, overrides)
}

/// Reads the two columns. Nothing is stored for users who have set nothing.
pub(super) fn stored(version: Option<i64>, overrides: Option<String>) -> Result<StoredPreferences> {
    let overrides = overrides.map(|overrides| Overrides::from_json(overrides.as_bytes())).transpose()?;
    Ok(StoredPreferences { overrides: overrides.unwrap_or_default(), version: version.unwrap_or_default() as u64 })
}

const STORE: &str = "
    INSERT INTO preferences (user, version, overrides) VALUES ((SELECT id FROM users WHERE external = ?1), ?2, ?3)
    ON CONFLICT (user) DO UPDATE SET version = excluded.version, overrides = excluded.overrides";

pub(super) fn change(
    database: &Connection,
    user: &UserId,
    patch: &Patch,
    expected: Option<u64>,
) -> Result<PreferenceChange> {
    tombstones::check_not_erased(database, user)?;
    let before = load(database, user)?;
    let version = before.version;
    let change = before.change(patch, expected)?;
    if let PreferenceChange::Stored(stored) = &change
        && stored.version != version
    {
        users::intern(database, user)?;
        let row = params![user.as_str(), stored.version as i64, stored.overrides.to_json()];
        database.prepare_cached(STORE).and_then(|mut statement| statement.execute(row)).sql()?;
    }
    Ok(change)
}

pub(super) fn rectify(
    database: &Connection,
    user: &UserId,
    patch: &Patch,
    expected: Option<u64>,
    note: &AuditNote,
    now: Timestamp,
) -> Result<PreferenceChange> {
    let change = change(database, user, patch, expected)?;
    if matches!(change, PreferenceChange::Stored(_)) {
        audit::append(database, note, now)?;
    }
    Ok(change)
}
