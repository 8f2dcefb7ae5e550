//! Anonymising rows in chunks.

use super::{
    Names,
    delete_activities::{Gone, execute},
    numbers::Numbers,
};
use crate::{error::Result, model::activity::ActivityFilter, store::sqlite::database::Database};

/// Added to the schema. Existing blocks are not rewritten: their state is unknown, so they are read
/// once.
pub(in crate::store::sqlite) const SCHEMA: &str = "
    ALTER TABLE activities ADD COLUMN anonymised INTEGER;
    -- The bits of the types of rows that are not anonymised; more of them than there are cost time but no answer.
    ALTER TABLE activity_blocks ADD COLUMN personal INTEGER NOT NULL DEFAULT -1;
";

// The same as `Event::anonymised`.
const ANONYMISE: &str = "
    UPDATE activities SET
        time = iif(time < -9223372036768375808, time, time - ((time % 86400000) + 86400000) % 86400000),
        user = NULL, session = NULL, visitor = NULL, agent = NULL, network = NULL, client_time = NULL,
        referrer = NULL, campaign = NULL, data = NULL,
        status = status - status % 100,
        latency = iif(latency IS NULL, NULL, 0), bytes = iif(bytes IS NULL, NULL, 0),
        anonymised = 1
    WHERE sequence BETWEEN ?1 AND ?2";

pub(in crate::store::sqlite) fn anonymise(database: &Database, filter: &ActivityFilter, limit: usize) -> Result<usize> {
    match Numbers::of(database, &filter.clone().except_anonymised())? {
        Some(numbers) => anonymise_noting(database, &numbers, limit, &mut Names::default(), &mut Vec::new()),
        None => Ok(0),
    }
}

/// Like [`anonymise`], and collects the names in the rows, and the first and last row of each run
/// of adjacent rows.
pub(in crate::store::sqlite) fn anonymise_noting(
    database: &Database,
    numbers: &Numbers,
    limit: usize,
    names: &mut Names,
    runs: &mut Vec<(i64, i64)>,
) -> Result<usize> {
    let mut gone = Gone::of(database, numbers, limit, names)?;
    gone.move_to_midnight();
    for (first, last) in &gone.runs {
        execute(database, ANONYMISE, [first, last])?;
    }
    runs.extend_from_slice(&gone.runs);
    gone.narrow(database)
}
