//! Reading and counting history.

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::{
    matching::{COLUMNS, EVERYTHING, JOINS, matching},
    numbers::Numbers,
    places,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, UserId, VisitorId},
    model::{
        activity::{
            Activity, ActivityFilter, Event, EventData, EventType, HistoryPage, HistoryQuery, Method, Order, Origin,
            Outcome, RequestTrace, ResponseTrace,
        },
        client::{Agent, TruncatedAddress},
    },
    store::sqlite::sql::Sql,
    time::Timestamp,
};

pub(in crate::store::sqlite) fn history(database: &Connection, query: &HistoryQuery) -> Result<HistoryPage> {
    let mut activities = Vec::new();
    let range = match (query.order, query.after.map(|after| i64::try_from(after).unwrap_or(i64::MAX))) {
        (_, None) => EVERYTHING,
        (Order::NewestFirst, Some(after)) => 0..=after - 1,
        (Order::OldestFirst, Some(after)) => after.saturating_add(1)..=*EVERYTHING.end(),
    };
    let add = |row: &Row<'_>| {
        activities.push(read(row)?);
        Ok(())
    };
    let (order, limit) = (query.order, query.limit + 1);
    if let Some(numbers) = Numbers::of(database, &query.filter)? {
        match numbers.user_without_visitor() {
            Some(user) => places::matching(database, user, &numbers, order, range, limit, add)?,
            None => matching(database, &numbers, (COLUMNS, JOINS), Some(order), range, limit, add)?,
        }
    }
    Ok(query.page(activities))
}

pub(in crate::store::sqlite) fn count(database: &Connection, filter: &ActivityFilter) -> Result<u64> {
    let mut total = 0;
    if let Some(numbers) = Numbers::of(database, filter)? {
        matching(database, &numbers, ("count(*)", ""), None, EVERYTHING, usize::MAX, |row| {
            total += row.get::<_, i64>(0).sql()? as u64;
            Ok(())
        })?;
    }
    Ok(total)
}

/// Reads a row of [`COLUMNS`].
fn read(row: &Row<'_>) -> Result<Activity> {
    let event_type: Option<String> = row.get(2).sql()?;
    let event_type = event_type.ok_or_else(|| damaged("an activity has no type"))?;
    let uuid = |column| row.get::<_, Option<[u8; 16]>>(column).map(|bytes| bytes.map(Uuid::from_bytes)).sql();
    let user: Option<String> = row.get(3).sql()?;
    let data: Option<String> = row.get(20).sql()?;
    let anonymised: Option<i64> = row.get(21).sql()?;
    let mut event = Event::new(EventType::new(&event_type)?, Timestamp::from_millis(row.get(1).sql()?));
    event.user = user.map(UserId::try_from).transpose()?;
    event.session = uuid(4)?.map(SessionId::from);
    event.visitor = uuid(5)?.map(VisitorId::from);
    event.client_time = row.get::<_, Option<i64>>(17).sql()?.map(Timestamp::from_millis);
    event.data = data.map(EventData::from_stored);
    event.request = read_request(row)?;
    event.response = read_response(row)?;
    let mut activity = Activity::new(row.get::<_, i64>(0).sql()? as u64, event);
    activity.anonymised = anonymised.is_some();
    activity.event.origin =
        if row.get::<_, Option<i64>>(22).sql()?.is_some() { Origin::Client } else { Origin::Server };
    Ok(activity)
}

fn read_request(row: &Row<'_>) -> Result<Option<RequestTrace>> {
    let Some(method) = row.get::<_, Option<String>>(6).sql()? else { return Ok(None) };
    let text = |column| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default).sql();
    let major: Option<u16> = row.get(9).sql()?;
    let campaign: Option<String> = row.get(19).sql()?;
    let campaign = campaign.map(|json| serde_json::from_str(&json)).transpose();
    Ok(Some(RequestTrace {
        route: text(7)?.into(),
        method: Method::from_name(&method),
        referrer: row.get::<_, Option<String>>(18).sql()?.map(String::into_boxed_str),
        campaign: campaign.map_err(|error| damaged("a campaign is no JSON").with_source(error))?,
        agent: Agent::from_parts(&text(8)?, major.filter(|major| *major > 0), &text(10)?, &text(11)?),
        network: row.get::<_, Option<i64>>(12).sql()?.map(TruncatedAddress::from_number),
    }))
}

fn read_response(row: &Row<'_>) -> Result<Option<ResponseTrace>> {
    let Some(status) = row.get(13).sql()? else { return Ok(None) };
    let number = |column| row.get::<_, i64>(column).map(|number| number as u64).sql();
    let outcome = Outcome::from_code(row.get(16).sql()?).ok_or_else(|| damaged("an unknown outcome"))?;
    Ok(Some(ResponseTrace::new(status, number(14)?, number(15)?, outcome)))
}

fn damaged(context: &str) -> Error {
    Error::new(ErrorKind::Corrupt, context)
}

#[cfg(test)]
mod tests {
    use rusqlite::named_params;

    use super::{
        super::{
            path::{NOT_RESTRICTED, Path},
            type_bit,
        },
        *,
    };
    use crate::store::sqlite::migrations::MIGRATIONS;

