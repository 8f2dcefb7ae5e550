//! The scan of [`AnalyticsStore`](crate::store::AnalyticsStore) in SQL: rows in the order of the
//! table, with names looked up once.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{
    activities::{BLOCK_SHIFT, SEGMENT_SHIFT, find_session, find_user, find_visitor, type_bit},
    sql::Sql,
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::activity::EventType,
    store::{EventVisitor, Exclusion, Scan, ScannedEvent, ScannedName},
    time::Timestamp,
};

/// Stops a scan when its caller has left.
#[derive(Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) fn scan(database: &Connection, scan: &Scan, stopped: &AtomicBool, each: &mut EventVisitor) -> Result<()> {
    // All statements below read one snapshot.
    let snapshot = database.unchecked_transaction().sql()?;
    let Some(meant) = Meant::of(&snapshot, scan)? else { return Ok(()) };
    let routes = if scan.has_routes { names(&snapshot, ROUTES)? } else { Names::default() };
    let mut statement = snapshot.prepare_cached(&rows_sql(scan)).sql()?;
    // If all types are counted, a row with an unknown type must still be found.
    let has_all = scan.types.is_none() && scan.except_types.is_empty();
    let shown = if has_all { i64::MAX } else { meant.type_bits };
    let mut links = Links { database: &snapshot, known: HashMap::default() };
    for (first, last) in meant.runs(&snapshot)? {
        let rows = [first << BLOCK_SHIFT, ((last + 1) << BLOCK_SHIFT) - 1, shown];
        let mut rows = statement.query(rows).sql()?;
        while let Some(row) = rows.next().sql()? {
            if stopped.load(Ordering::Relaxed) {
                return Ok(());
            }
            let Some(mut event) = meant.read(row, &routes)? else { continue };
            if scan.has_links && event.user.is_none() {
                let linked = event.visitor.map(|visitor| links.user_of(visitor as i64)).transpose()?.flatten();
                if linked.is_some_and(|user| meant.leaves_out_user(event.event_type.number as i64, user)) {
                    continue;
                }
                event.linked_user = linked.map(|user| user as u64);
            }
            if each(&event).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Returns the number of rows in the blocks that may have matching rows.
pub(super) fn at_most(database: &Connection, scan: &Scan) -> Result<u64> {
    let snapshot = database.unchecked_transaction().sql()?;
    let Some(meant) = Meant::of(&snapshot, scan)? else { return Ok(0) };
    let blocks: i64 = meant.runs(&snapshot)?.iter().map(|(first, last)| last - first + 1).sum();
    Ok(blocks.unsigned_abs() << BLOCK_SHIFT)
}

type Names = HashMap<i64, String, RandomState>;

const TYPES: &str = "SELECT id, name FROM event_types ORDER BY id";
const ROUTES: &str = "SELECT id, template FROM routes ORDER BY id";

fn names(database: &Connection, sql: &str) -> Result<Names> {
    let mut statement = database.prepare_cached(sql).sql()?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).sql()?.collect::<rusqlite::Result<_>>().sql()
}

/// Returns the statement for the rows of adjacent blocks: a bounded range, so it needs no limit.
/// Columns are in the order of the table. Types that do not match are mostly excluded here, because
/// returning a row costs more than skipping it.
fn rows_sql(scan: &Scan) -> String {
    let only = |wanted, column| if wanted { column } else { "NULL" };
    format!(
        "SELECT sequence, time, type, user, {session}, visitor, {route}, {data} FROM activities \
         WHERE sequence BETWEEN ?1 AND ?2 AND (?3 >> type % 63) & 1 ORDER BY sequence",
        session = only(scan.has_sessions || scan.session.is_some(), "session"),
        route = only(scan.has_routes, "route"),
        data = only(scan.has_data, "data"),
    )
}

/// The meaning of a type's id.
enum Type {
    Counted(String),
    Exclusion,
    /// There is no type with this id.
    Unknown,
}

/// An [`Exclusion`] in ids.
struct Numbers {
    types: HashSet<i64, RandomState>,
    users: HashSet<i64, RandomState>,
    visitors: HashSet<i64, RandomState>,
}

/// A scan in ids.
struct Meant<'a> {
    scan: &'a Scan,
    /// Names of the counted types by id.
    types: Vec<Type>,
    /// Bits of the counted types.
    type_bits: i64,
    user: Option<i64>,
    session: Option<i64>,
    excepted: HashSet<i64, RandomState>,
    exclusion: Vec<Numbers>,
    from: i64,
    until: i64,
}

