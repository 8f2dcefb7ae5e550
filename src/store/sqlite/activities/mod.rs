//! The verbs of [`ActivityStore`](crate::store::ActivityStore) in SQL.
//!
//! # What costs what
//!
//! A row holds numbers: names that repeat (users, sessions, types, routes, agents) are interned. There are few indexes,
//! because each costs every insert and half a row of disk:
//!
//! | question | answered through |
//! |---|---|
//! | of a session | `activities_by_session` |
//! | of a user | `activities_by_user`, one lookup per *segment* of 262,144 rows |
//! | of a time, of a type, all | `activity_blocks`: for each *block* of 1,024 rows the times and types that occur in it |
//! | by sequence | the table itself |
//!
//! An index on users alone would be written all over: the more history, the more pages each batch changes. With the
//! segment in front, a batch changes only pages of the current segment, however long the history is.
//!
//! A block may claim times or types whose rows were deleted since, never the other way round.

mod append;
mod discard;
mod history;
mod interned;

pub(super) use self::{append::append, discard::discard, history::count, history::history, interned::Interned};

/// Added to the schema of sessions. There are no foreign keys: ids come from [`Interned`] within the transaction, and a
/// check of five parents per row would cost a fifth of the speed.
pub(super) const SCHEMA: &str = "
    CREATE TABLE event_types (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE routes (
        id INTEGER PRIMARY KEY,
        method TEXT NOT NULL,
        template TEXT NOT NULL,
        UNIQUE (method, template)
    ) STRICT;
    CREATE TABLE agents (
        id INTEGER PRIMARY KEY,
        browser TEXT NOT NULL,
        major INTEGER NOT NULL,
        system TEXT NOT NULL,
        device TEXT NOT NULL,
        UNIQUE (browser, major, system, device)
    ) STRICT;
    CREATE TABLE visitors (id INTEGER PRIMARY KEY, public_id BLOB NOT NULL UNIQUE) STRICT;
    -- The sessions that occur in activities; they may be over, and gone from `sessions`.
    CREATE TABLE activity_sessions (id INTEGER PRIMARY KEY, public_id BLOB NOT NULL UNIQUE) STRICT;

    CREATE TABLE activities (
        sequence INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        type INTEGER NOT NULL,
        user INTEGER,
        session INTEGER,
        visitor INTEGER,
        route INTEGER,
        agent INTEGER,
        network INTEGER,
        status INTEGER,
        latency INTEGER,
        bytes INTEGER,
        outcome INTEGER,
        client_time INTEGER,
        referrer TEXT,
        campaign TEXT,
        data TEXT
    ) STRICT;
    CREATE INDEX activities_by_user ON activities (sequence >> 18, user) WHERE user IS NOT NULL;
    CREATE INDEX activities_by_session ON activities (session) WHERE session IS NOT NULL;
    -- Costs nothing where visitors are not told apart.
    CREATE INDEX activities_by_visitor ON activities (visitor) WHERE visitor IS NOT NULL;

    -- Which times and types (as bits, see `type_bit`) occur in the rows with this `sequence >> 10`.
    CREATE TABLE activity_blocks (
        block INTEGER PRIMARY KEY,
        min_time INTEGER NOT NULL,
        max_time INTEGER NOT NULL,
        types INTEGER NOT NULL
    ) STRICT;

    -- Which events have been stored, whether or not they still are: ranges that neither overlap nor touch.
    CREATE TABLE recorded_events (
        origin INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (origin, first)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counters VALUES ('activities', 0);
";

/// Rows with the same `sequence >> SEGMENT_SHIFT` are one segment of the index of users.
const SEGMENT_SHIFT: u32 = 18;

/// Rows with the same `sequence >> BLOCK_SHIFT` are one block.
const BLOCK_SHIFT: u32 = 10;

/// The bit of a type in `activity_blocks.types`. Types beyond 63 share bits, which costs time but no answer.
fn type_bit(id: i64) -> i64 {
    1 << (id % 63)
}
