//! [`matching`]: the rows that match a filter.

use std::ops::RangeInclusive;

use rusqlite::{Connection, Row, ToSql, named_params};

use super::{BLOCK_SHIFT, SEGMENT_SHIFT, numbers::Numbers, path::Path};
use crate::{error::Result, model::activity::Order, store::sqlite::sql::Sql};

/// Calls `found` with matching rows of `columns`, in order, until it has seen `limit`.
pub(super) fn matching(
    database: &Connection,
    numbers: &Numbers,
    columns: (&str, &str),
    order: Option<Order>,
    range: RangeInclusive<i64>,
    limit: usize,
    mut found: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let path = Path::of(numbers);
    let sql = path.sql(columns, order, &numbers.except, &path.rest(numbers));
    let mut statement = database.prepare_cached(&sql).sql()?;
    let mut left = limit;
    for segment in segments(database, path, order, &range)? {
        let parameters: &[(&str, &dyn ToSql)] = named_params! {
            ":user": numbers.user,
            ":session": numbers.session,
            ":visitor": numbers.visitor,
            ":segment": segment,
            ":type": numbers.event_type,
            ":type_bits": numbers.type_bits,
            ":from": numbers.from,
            ":until": numbers.until,
            ":low": range.start(),
            ":high": range.end(),
            ":limit": i64::try_from(left).unwrap_or(i64::MAX),
            ":restricted_at": numbers.restricted_at,
        };
        // The last parameter belongs to the condition that is usually absent.
        let count = parameters.len() - usize::from(numbers.restricted_at.is_none());
        let mut rows = statement.query(&parameters[..count]).sql()?;
        while let Some(row) = rows.next().sql()? {
            found(row)?;
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// Returns the segments to read, in order; a single `None` if segments do not matter.
pub(super) fn segments(
    database: &Connection,
    path: Path,
    order: Option<Order>,
    range: &RangeInclusive<i64>,
) -> Result<Vec<Option<i64>>> {
    let Path::User = path else { return Ok(vec![None]) };
    let edge =
        |sql| -> Result<Option<i64>> { database.prepare_cached(sql).sql()?.query_row([], |row| row.get(0)).sql() };
    let (Some(first), Some(last)) =
        (edge("SELECT min(sequence) FROM activities")?, edge("SELECT max(sequence) FROM activities")?)
    else {
        return Ok(Vec::new());
    };
    let shift = BLOCK_SHIFT + SEGMENT_SHIFT;
    let segments = (first.max(*range.start()) >> shift)..=(last.min(*range.end()) >> shift);
    let segments = segments.map(Some);
    Ok(if order == Some(Order::NewestFirst) { segments.rev().collect() } else { segments.collect() })
}

/// All possible sequence numbers.
pub(super) const EVERYTHING: RangeInclusive<i64> = 0..=i64::MAX >> BLOCK_SHIFT;

pub(super) const COLUMNS: &str = "a.sequence, a.time, t.name, u.external, s.public_id, v.public_id, r.method, r.template, \
     g.browser, g.major, g.system, g.device, a.network, a.status, a.latency, a.bytes, a.outcome, a.client_time, \
     a.referrer, a.campaign, a.data, a.anonymised, a.origin";

pub(super) const JOINS: &str = "LEFT JOIN event_types t ON t.id = a.type LEFT JOIN users u ON u.id = a.user \
     LEFT JOIN activity_sessions s ON s.id = a.session LEFT JOIN visitors v ON v.id = a.visitor \
     LEFT JOIN routes r ON r.id = a.route LEFT JOIN agents g ON g.id = a.agent";