impl<'a> Meant<'a> {
    /// Returns `None` if a name is unknown or no type is left: then nothing matches.
    fn of(database: &Connection, scan: &'a Scan) -> Result<Option<Self>> {
        let mut types = Vec::new();
        let mut type_bits = 0;
        for (id, name) in names(database, TYPES)? {
            let is_counted = scan.is_counted(&EventType::new(&name)?);
            if is_counted {
                type_bits |= type_bit(id);
            }
            let index = usize::try_from(id).map_err(|error| damaged("a type has no number").with_source(error))?;
            if index >= types.len() {
                types.resize_with(index + 1, || Type::Unknown);
            }
            types[index] = if is_counted { Type::Counted(name) } else { Type::Exclusion };
        }
        let user = scan.user.as_ref().map(|user| find_user(database, user)).transpose()?;
        let session = scan.session.as_ref().map(|session| find_session(database, session)).transpose()?;
        if type_bits == 0 || user == Some(None) || session == Some(None) {
            return Ok(None);
        }
        let excepted = scan.except_users.iter().filter_map(|user| find_user(database, user).transpose());
        let exclusion = scan.exclusion.iter().map(|exclusion| Numbers::of(database, exclusion, &types));
        let exclusion = exclusion.collect::<Result<_>>()?;
        Ok(Some(Self {
            scan,
            types,
            type_bits,
            user: user.flatten(),
            session: session.flatten(),
            excepted: excepted.collect::<Result<_>>()?,
            exclusion,
            from: scan.range.from().as_millis(),
            until: scan.range.until().as_millis(),
        }))
    }

    /// Returns the first and last of adjacent blocks that may have matching rows.
    fn runs(&self, database: &Connection) -> Result<Vec<(i64, i64)>> {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        let (sql, segments) = match (self.user, self.session) {
            (_, Some(_)) => (SESSION_BLOCKS, 0..=0),
            (Some(_), None) => (USER_BLOCKS, segments(database)?),
            (None, None) => (BLOCKS, 0..=0),
        };
        let mut statement = database.prepare_cached(sql).sql()?;
        for segment in segments {
            let mut rows = statement
                .query(named_params! {
                    ":from": self.from,
                    ":until": self.until,
                    ":type_bits": self.type_bits,
                    ":user": self.user,
                    ":session": self.session,
                    ":segment": segment,
                })
                .sql()?;
            while let Some(row) = rows.next().sql()? {
                let block = row.get(0).sql()?;
                match runs.last_mut() {
                    Some((_, last)) if *last + 1 == block => *last = block,
                    _ => runs.push((block, block)),
                }
            }
        }
        Ok(runs)
    }

    /// Returns the row as an event; `None` if it does not match.
    fn read<'r>(&'r self, row: &'r Row<'_>, routes: &'r Names) -> Result<Option<ScannedEvent<'r>>> {
        let number = |column| row.get::<_, Option<i64>>(column).sql();
        let time: i64 = row.get(1).sql()?;
        if time < self.from || time >= self.until {
            return Ok(None);
        }
        let type_id: i64 = row.get(2).sql()?;
        let name = match self.types.get(type_id as usize) {
            Some(Type::Counted(name)) => name,
            Some(Type::Exclusion) => return Ok(None),
            Some(Type::Unknown) | None => return Err(damaged("an activity has no type")),
        };
        let user = number(3)?;
        if (self.user.is_some() && user != self.user) || user.is_some_and(|user| self.is_excepted(user)) {
            return Ok(None);
        }
        let session = number(4)?;
        if self.session.is_some() && session != self.session {
            return Ok(None);
        }
        let visitor = number(5)?;
        if self.exclusion.iter().any(|exclusion| exclusion.has(type_id, user, visitor)) {
            return Ok(None);
        }
        if self.scan.needs_person && user.is_none() && visitor.is_none() {
            return Ok(None);
        }
        let event_type = ScannedName { number: type_id as u64, name };
        let sequence: i64 = row.get(0).sql()?;
        let mut event = ScannedEvent::new(sequence as u64, Timestamp::from_millis(time), event_type);
        event.user = user.map(|user| user as u64);
        event.visitor = visitor.map(|visitor| visitor as u64);
        event.session = session.filter(|_| self.scan.has_sessions).map(|session| session as u64);
        if self.scan.has_routes
            && let Some(route) = number(6)?
        {
            let name = routes.get(&route).ok_or_else(|| damaged("an activity has no route"))?;
            event.route = Some(ScannedName { number: route as u64, name });
        }
        if self.scan.has_data {
            let data = row.get_ref(7).sql()?.as_str_or_null();
            event.data = data.map_err(|error| damaged("data is no text").with_source(error))?;
        }
        Ok(Some(event))
    }

