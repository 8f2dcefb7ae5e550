//! The methods of [`ActivityStore`](crate::store::ActivityStore) in SQL.
//!
//! # What costs what
//!
//! A row holds numbers: names that repeat (users, sessions, types, routes, agents) are interned. No
//! index has an entry for each row, as that would cost every insert and half a row of disk. Instead
//! rows are counted in *blocks* of 1,024, and small tables say what occurs in which block; a block
//! is then looked through, which takes some 50 microseconds.
//!
//! | question | answered through |
//! |---|---|
//! | of a session | `activity_session_blocks`: in which blocks the session occurs |
//! | of a user | `activity_user_blocks`: the same for users, and their rows' places in it; one lookup per *segment* of 262,144 rows |
//! | of a time, of a type, all | `activity_blocks`: which times and types occur in a block |
//! | by sequence | the table itself |
//!
//! Users come in any order, so a table of all users would be written all over: the more history,
//! the more pages each batch changes. With the segment in front, a batch changes only pages of the
//! current segment, however long the history is.
//!
//! When rows of a block are deleted or anonymised, these tables are narrowed to what is left of it.
//! For each block they also say which types have rows that are not anonymised, so that no run looks
//! through the others again.

mod anonymise;
mod append;
mod delete_activities;
mod history;
mod interned;
mod matching;
mod names;
mod numbers;
mod path;
mod places;

pub(super) use self::{
    anonymise::{SCHEMA as ANONYMISED_SCHEMA, anonymise, anonymise_noting},
    append::append,
    delete_activities::{delete_activities, delete_anonymised, delete_noting},
    history::{count, history},
    interned::{find_session, find_user, find_visitor},
    names::{Names, delete_names, keep_unused},
    numbers::Numbers,
    places::SCHEMA as PLACES_SCHEMA,
};

/// Added to the schema of sessions. There are no foreign keys: ids come from [`Interned`] within
/// the transaction, and a check of five parents per row would cost a fifth of the speed.
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
    -- Costs nothing where visitors are not told apart.
    CREATE INDEX activities_by_visitor ON activities (visitor) WHERE visitor IS NOT NULL;

    -- Which times and types (as bits, see `type_bit`) occur in the rows with this `sequence >> 10`.
    CREATE TABLE activity_blocks (
        block INTEGER PRIMARY KEY,
        min_time INTEGER NOT NULL,
        max_time INTEGER NOT NULL,
        types INTEGER NOT NULL
    ) STRICT;

    -- In which blocks a user occurs; the segment is `block >> 8`.
    CREATE TABLE activity_user_blocks (
        segment INTEGER NOT NULL,
        user INTEGER NOT NULL,
        block INTEGER NOT NULL,
        PRIMARY KEY (segment, user, block)
    ) STRICT, WITHOUT ROWID;
    -- In which blocks a session occurs. Sessions are numbered as they come, so the last ones are side by side.
    CREATE TABLE activity_session_blocks (
        session INTEGER NOT NULL,
        block INTEGER NOT NULL,
        PRIMARY KEY (session, block)
    ) STRICT, WITHOUT ROWID;

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

/// Added to the schema: who said that it happened, 1 for the client and nothing for the server.
pub(super) const ORIGIN_SCHEMA: &str = "ALTER TABLE activities ADD COLUMN origin INTEGER;";

/// Rows with the same `sequence >> BLOCK_SHIFT` are one block.
pub(super) const BLOCK_SHIFT: u32 = 10;

/// Blocks with the same `block >> SEGMENT_SHIFT` are one segment.
pub(super) const SEGMENT_SHIFT: u32 = 8;

/// The bit of a type in `activity_blocks.types`. Types beyond 63 share bits, which costs time but
/// no answer.
pub(super) fn type_bit(id: i64) -> i64 {
    1 << (id % 63)
}
