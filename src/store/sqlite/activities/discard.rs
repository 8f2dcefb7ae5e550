//! Deleting, a chunk at a time.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Params};

use super::{
    BLOCK_SHIFT, SEGMENT_SHIFT,
    history::{EVERYTHING, Numbers, matching},
};
use crate::{
    activity::{ActivityFilter, Order},
    error::Result,
    store::sqlite::connection::{Database, Sql},
};

const DELETE: &str = "DELETE FROM activities WHERE sequence = ?1";
const LEFT_IN_BLOCK: &str = "
    SELECT user, session FROM activities WHERE sequence BETWEEN ?1 << 10 AND (?1 << 10) + 1023 ORDER BY sequence";
const REMOVE_USER: &str = "DELETE FROM activity_user_blocks WHERE segment = ?1 AND user = ?2 AND block = ?3";
const REMOVE_SESSION: &str = "DELETE FROM activity_session_blocks WHERE session = ?1 AND block = ?2";
const REMOVE_BLOCK: &str = "DELETE FROM activity_blocks WHERE block = ?1";
const FORGET_SESSION: &str = "
    DELETE FROM activity_sessions WHERE id = ?1
    AND NOT EXISTS (SELECT 1 FROM activity_session_blocks WHERE session = ?1)";
// Through `activities_by_visitor`.
const FORGET_VISITOR: &str = "
    DELETE FROM visitors WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM activities WHERE visitor = ?1)";

/// Of whom rows of one block are deleted.
#[derive(Default)]
struct Gone {
    users: BTreeSet<i64>,
    sessions: BTreeSet<i64>,
}

pub(in crate::store::sqlite) fn discard(database: &Database, filter: &ActivityFilter, limit: usize) -> Result<usize> {
    let Some(numbers) = Numbers::of(database, filter)? else { return Ok(0) };
    let mut sequences = Vec::new();
    let mut blocks: BTreeMap<i64, Gone> = BTreeMap::new();
    let mut visitors = BTreeSet::new();
    let columns = ("a.sequence, a.user, a.session, a.visitor", "");
    matching(database, &numbers, columns, Some(Order::OldestFirst), EVERYTHING, limit, |row| {
        let sequence: i64 = row.get(0).sql()?;
        sequences.push(sequence);
        let gone = blocks.entry(sequence >> BLOCK_SHIFT).or_default();
        gone.users.extend(row.get::<_, Option<i64>>(1).sql()?);
        gone.sessions.extend(row.get::<_, Option<i64>>(2).sql()?);
        visitors.extend(row.get::<_, Option<i64>>(3).sql()?);
        Ok(())
    })?;
    for_each(database, DELETE, &sequences)?;
    let mut sessions = BTreeSet::new();
    for (block, mut gone) in blocks {
        let is_empty = keep_those_left(database, block, &mut gone)?;
        for user in &gone.users {
            execute(database, REMOVE_USER, [block >> SEGMENT_SHIFT, *user, block])?;
        }
        for session in &gone.sessions {
            execute(database, REMOVE_SESSION, [*session, block])?;
        }
        if is_empty {
            execute(database, REMOVE_BLOCK, [block])?;
        }
        sessions.append(&mut gone.sessions);
    }
    for_each(database, FORGET_SESSION, &sessions)?;
    for_each(database, FORGET_VISITOR, &visitors)?;
    // A session that comes again gets a new number.
    database.forget_interned();
    Ok(sequences.len())
}

/// Takes those out of `gone` who still have rows in the block. Whether nobody has.
fn keep_those_left(database: &Connection, block: i64, gone: &mut Gone) -> Result<bool> {
    let mut statement = database.prepare_cached(LEFT_IN_BLOCK).sql()?;
    let mut rows = statement.query([block]).sql()?;
    let mut is_empty = true;
    while let Some(row) = rows.next().sql()? {
        is_empty = false;
        if let Some(user) = row.get::<_, Option<i64>>(0).sql()? {
            gone.users.remove(&user);
        }
        if let Some(session) = row.get::<_, Option<i64>>(1).sql()? {
            gone.sessions.remove(&session);
        }
    }
    Ok(is_empty)
}

fn for_each<'a>(database: &Connection, sql: &str, numbers: impl IntoIterator<Item = &'a i64>) -> Result<()> {
    numbers.into_iter().try_for_each(|number| execute(database, sql, [*number]))
}

fn execute(database: &Connection, sql: &str, numbers: impl Params) -> Result<()> {
    database.prepare_cached(sql).and_then(|mut statement| statement.execute(numbers)).sql()?;
    Ok(())
}