    fn leaves_out_user(&self, type_id: i64, user: i64) -> bool {
        self.is_excepted(user) || self.exclusion.iter().any(|exclusion| exclusion.has(type_id, Some(user), None))
    }

    fn is_excepted(&self, user: i64) -> bool {
        !self.excepted.is_empty() && self.excepted.contains(&user)
    }
}

/// The users of linked visitors, each looked up once.
struct Links<'a> {
    database: &'a Connection,
    known: HashMap<i64, Option<i64>, RandomState>,
}

const LINK: &str = "
    SELECT c.linked_to FROM visitors v JOIN consent_subjects c ON c.visitor = v.public_id WHERE v.id = ?1";

impl Links<'_> {
    fn user_of(&mut self, visitor: i64) -> Result<Option<i64>> {
        if let Some(known) = self.known.get(&visitor) {
            return Ok(*known);
        }
        let mut statement = self.database.prepare_cached(LINK).sql()?;
        let linked: Option<Option<i64>> = statement.query_row([visitor], |row| row.get(0)).optional().sql()?;
        self.known.insert(visitor, linked.flatten());
        Ok(linked.flatten())
    }
}

impl Numbers {
    /// People without events, and types that do not count, can be ignored.
    fn of(database: &Connection, exclusion: &Exclusion, types: &[Type]) -> Result<Self> {
        let mut numbers = Self { types: HashSet::default(), users: HashSet::default(), visitors: HashSet::default() };
        for (id, of_type) in (0..).zip(types) {
            if let Type::Counted(name) = of_type
                && exclusion.has_type(&EventType::new(name)?)
            {
                numbers.types.insert(id);
            }
        }
        for user in &exclusion.users {
            numbers.users.extend(find_user(database, user)?);
        }
        for visitor in &exclusion.visitors {
            numbers.visitors.extend(find_visitor(database, visitor)?);
        }
        Ok(numbers)
    }

    fn has(&self, event_type: i64, user: Option<i64>, visitor: Option<i64>) -> bool {
        let has_person = match (user, visitor) {
            (Some(user), _) => self.users.contains(&user),
            (None, Some(visitor)) => self.visitors.contains(&visitor),
            (None, None) => false,
        };
        has_person && self.types.contains(&event_type)
    }
}

// Each of the two reads one end of the table only.
const SEGMENTS: &str = "
    SELECT coalesce((SELECT min(sequence) FROM activities), 0), coalesce((SELECT max(sequence) FROM activities), 0)";

/// Returns the existing segments.
fn segments(database: &Connection) -> Result<RangeInclusive<i64>> {
    let shift = BLOCK_SHIFT + SEGMENT_SHIFT;
    let mut statement = database.prepare_cached(SEGMENTS).sql()?;
    let (first, last): (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).sql()?;
    Ok(first >> shift..=last >> shift)
}

// Every parameter must occur in every statement. There is one row for 1,024 events, so there is no
// limit.
const BLOCKS: &str = "
    SELECT b.block FROM activity_blocks b
    WHERE b.max_time >= :from AND b.min_time < :until AND (b.types & :type_bits) <> 0
        AND :user IS NULL AND :session IS NULL AND :segment = 0
    ORDER BY b.block";
