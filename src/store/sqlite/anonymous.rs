//! The limit on anonymous sessions in SQL.

use rusqlite::{Connection, params};

use super::sql::Sql;
use crate::{
    error::Result,
    store::{AnonymousBound, AnonymousTotal},
};

/// The indexes of the sessions, and what keeps their total: SQLite drops them with a table that is
/// made anew.
macro_rules! indexes {
    () => {
        "
    CREATE INDEX sessions_by_expiry ON sessions (expires_at);
    CREATE INDEX sessions_by_user ON sessions (user, last_seen) WHERE user IS NOT NULL;

    -- The least recently used first. Sessions of users pay nothing.
    CREATE INDEX anonymous_sessions_by_use ON sessions (last_seen, id, bytes) WHERE user IS NULL;
"
    };
}

macro_rules! triggers {
    () => {
        "
    CREATE TRIGGER anonymous_session_begins AFTER INSERT ON sessions WHEN NEW.user IS NULL BEGIN
        UPDATE anonymous_total SET sessions = sessions + 1, bytes = bytes + NEW.bytes;
    END;
    CREATE TRIGGER anonymous_session_ends AFTER DELETE ON sessions WHEN OLD.user IS NULL BEGIN
        UPDATE anonymous_total SET sessions = sessions - 1, bytes = bytes - OLD.bytes;
    END;
    -- A login makes a new row, so a row stays anonymous.
    CREATE TRIGGER anonymous_session_changes AFTER UPDATE OF bytes ON sessions
    WHEN NEW.bytes <> OLD.bytes AND NEW.user IS NULL BEGIN
        UPDATE anonymous_total SET bytes = bytes + NEW.bytes - OLD.bytes;
    END;
"
    };
}

pub(super) const SCHEMA: &str = concat!(
    "
    -- The data comes last: a query of the other columns does not read it.
    CREATE TABLE new_sessions (
        id INTEGER PRIMARY KEY,
        public_id BLOB NOT NULL UNIQUE,
        key BLOB NOT NULL UNIQUE,
        user INTEGER REFERENCES users (id),
        created_at INTEGER NOT NULL,
        authenticated_at INTEGER,
        last_seen INTEGER NOT NULL,
        idle INTEGER NOT NULL,
        absolute INTEGER NOT NULL,
        persistent INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        device TEXT,
        address TEXT,
        realm TEXT NOT NULL DEFAULT 'default',
        epoch INTEGER NOT NULL DEFAULT 0,
        -- Of keys and values.
        bytes INTEGER NOT NULL,
        data TEXT NOT NULL
    ) STRICT;
    INSERT INTO new_sessions (id, public_id, key, user, created_at, authenticated_at, last_seen, idle, absolute, persistent,
            expires_at, device, address, realm, epoch, bytes, data)
        SELECT id, public_id, key, user, created_at, authenticated_at, last_seen, idle, absolute, persistent,
            expires_at, device, address, realm, epoch, length(CAST(data AS BLOB)), data FROM sessions;
    DROP TABLE sessions;
    ALTER TABLE new_sessions RENAME TO sessions;",
    indexes!(),
    "
    -- One row: counting would look at all sessions.
    CREATE TABLE anonymous_total (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        sessions INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO anonymous_total (id, sessions, bytes)
        SELECT 1, count(*), coalesce(sum(bytes), 0) FROM sessions WHERE user IS NULL;",
    triggers!()
);

pub(super) const STAMP_SCHEMA: &str = concat!(
    "
    -- The data comes last: a query of the other columns does not read it.
    CREATE TABLE new_sessions (
        id INTEGER PRIMARY KEY,
        public_id BLOB NOT NULL UNIQUE,
        key BLOB NOT NULL UNIQUE,
        user INTEGER REFERENCES users (id),
        created_at INTEGER NOT NULL,
        authenticated_at INTEGER,
        last_seen INTEGER NOT NULL,
        idle INTEGER NOT NULL,
        absolute INTEGER NOT NULL,
        persistent INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        device TEXT,
        address TEXT,
        realm TEXT NOT NULL DEFAULT 'default',
        epoch INTEGER NOT NULL DEFAULT 0,
        -- Of keys and values.
        bytes INTEGER NOT NULL,
        -- See `CredentialStamp`.
        stamp BLOB,
        data TEXT NOT NULL
    ) STRICT;
    INSERT INTO new_sessions (id, public_id, key, user, created_at, authenticated_at, last_seen, idle, absolute, persistent,
            expires_at, device, address, realm, epoch, bytes, data)
        SELECT id, public_id, key, user, created_at, authenticated_at, last_seen, idle, absolute, persistent,
            expires_at, device, address, realm, epoch, bytes, data FROM sessions;
    DROP TABLE sessions;
    ALTER TABLE new_sessions RENAME TO sessions;",
    indexes!(),
    triggers!()
);

// Uses `anonymous_sessions_by_use` only.
const OLDEST: &str = "SELECT bytes FROM sessions WHERE user IS NULL ORDER BY last_seen, id LIMIT ?1";
const END_OLDEST: &str = "
    DELETE FROM sessions WHERE id IN
        (SELECT id FROM sessions WHERE user IS NULL ORDER BY last_seen, id LIMIT ?1)";

pub(super) fn trim(database: &Connection, bound: AnonymousBound, limit: usize) -> Result<AnonymousTotal> {
    let mut left = total(database)?;
    if !bound.is_exceeded_by(left) {
        return Ok(left);
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut oldest = database.prepare_cached(OLDEST).sql()?;
    let mut rows = oldest.query(params![limit]).sql()?;
    let mut doomed = 0;
    while bound.takes_another(left) {
        let Some(row) = rows.next().sql()? else { break };
        left.sessions -= 1;
        left.bytes = left.bytes.saturating_sub(number(row.get(0).sql()?));
        doomed += 1;
    }
    drop(rows);
    let mut end = database.prepare_cached(END_OLDEST).sql()?;
    let ended = end.execute(params![doomed]).sql()?;
    Ok(AnonymousTotal { ended: ended as u64, ..total(database)? })
}

const TOTAL: &str = "SELECT sessions, bytes FROM anonymous_total";

fn total(database: &Connection) -> Result<AnonymousTotal> {
    let mut statement = database.prepare_cached(TOTAL).sql()?;
    let (sessions, bytes) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).sql()?;
    Ok(AnonymousTotal { sessions: number(sessions), bytes: number(bytes), ended: 0 })
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
