//! Deleting rows in chunks.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::{
    BLOCK_SHIFT, Names, SEGMENT_SHIFT,
    matching::{EVERYTHING, matching},
    numbers::Numbers,
    places, type_bit,
};
use crate::{
    error::Result,
    model::activity::{ActivityFilter, Order},
    store::sqlite::{
        database::Database,
        rollups::{self, Changed},
        sql::Sql,
    },
};

const DELETE: &str = "DELETE FROM activities WHERE sequence BETWEEN ?1 AND ?2";
const DELETE_ONE: &str = "DELETE FROM activities WHERE sequence = ?1 RETURNING time";
const LEFT_IN_BLOCK: &str = "
    SELECT user, session, time, type, anonymised, sequence FROM activities WHERE sequence BETWEEN ?1 << 10 AND (?1 << 10) + 1023 ORDER BY sequence";
const REMOVE_USER: &str = "DELETE FROM activity_user_blocks WHERE segment = ?1 AND user = ?2 AND block = ?3";
const NARROW_USER: &str = "
    UPDATE activity_user_blocks SET places = ?4 WHERE segment = ?1 AND user = ?2 AND block = ?3";
const REMOVE_SESSION: &str = "DELETE FROM activity_session_blocks WHERE session = ?1 AND block = ?2";
const NARROW_BLOCK: &str = "
    UPDATE activity_blocks SET min_time = ?2, max_time = ?3, types = ?4, personal = ?5 WHERE block = ?1";
const REMOVE_BLOCK: &str = "DELETE FROM activity_blocks WHERE block = ?1";
const DELETE_SESSION: &str = "
    DELETE FROM activity_sessions WHERE id = ?1
    AND NOT EXISTS (SELECT 1 FROM activity_session_blocks WHERE session = ?1)";
// Through `activities_by_visitor`.
const DELETE_VISITOR: &str = "
    DELETE FROM visitors WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM activities WHERE visitor = ?1)";

/// Rows that are deleted or anonymised.
#[derive(Default)]
pub(super) struct Gone {
    pub(super) count: usize,
    /// The first and last row of each run of adjacent rows.
    pub(super) runs: Vec<(i64, i64)>,
    blocks: BTreeMap<i64, Persons>,
    visitors: BTreeSet<i64>,
    /// Their hours.
    changed: Changed,
}

/// Users and sessions of rows in one block that are deleted or anonymised.
#[derive(Default)]
struct Persons {
    /// Users with the places of the rows that they keep.
    users: BTreeMap<i64, Vec<u8>>,
    sessions: BTreeSet<i64>,
}

/// The remaining content of a block.
#[derive(Default)]
struct Left {
    min_time: i64,
    max_time: i64,
    types: i64,
    /// Types of rows that are not anonymised.
    personal: i64,
}

pub(in crate::store::sqlite) fn delete_activities(
    database: &Database,
    filter: &ActivityFilter,
    limit: usize,
) -> Result<usize> {
    match Numbers::of(database, filter)? {
        Some(numbers) => delete_noting(database, &numbers, limit, &mut Names::default()),
        None => Ok(0),
    }
}

/// Like [`delete_activities`], and collects the names in the rows.
pub(in crate::store::sqlite) fn delete_noting(
    database: &Database,
    numbers: &Numbers,
    limit: usize,
    names: &mut Names,
) -> Result<usize> {
    let gone = Gone::of(database, numbers, limit, names)?;
    for (first, last) in &gone.runs {
        execute(database, DELETE, [first, last])?;
    }
    gone.narrow(database)
}

/// Deletes anonymised rows, and returns their number.
pub(in crate::store::sqlite) fn delete_anonymised(database: &Database, sequences: &[i64]) -> Result<usize> {
    let mut gone = Gone::default();
    for sequence in sequences {
        gone.blocks.entry(sequence >> BLOCK_SHIFT).or_default();
        let mut deleted = database.prepare_cached(DELETE_ONE).sql()?;
        if let Some(time) = deleted.query_row([sequence], |row| row.get(0)).optional().sql()? {
            gone.changed.add(time);
            gone.count += 1;
        }
    }
    gone.narrow(database)
}