const USER_BLOCKS: &str = "
    SELECT b.block FROM activity_user_blocks u CROSS JOIN activity_blocks b ON b.block = u.block
    WHERE u.segment = :segment AND u.user = :user AND :session IS NULL
        AND b.max_time >= :from AND b.min_time < :until AND (b.types & :type_bits) <> 0
    ORDER BY u.block";
const SESSION_BLOCKS: &str = "
    SELECT b.block FROM activity_session_blocks s CROSS JOIN activity_blocks b ON b.block = s.block
    WHERE s.session = :session AND (:user IS NULL OR :user IS NOT NULL) AND :segment = 0
        AND b.max_time >= :from AND b.min_time < :until AND (b.types & :type_bits) <> 0
    ORDER BY s.block";

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::UserId, model::analytics::Range, store::sqlite::activities};

    /// 100 blocks; user 7 is in the first, one in the middle and the last.
    fn database() -> Connection {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, external TEXT NOT NULL UNIQUE)").unwrap();
        database.execute_batch(activities::SCHEMA).unwrap();
        let rows = "
            INSERT INTO users VALUES (7, 'seven'), (8, 'eight');
            INSERT INTO event_types VALUES (1, 'often'), (2, 'seldom');
            WITH RECURSIVE n (n) AS (SELECT 1024 UNION ALL SELECT n + 1 FROM n WHERE n < 101 * 1024 - 1)
            INSERT INTO activities (sequence, time, type, user)
                SELECT n, n, iif(n IN (1500, 51300, 103000), 2, 1), iif(n IN (1500, 51300, 103000), 7, 8) FROM n;
            INSERT INTO activity_user_blocks SELECT DISTINCT 0, user, sequence >> 10 FROM activities;
            INSERT INTO activity_blocks
                SELECT sequence >> 10, min(time), max(time), sum(DISTINCT 1 << type) FROM activities GROUP BY 1;";
        database.execute_batch(rows).unwrap();
        database
    }

    fn range(from: i64, until: i64) -> Range {
        Range::new(Timestamp::from_millis(from), Timestamp::from_millis(until)).unwrap()
    }

    #[test]
    fn scan_reads_only_blocks_that_may_match() {
        let database = database();
        let everything = || Scan::new(range(0, i64::MAX));
        for (scan, runs) in [
            (everything(), vec![(1, 100)]),
            (Scan::new(range(2_048, 4_096)), vec![(2, 3)]),
            (everything().types([EventType::new("seldom").unwrap()]), vec![(1, 1), (50, 50), (100, 100)]),
            (everything().user(UserId::try_from("seven").unwrap()), vec![(1, 1), (50, 50), (100, 100)]),
            (Scan::new(range(51_300, 51_301)).user(UserId::try_from("seven").unwrap()), vec![(50, 50)]),
        ] {
            let meant = Meant::of(&database, &scan).unwrap().unwrap();
            assert_eq!(meant.runs(&database).unwrap(), runs, "{scan:?}");
        }
    }

    #[test]
    fn scan_ends_when_its_caller_has_left() {
        let database = database();
        let stop = Stop::default();
        let stopped = stop.flag();
        let counted = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (own, mut stop) = (counted.clone(), Some(stop));
        let mut each: EventVisitor = Box::new(move |_| {
            if own.fetch_add(1, Ordering::Relaxed) == 10 {
                drop(stop.take());
            }
            std::ops::ControlFlow::Continue(())
        });
        scan(&database, &Scan::new(range(0, i64::MAX)), &stopped, &mut each).unwrap();
        assert_eq!(counted.load(Ordering::Relaxed), 11);
        // It leaves no transaction open.
        assert!(database.is_autocommit());
    }

    #[test]
    fn scan_sorts_nothing_and_reads_only_the_table_of_blocks_fully() {
        let database = database();
        for sql in [&rows_sql(&Scan::new(range(0, 1)))[..], BLOCKS, USER_BLOCKS, SESSION_BLOCKS, SEGMENTS] {
            let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = statement.raw_query();
            let mut steps: Vec<String> = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get(3).unwrap());
            }
            let is_fine = |step: &String| !step.contains("TEMP B-TREE") && (!step.contains("SCAN ") || sql == BLOCKS);
            assert!(steps.iter().all(|step| is_fine(step) || step.contains("SCAN CONSTANT ROW")), "{steps:#?}");
        }
    }
}
