//! [`MIGRATIONS`]: the versions of the schema.

/// What brings the schema from version `index` to `index + 1`. Append only.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        external TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE sessions (
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
        data TEXT NOT NULL
    ) STRICT;

    -- Purging: the expired ones, a chunk at a time.
    CREATE INDEX sessions_by_expiry ON sessions (expires_at);
    -- A user's sessions, the last seen first: lists, revocations and the cap. Anonymous sessions pay nothing.
    CREATE INDEX sessions_by_user ON sessions (user, last_seen) WHERE user IS NOT NULL;

    -- Keys that were valid a moment ago.
    CREATE TABLE ended_sessions (
        key BLOB PRIMARY KEY,
        ended_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ended_sessions_by_time ON ended_sessions (ended_at);
",
    super::activities::SCHEMA,
    super::preferences::SCHEMA,
    super::consents::SCHEMA,
    super::subjects::SCHEMA,
    super::maintenance::SCHEMA,
    super::audit::SCHEMA,
    super::restrictions::SCHEMA,
    super::holds::SCHEMA,
    super::requests::SCHEMA,
    super::activities::ANONYMISED_SCHEMA,
    super::subjects::ANONYMISED_SCHEMA,
    super::consents::REFUSALS_SCHEMA,
    super::rollups::SCHEMA,
    super::activities::PLACES_SCHEMA,
    super::journal::SCHEMA,
    super::credentials::SCHEMA,
    super::rollups::STAYS_SCHEMA,
    super::activities::ORIGIN_SCHEMA,
    super::sessions::ENDED_SCHEMA,
    super::anonymous::SCHEMA,
];
