//! The methods of [`ActivityStore`](crate::store::ActivityStore) in SQL.
//!
//! # Index structure
//!
//! A row holds numbers: repeated names (users, sessions, types, routes, agents) are interned. No
//! index has an entry for each row, which would cost every insert, and half a row of disk. Instead,
//! rows are grouped into *blocks* of 1,024, and small tables list what occurs in each block.
//! Reading a block takes about 50 microseconds.
//!
//! - By session: `activity_session_blocks`, the blocks in which the session occurs.
//! - By user: `activity_user_blocks`, the same for users, with the places of their rows in the
//!   block; one lookup per *segment* of 262,144 rows.
//! - By time, by type, or all: `activity_blocks`, the times and types in a block.
//! - By sequence number: the table itself.
//!
//! Users come in any order, so with one index of all users each batch would change more pages the
//! longer the history is. With the segment as the first column, a batch changes only pages of the
//! current segment.
//!
//! When rows of a block are deleted or anonymised, these tables are reduced to what is left. They
//! also have the types of rows in each block that are not anonymised, so that no run reads the
//! other blocks again.

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
/// the transaction, and checking five parents per row would cost a fifth of the speed.
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

/// Added to the schema: the origin of the event, 1 for the client and NULL for the server.
pub(super) const ORIGIN_SCHEMA: &str = "ALTER TABLE activities ADD COLUMN origin INTEGER;";

/// Rows with the same `sequence >> BLOCK_SHIFT` are one block.
pub(super) const BLOCK_SHIFT: u32 = 10;

/// Blocks with the same `block >> SEGMENT_SHIFT` are one segment.
pub(super) const SEGMENT_SHIFT: u32 = 8;

/// Returns the bit of a type in `activity_blocks.types`. Types beyond 63 share bits, which costs
/// time but does not change results.
pub(super) fn type_bit(id: i64) -> i64 {
    1 << (id % 63)
}
