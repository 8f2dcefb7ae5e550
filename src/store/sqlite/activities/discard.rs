//! Deleting, a chunk at a time.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{
    BLOCK_SHIFT,
    history::{EVERYTHING, Numbers, matching},
};
use crate::{
    activity::{ActivityFilter, Order},
    error::Result,
    store::sqlite::connection::{Database, Sql},
};

const DELETE: &str = "DELETE FROM activities WHERE sequence = ?1";
// Through `activities_by_session`.
const FORGET_SESSION: &str = "
    DELETE FROM activity_sessions WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM activities WHERE session = ?1)";
// Through `activities_by_visitor`.
const FORGET_VISITOR: &str = "
    DELETE FROM visitors WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM activities WHERE visitor = ?1)";
const FORGET_BLOCK: &str = "
    DELETE FROM activity_blocks WHERE block = ?1
    AND NOT EXISTS (SELECT 1 FROM activities WHERE sequence BETWEEN ?1 << 10 AND (?1 << 10) + 1023)";

pub(in crate::store::sqlite) fn discard(database: &Database, filter: &ActivityFilter, limit: usize) -> Result<usize> {
    let Some(numbers) = Numbers::of(database, filter)? else { return Ok(0) };
    let mut sequences = Vec::new();
    let (mut sessions, mut visitors, mut blocks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let columns = ("a.sequence, a.session, a.visitor", "");
    matching(database, &numbers, columns, Some(Order::OldestFirst), EVERYTHING, limit, |row| {
        let sequence: i64 = row.get(0).sql()?;
        sequences.push(sequence);
        blocks.insert(sequence >> BLOCK_SHIFT);
        sessions.extend(row.get::<_, Option<i64>>(1).sql()?);
        visitors.extend(row.get::<_, Option<i64>>(2).sql()?);
        Ok(())
    })?;
    for_each(database, DELETE, &sequences)?;
    for_each(database, FORGET_SESSION, &sessions)?;
    for_each(database, FORGET_VISITOR, &visitors)?;
    for_each(database, FORGET_BLOCK, &blocks)?;
    // A session that comes again gets a new number.
    database.forget_interned();
    Ok(sequences.len())
}

fn for_each<'a>(database: &Connection, sql: &str, numbers: impl IntoIterator<Item = &'a i64>) -> Result<()> {
    let mut statement = database.prepare_cached(sql).sql()?;
    for number in numbers {
        statement.execute([number]).sql()?;
    }
    Ok(())
}