impl Gone {
    /// Finds the oldest matching rows, at most `limit`, and collects the names in them.
    pub(super) fn of(database: &Database, numbers: &Numbers, limit: usize, names: &mut Names) -> Result<Self> {
        let mut all = Self::default();
        let columns = ("a.sequence, a.user, a.session, a.visitor, a.type, a.route, a.time", "");
        matching(database, numbers, columns, Some(Order::OldestFirst), EVERYTHING, limit, |row| {
            let sequence: i64 = row.get(0).sql()?;
            all.count += 1;
            match all.runs.last_mut() {
                Some((_, last)) if *last + 1 == sequence => *last = sequence,
                _ => all.runs.push((sequence, sequence)),
            }
            let gone = all.blocks.entry(sequence >> BLOCK_SHIFT).or_default();
            if let Some(user) = row.get::<_, Option<i64>>(1).sql()? {
                gone.users.entry(user).or_default();
            }
            gone.sessions.extend(row.get::<_, Option<i64>>(2).sql()?);
            all.visitors.extend(row.get::<_, Option<i64>>(3).sql()?);
            names.types.insert(row.get(4).sql()?);
            names.routes.extend(row.get::<_, Option<i64>>(5).sql()?);
            all.changed.add(row.get(6).sql()?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Adds the starts of their days, to which anonymised rows move.
    pub(super) fn move_to_midnight(&mut self) {
        self.changed.add_midnights();
    }

    /// Updates the tables about blocks after the rows were deleted or anonymised. Returns the
    /// number of rows.
    pub(super) fn narrow(self, database: &Database) -> Result<usize> {
        rollups::invalidate(database, &self.changed)?;
        let mut sessions = BTreeSet::new();
        for (block, mut gone) in self.blocks {
            let left = keep_those_left(database, block, &mut gone)?;
            for (user, places) in &gone.users {
                if places.is_empty() {
                    execute(database, REMOVE_USER, [block >> SEGMENT_SHIFT, *user, block])?;
                } else {
                    execute(database, NARROW_USER, params![block >> SEGMENT_SHIFT, user, block, places])?;
                }
            }
            for session in &gone.sessions {
                execute(database, REMOVE_SESSION, [*session, block])?;
            }
            match left {
                None => execute(database, REMOVE_BLOCK, [block])?,
                // Otherwise remaining old rows would be read again and again for what is gone.
                Some(Left { min_time, max_time, types, personal }) => {
                    execute(database, NARROW_BLOCK, [block, min_time, max_time, types, personal])?;
                }
            }
            sessions.append(&mut gone.sessions);
        }
        for_each(database, DELETE_SESSION, &sessions)?;
        for_each(database, DELETE_VISITOR, &self.visitors)?;
        // A session that returns gets a new number.
        database.delete_interned();
        Ok(self.count)
    }
}

/// Removes from `gone` the sessions that still have rows in the block, and adds the remaining
/// places of users. Returns the remaining content of the block, if any.
fn keep_those_left(database: &Connection, block: i64, gone: &mut Persons) -> Result<Option<Left>> {
    let mut statement = database.prepare_cached(LEFT_IN_BLOCK).sql()?;
    let mut rows = statement.query([block]).sql()?;
    let mut left: Option<Left> = None;
    while let Some(row) = rows.next().sql()? {
        let (time, types, sequence) = (row.get(2).sql()?, type_bit(row.get(3).sql()?), row.get(5).sql()?);
        let left = left.get_or_insert(Left { min_time: time, max_time: time, ..Left::default() });
        left.min_time = left.min_time.min(time);
        left.max_time = left.max_time.max(time);
        left.types |= types;
        if row.get::<_, Option<i64>>(4).sql()?.is_none() {
            left.personal |= types;
        }
        if let Some(user) = row.get::<_, Option<i64>>(0).sql()? {
            gone.users.entry(user).and_modify(|places| places::push(places, sequence));
        }
        if let Some(session) = row.get::<_, Option<i64>>(1).sql()? {
            gone.sessions.remove(&session);
        }
    }
    Ok(left)
}

fn for_each<'a>(database: &Connection, sql: &str, numbers: impl IntoIterator<Item = &'a i64>) -> Result<()> {
    numbers.into_iter().try_for_each(|number| execute(database, sql, [*number]))
}

pub(super) fn execute(database: &Connection, sql: &str, numbers: impl Params) -> Result<()> {
    database.prepare_cached(sql).and_then(|mut statement| statement.execute(numbers)).sql()?;
    Ok(())
}