    /// Returns the steps of SQLite's query plan.
    fn plan(path: Path, order: Option<Order>) -> Vec<String> {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, external TEXT NOT NULL UNIQUE)").unwrap();
        database.execute_batch(super::super::SCHEMA).unwrap();
        database.execute_batch(super::super::ANONYMISED_SCHEMA).unwrap();
        database.execute_batch(super::super::ORIGIN_SCHEMA).unwrap();
        let columns = if order.is_some() { (COLUMNS, JOINS) } else { ("count(*)", "") };
        let sql = format!("EXPLAIN QUERY PLAN {}", path.sql(columns, order, &[3, 7], ""));
        let mut statement = database.prepare(&sql).unwrap();
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        steps
    }

    #[test]
    fn visitor_query_uses_its_index_without_sorting() {
        for order in [Some(Order::NewestFirst), Some(Order::OldestFirst), None] {
            for path in [Path::Visitor, Path::Stranger] {
                let plan = plan(path, order);
                assert_eq!(plan[0], "SEARCH a USING INDEX activities_by_visitor (visitor=? AND rowid>? AND rowid<?)");
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE") || step.contains("SCAN a")), "{plan:#?}");
            }
        }
    }

    #[test]
    fn each_query_uses_the_documented_index_without_sorting() {
        for order in [Some(Order::NewestFirst), Some(Order::OldestFirst), None] {
            for (path, expected) in [
                (Path::Session, "SEARCH b USING PRIMARY KEY (session=? AND block>? AND block<?)"),
                (Path::User, "SEARCH b USING PRIMARY KEY (segment=? AND user=? AND block>? AND block<?)"),
                (Path::Blocks, "SEARCH b USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            ] {
                let plan = plan(path, order);
                assert_eq!(plan[0], expected);
                assert_eq!(plan[1], "SEARCH a USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE") || step.contains("SCAN a")), "{plan:#?}");
            }
        }
    }

    #[test]
    fn excluding_restricted_users_keeps_the_query_plan() {
        let database = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| database.execute_batch(migration).unwrap());
        for order in [Some(Order::OldestFirst), None] {
            let columns = if order.is_some() { ("a.sequence", "") } else { ("count(*)", "") };
            let sql = format!("EXPLAIN QUERY PLAN {}", Path::Blocks.sql(columns, order, &[3], NOT_RESTRICTED));
            let mut statement = database.prepare(&sql).unwrap();
            let mut rows = statement.raw_query();
            let mut steps: Vec<String> = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get(3).unwrap());
            }
            assert_eq!(steps[0], "SEARCH b USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
            assert_eq!(steps[1], "SEARCH a USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
            // Each list is computed once, not for each row.
            assert!(steps.iter().any(|step| step.starts_with("LIST SUBQUERY")), "{steps:#?}");
            assert!(!steps.iter().any(|step| step.starts_with("CORRELATED") || step.contains("SCAN a")), "{steps:#?}");
        }
    }

    /// A query plan does not show which range a search has.
    #[test]
    fn history_reads_only_matching_blocks() {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, external TEXT NOT NULL UNIQUE)").unwrap();
        database.execute_batch(super::super::SCHEMA).unwrap();
        database.execute_batch(super::super::ANONYMISED_SCHEMA).unwrap();
        database.execute_batch(super::super::ORIGIN_SCHEMA).unwrap();
        // 100 blocks; one user is in the first, one in the middle and the last.
        let rows = "
            WITH RECURSIVE n (n) AS (SELECT 1024 UNION ALL SELECT n + 1 FROM n WHERE n < 101 * 1024 - 1)
            INSERT INTO activities (sequence, time, type, user, session)
                SELECT n, n, iif(n IN (1500, 51300, 103000), 2, 1), iif(n IN (1500, 51300, 103000), 7, 8),
                    iif(n IN (1500, 51300, 103000), 7, 8) FROM n;
            INSERT INTO activity_user_blocks SELECT DISTINCT 0, user, sequence >> 10 FROM activities;
            INSERT INTO activity_session_blocks SELECT DISTINCT session, sequence >> 10 FROM activities;
            INSERT INTO activity_blocks (block, min_time, max_time, types)
                SELECT sequence >> 10, min(time), max(time), sum(DISTINCT 1 << type) FROM activities GROUP BY 1;";
        database.execute_batch(rows).unwrap();
        for (path, user, session, kind) in [
            (Path::User, Some(7), None, None),
            (Path::Session, None, Some(7), None),
            (Path::Blocks, None, None, Some(2)),
        ] {
            for order in [Some(Order::NewestFirst), Some(Order::OldestFirst), None] {
                let columns = if order.is_some() { ("a.sequence", "") } else { ("count(*)", "") };
                let mut statement = database.prepare(&path.sql(columns, order, &[], "")).unwrap();
                let mut rows = statement
                    .query(named_params! {
                        ":user": user,
                        ":session": session,
                        ":visitor": None::<i64>,
                        ":segment": user.map(|_| 0),
                        ":type": kind,
                        ":type_bits": kind.map_or(-1, type_bit),
                        ":from": i64::MIN,
                        ":until": i64::MAX,
                        ":low": EVERYTHING.start(),
                        ":high": EVERYTHING.end(),
                        ":limit": 10,
                    })
                    .unwrap();
                let mut found = 0;
                while let Some(row) = rows.next().unwrap() {
                    found += if order.is_some() { 1 } else { row.get::<_, i64>(0).unwrap() };
                }
                drop(rows);
                let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
                assert_eq!(found, 3);
                assert!(steps < 100_000, "{steps} steps for three blocks");
            }
        }
    }
}
