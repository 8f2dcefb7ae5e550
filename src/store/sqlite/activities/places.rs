//! The places of a user's rows within a block, so that their history is found without reading
//! blocks.

use std::ops::RangeInclusive;

use rusqlite::{Connection, Row, named_params};

use super::{
    BLOCK_SHIFT, SEGMENT_SHIFT,
    matching::{self, COLUMNS, JOINS},
    numbers::Numbers,
    path::{Path, except_sql},
};
use crate::{error::Result, model::activity::Order, store::sqlite::sql::Sql};

/// Two bytes, big-endian, for each row: its sequence number minus that of the block. `NULL` if the
/// block was begun by a version without places; then the block is read.
pub(in crate::store::sqlite) const SCHEMA: &str = "
    ALTER TABLE activity_user_blocks ADD COLUMN places BLOB;
";

/// Appends the place of a row.
pub(super) fn push(places: &mut Vec<u8>, sequence: i64) {
    places.extend_from_slice(&((sequence & LAST) as u16).to_be_bytes());
}

const LAST: i64 = (1 << BLOCK_SHIFT) - 1;

/// If a user has more rows than this in a block, the whole block is read, which is faster than
/// visiting each row.
const MANY: usize = 32;

/// Like [`matching::matching`], for the history of a user with no condition but session, time and
/// type.
pub(super) fn matching(
    database: &Connection,
    user: i64,
    numbers: &Numbers,
    order: Order,
    range: RangeInclusive<i64>,
    limit: usize,
    mut found: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut blocks = database.prepare_cached(&blocks_sql(numbers.session.is_some(), order)).sql()?;
    let mut row = database.prepare_cached(&row_sql(&numbers.except)).sql()?;
    row.raw_bind_parameter(2, user).sql()?;
    row.raw_bind_parameter(3, numbers.from).sql()?;
    row.raw_bind_parameter(4, numbers.until).sql()?;
    row.raw_bind_parameter(5, numbers.event_type).sql()?;
    row.raw_bind_parameter(6, numbers.session).sql()?;
    let path = if numbers.session.is_some() { Path::Session } else { Path::User };
    let mut left = limit;
    for segment in matching::segments(database, path, Some(order), &range)? {
        // While this statement is open, all reads see one snapshot.
        let mut blocks = blocks
            .query(named_params! {
                ":segment": segment,
                ":session": numbers.session,
                ":user": user,
                ":low": range.start(),
                ":high": range.end(),
                ":from": numbers.from,
                ":until": numbers.until,
                ":type_bits": numbers.type_bits,
            })
            .sql()?;
        while let Some(block) = blocks.next().sql()? {
            let first = block.get::<_, i64>(0).sql()? << BLOCK_SHIFT;
            let places: Option<Vec<u8>> = block.get(1).sql()?;
            let Some(places) = places.filter(|places| places.len() <= 2 * MANY) else {
                // The rest of the segment usually looks the same.
                let (rest, limit) = (rest_of(segment, first, order, &range), left);
                matching::matching(database, numbers, (COLUMNS, JOINS), Some(order), rest, limit, |row| {
                    left -= 1;
                    found(row)
                })?;
                break;
            };
            let mut sequences = read(&places, first);
            sequences.retain(|sequence| range.contains(sequence));
            if order == Order::NewestFirst {
                sequences.reverse();
            }
            for sequence in sequences {
                row.raw_bind_parameter(1, sequence).sql()?;
                if let Some(row) = row.raw_query().next().sql()? {
                    left -= 1;
                    found(row)?;
                }
                if left == 0 {
                    return Ok(());
                }
            }
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// Returns the rest of the range from a block on, up to the end of the segment if there is one.
fn rest_of(segment: Option<i64>, first: i64, order: Order, range: &RangeInclusive<i64>) -> RangeInclusive<i64> {
    let shift = BLOCK_SHIFT + SEGMENT_SHIFT;
    let (oldest, newest) = segment.map_or((0, i64::MAX), |segment| (segment << shift, ((segment + 1) << shift) - 1));
    match order {
        Order::NewestFirst => oldest.max(*range.start())..=(first + LAST).min(*range.end()),
        Order::OldestFirst => first.max(*range.start())..=newest.min(*range.end()),
    }
}

/// Returns the statement for the blocks in which a user occurs, in a segment or a session. There is
/// one row for each block, so there is no limit.
fn blocks_sql(has_session: bool, order: Order) -> String {
    let (source, condition) = if has_session {
        (
            "activity_session_blocks s CROSS JOIN activity_user_blocks u ON u.segment = s.block >> 8 AND u.block = s.block",
            "s.session = :session AND s.block BETWEEN :low >> 10 AND :high >> 10 AND u.user = :user AND :segment IS NULL",
        )
    } else {
        (
            "activity_user_blocks u",
            "u.segment = :segment AND u.user = :user AND u.block BETWEEN :low >> 10 AND :high >> 10 AND :session IS NULL",
        )
    };
    let order_by = match (has_session, order) {
        (true, Order::NewestFirst) => "s.block DESC",
        (true, Order::OldestFirst) => "s.block",
        (false, Order::NewestFirst) => "u.block DESC",
        (false, Order::OldestFirst) => "u.block",
    };
    format!(
        "SELECT u.block, u.places FROM {source} CROSS JOIN activity_blocks b ON b.block = u.block WHERE {condition} \
         AND b.max_time >= :from AND b.min_time < :until AND (b.types & :type_bits) <> 0 ORDER BY {order_by}"
    )
}

/// Returns the sequence numbers of the rows at these places, ascending.
fn read(places: &[u8], first: i64) -> Vec<i64> {
    places.chunks_exact(2).map(|place| first + i64::from(place[0]) * 256 + i64::from(place[1])).collect()
}

/// Returns the statement for a row, if it matches and is still there.
fn row_sql(except: &[i64]) -> String {
    let except = except_sql(except);
    format!(
        "SELECT {COLUMNS} FROM activities a {JOINS} WHERE a.sequence = ?1 AND a.user = ?2 AND a.time >= ?3 AND a.time < ?4 \
         AND (?5 IS NULL OR a.type = ?5) AND (?6 IS NULL OR a.session = ?6) {except} LIMIT 1"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::migrations::MIGRATIONS;

    fn plan(sql: &str) -> Vec<String> {
        let database = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| database.execute_batch(migration).unwrap());
        let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        steps
    }

    #[test]
    fn places_query_uses_keys_without_sorting() {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let (user, session) = (plan(&blocks_sql(false, order)), plan(&blocks_sql(true, order)));
            assert_eq!(
                user,
                [
                    "SEARCH u USING PRIMARY KEY (segment=? AND user=? AND block>? AND block<?)",
                    "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"
                ]
            );
            assert_eq!(
                session,
                [
                    "SEARCH s USING PRIMARY KEY (session=? AND block>? AND block<?)",
                    "SEARCH u USING PRIMARY KEY (segment=? AND user=? AND block=?)",
                    "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)"
                ]
            );
        }
        let steps = plan(&row_sql(&[3, 7]));
        assert_eq!(steps[0], "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)");
        assert!(steps.iter().all(|step| step.starts_with("SEARCH ")), "{steps:#?}");
    }
}
