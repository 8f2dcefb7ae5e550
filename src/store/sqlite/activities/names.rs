//! Names without any row.
//!
//! A type, or the path of a request without a route, may identify a person. No index lists the rows
//! with a name, so the rows must be read. Rows that were read stay read, because rows are only
//! appended.

use std::collections::BTreeSet;

use rusqlite::{Connection, Rows};

use super::matching::EVERYTHING;
use crate::{
    error::Result,
    store::sqlite::{database::Database, sql::Sql},
};

/// Ids of names that occur in some rows. Agents are not included: they are families from a fixed
/// list.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Names {
    pub(in crate::store::sqlite) types: BTreeSet<i64>,
    pub(in crate::store::sqlite) routes: BTreeSet<i64>,
}

impl Names {
    pub(in crate::store::sqlite) fn is_empty(&self) -> bool {
        self.types.is_empty() && self.routes.is_empty()
    }
}

const ROWS: &str = "
    SELECT sequence, type, route FROM activities WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

/// The progress of a search for names.
pub(in crate::store::sqlite) struct Looked {
    /// The last row that was read.
    pub(in crate::store::sqlite) last: i64,
    /// Whether all rows have been read.
    pub(in crate::store::sqlite) is_all: bool,
}

/// Removes the names that occur in at most `limit` rows after the row `after`. Rows in `own`, which
/// lists later rows in order, are ignored.
pub(in crate::store::sqlite) fn keep_unused(
    database: &Connection,
    names: &mut Names,
    after: i64,
    limit: usize,
    own: &mut Rows<'_>,
) -> Result<Looked> {
    let (mut last, mut seen) = (after, 0);
    let next = |own: &mut Rows<'_>| own.next().and_then(|row| row.map(|row| row.get::<_, i64>(0)).transpose()).sql();
    let mut next_own = next(own)?;
    let mut statement = database.prepare_cached(ROWS).sql()?;
    let mut rows = statement.query([after, i64::try_from(limit).unwrap_or(*EVERYTHING.end())]).sql()?;
    while !names.is_empty() {
        let Some(row) = rows.next().sql()? else { break };
        (last, seen) = (row.get(0).sql()?, seen + 1);
        while next_own.is_some_and(|own| own < last) {
            next_own = next(own)?;
        }
        if next_own == Some(last) {
            continue;
        }
        names.types.remove(&row.get(1).sql()?);
        if let Some(route) = row.get(2).sql()? {
            names.routes.remove(&route);
        }
    }
    Ok(Looked { last, is_all: seen < limit || names.is_empty() })
}

const DELETE_TYPE: &str = "DELETE FROM event_types WHERE id = ?1";
const DELETE_ROUTE: &str = "DELETE FROM routes WHERE id = ?1";

/// Deletes names that occur in no row.
pub(in crate::store::sqlite) fn delete_names(database: &Database, names: &Names) -> Result<()> {
    for (sql, numbers) in [(DELETE_TYPE, &names.types), (DELETE_ROUTE, &names.routes)] {
        let mut statement = database.prepare_cached(sql).sql()?;
        numbers.iter().try_for_each(|number| statement.execute([number]).map(drop)).sql()?;
    }
    database.delete_interned();
    Ok(())
}
