//! [`MIGRATIONS`]: the versions of the schema.

/// The migration from version `index` to `index + 1`. Append only.
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
    super::erasures::SCHEMA,
    super::maintenance::SCHEMA,
    super::audit::SCHEMA,
    super::restrictions::SCHEMA,
    super::legal_holds::SCHEMA,
    super::privacy_requests::SCHEMA,
    super::activities::ANONYMISED_SCHEMA,
    super::erasures::ANONYMISED_SCHEMA,
    super::consents::REFUSALS_SCHEMA,
    super::rollups::SCHEMA,
    super::activities::PLACES_SCHEMA,
    super::journal::SCHEMA,
    super::credentials::SCHEMA,
    super::rollups::STAYS_SCHEMA,
    super::activities::ORIGIN_SCHEMA,
    super::sessions::ENDED_SCHEMA,
    super::anonymous::SCHEMA,
    // The names of the event types.
    "
    ALTER TABLE holds RENAME TO legal_holds;
    ALTER TABLE requests RENAME TO privacy_requests;
    DROP INDEX requests_by_user;
    DROP INDEX requests_open;
    DROP INDEX requests_by_end;
    CREATE INDEX privacy_requests_by_user ON privacy_requests (user) WHERE user IS NOT NULL;
    -- A user has at most one open request of a kind.
    CREATE UNIQUE INDEX privacy_requests_open ON privacy_requests (user, kind) WHERE closed_at IS NULL;
    CREATE INDEX privacy_requests_by_end ON privacy_requests (closed_at) WHERE closed_at IS NOT NULL;
    ALTER TABLE consent_records RENAME COLUMN standing TO consent_state;
    ALTER TABLE consent_subjects RENAME COLUMN standings TO consent_states;
    ALTER TABLE audit_checkpoint RENAME COLUMN seal TO signature;
    ALTER TABLE rollups RENAME COLUMN sealed TO finalized;
    ",
    super::anonymous::STAMP_SCHEMA,
];
