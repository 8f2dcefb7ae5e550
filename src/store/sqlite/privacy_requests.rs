//! The methods of [`PrivacyRequestStore`](crate::store::PrivacyRequestStore) in SQL: one row per
//! request.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{audit, database::Database, restrictions, sql::Sql, users};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditNote, PrivacyRequest, Pseudonym, RequestId, RequestKind, RequestSubject, StoredRequest},
    store::{FiledRequest, RequestCounts, RequestQuery, request::nameless},
    time::Timestamp,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE requests (
        id BLOB PRIMARY KEY,
        kind TEXT NOT NULL,
        user INTEGER REFERENCES users (id),
        -- Whose it was, when the user is erased.
        pseudonym BLOB,
        received_at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        grace_until INTEGER,
        closed_at INTEGER,
        version INTEGER NOT NULL,
        -- See `PrivacyRequest::to_json`.
        body TEXT NOT NULL,
        CHECK ((user IS NULL) <> (pseudonym IS NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX requests_by_user ON requests (user) WHERE user IS NOT NULL;
    -- One of a kind.
    CREATE UNIQUE INDEX requests_open ON requests (user, kind) WHERE closed_at IS NULL;
    CREATE INDEX requests_by_end ON requests (closed_at) WHERE closed_at IS NOT NULL;
";

/// The columns that [`read`] reads, in order.
macro_rules! select {
    ($source:literal, $rest:literal) => {
        concat!(
            "SELECT r.id, r.kind, u.external, r.pseudonym, r.received_at, r.due_at, r.closed_at, r.version, r.body ",
            "FROM privacy_requests r ",
            $source,
            " LEFT JOIN users u ON u.id = r.user WHERE ",
            $rest
        )
    };
}

const OPEN: &str =
    select!("", "r.user = (SELECT id FROM users WHERE external = ?1) AND r.kind = ?2 AND r.closed_at IS NULL");
const ADD: &str = "
    INSERT INTO privacy_requests (id, kind, user, received_at, due_at, grace_until, closed_at, version, body)
    VALUES (?1, ?2, (SELECT id FROM users WHERE external = ?3), ?4, ?5, ?6, ?7, ?8, ?9)";

pub(super) fn file(
    database: &Connection,
    request: PrivacyRequest,
    note: &AuditNote,
    now: Timestamp,
) -> Result<FiledRequest> {
    let user = request.user().ok_or_else(nameless)?;
    users::intern(database, user)?;
    if let Some(open) = one(database, OPEN, params![user.as_str(), request.kind.as_str()])? {
        return Ok(FiledRequest::duplicate_of(open));
    }
    audit::append(database, note, now)?;
    let row = params![
        request.id.as_uuid().as_bytes().as_slice(),
        request.kind.as_str(),
        user.as_str(),
        request.received_at.as_millis(),
        request.due_at.as_millis(),
        request.grace_until().map(Timestamp::as_millis),
        request.closed_at.map(Timestamp::as_millis),
        request.version as i64,
        request.to_json(),
    ];
    database.prepare_cached(ADD).and_then(|mut statement| statement.execute(row)).sql()?;
    Ok(FiledRequest::new(request))
}

/// Returns whether the user has confirmed an erasure that is not done yet.
pub(super) fn await_erasure(database: &Connection, user: &UserId) -> Result<bool> {
    let open = one(database, OPEN, params![user.as_str(), RequestKind::Erasure.as_str()])?;
    Ok(open.is_some_and(|request| request.grace_until().is_some()))
}

const ONE: &str = select!("", "r.id = ?1");

pub(super) fn load(database: &Connection, id: RequestId) -> Result<Option<PrivacyRequest>> {
    one(database, ONE, params![id.as_uuid().as_bytes().as_slice()])
}

pub(super) fn change(
    database: &Database,
    request: &PrivacyRequest,
    expected: u64,
    note: &AuditNote,
    now: Timestamp,
) -> Result<bool> {
    let Some(stored) = load(database, request.id)?.filter(|stored| stored.version == expected) else {
        return Ok(false);
    };
    audit::append(database, note, now)?;
    if let Some(user) = stored.user() {
        let before = restrictions::of_user(database, user)?;
        let after = request.restriction(&stored.state, before, now);
        if before != after {
            restrictions::set(database, user, after)?;
        }
    }
    store(database, request)?;
    Ok(true)
}

const STORE: &str = "
    UPDATE privacy_requests SET due_at = ?2, grace_until = ?3, closed_at = ?4, version = ?5, body = ?6,
        user = iif(?7 IS NULL, user, NULL), pseudonym = ?7 WHERE id = ?1";

fn store(database: &Connection, request: &PrivacyRequest) -> Result<()> {
    let pseudonym = match &request.subject {
        RequestSubject::User(_) => None,
        RequestSubject::Pseudonym(pseudonym) => Some(pseudonym.as_bytes().as_slice()),
    };
    let row = params![
        request.id.as_uuid().as_bytes().as_slice(),
        request.due_at.as_millis(),
        request.grace_until().map(Timestamp::as_millis),
        request.closed_at.map(Timestamp::as_millis),
        request.version as i64,
        request.to_json(),
        pseudonym,
    ];
    database.prepare_cached(STORE).and_then(|mut statement| statement.execute(row)).sql()?;
    Ok(())
}

/// The conditions of a page beside its index. Every parameter must occur in every statement.
macro_rules! list {
    ($source:literal, $condition:literal) => {
        concat!(
            select!($source, $condition),
            " AND r.id > ?1 AND (?2 IS NULL OR u.external = ?2) AND (?3 IS NULL OR r.kind = ?3) ",
            "AND (?4 = 0 OR r.closed_at IS NULL) AND (?5 IS NULL OR r.closed_at IS NULL AND r.due_at < ?5) ",
            "AND (?6 IS NULL OR r.closed_at IS NULL AND r.grace_until <= ?6) ORDER BY r.id LIMIT ?7"
        )
    };
}

const ALL: &str = list!("", "1");
const OF_USER: &str = list!("", "r.user = (SELECT id FROM users WHERE external = ?2)");
// Open requests are few, however many were closed in the past.
const ALL_OPEN: &str = list!("INDEXED BY privacy_requests_open", "r.closed_at IS NULL");

pub(super) fn list(database: &Connection, query: &RequestQuery) -> Result<Vec<PrivacyRequest>> {
    let is_open = query.is_open || query.overdue_at.is_some() || query.grace_over_at.is_some();
    let sql = match &query.user {
        Some(_) => OF_USER,
        None if is_open => ALL_OPEN,
        None => ALL,
    };
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    let row = params![
        query.after.map_or(Vec::new(), |after| after.as_uuid().as_bytes().to_vec()),
        query.user.as_ref().map(UserId::as_str),
        query.kind.map(RequestKind::as_str),
        query.is_open,
        millis(query.overdue_at),
        millis(query.grace_over_at),
        i64::try_from(query.limit).unwrap_or(i64::MAX),
    ];
    let mut statement = database.prepare_cached(sql).sql()?;
    let rows = statement.query_map(row, |row| Ok(read(row))).sql()?;
    rows.map(|row| row.sql()?).collect()
}

const COUNT: &str = "
    SELECT count(*), ifnull(sum(due_at < ?1), 0) FROM privacy_requests INDEXED BY privacy_requests_open WHERE closed_at IS NULL";

pub(super) fn count(database: &Connection, now: Timestamp) -> Result<RequestCounts> {
    let mut statement = database.prepare_cached(COUNT).sql()?;
    let (open, overdue): (i64, i64) =
        statement.query_row([now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?))).sql()?;
    Ok(RequestCounts { open: open as u64, overdue: overdue as u64 })
}

const DELETE_CLOSED: &str = "
    DELETE FROM privacy_requests WHERE id IN
        (SELECT id FROM privacy_requests WHERE closed_at IS NOT NULL AND closed_at < ?1 ORDER BY closed_at LIMIT ?2)";

pub(super) fn evict(database: &Connection, closed_before: Timestamp, limit: usize) -> Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let row = [closed_before.as_millis(), limit];
    database.prepare_cached(DELETE_CLOSED).and_then(|mut statement| statement.execute(row)).sql()
}

/// Answers the request for an erasure in part: the remaining data is held.
pub(super) fn erased_in_part(database: &Connection, user: &UserId, now: Timestamp) -> Result<()> {
    if let Some(mut request) = one(database, OPEN, params![user.as_str(), RequestKind::Erasure.as_str()])?
        && request.settle(true, now)
    {
        store(database, &request)?;
    }
    Ok(())
}

const THEIRS: &str = select!("", "r.user = (SELECT id FROM users WHERE external = ?1) ORDER BY r.id");

/// Answers the request for an erasure in full. A user has a handful of requests.
pub(super) fn evict_user(database: &Connection, user: &UserId, pseudonym: Pseudonym, now: Timestamp) -> Result<()> {
    let mut statement = database.prepare_cached(THEIRS).sql()?;
    let rows = statement.query_map([user.as_str()], |row| Ok(read(row))).sql()?;
    let theirs: Vec<PrivacyRequest> = rows.map(|row| row.sql()?).collect::<Result<_>>()?;
    for mut request in theirs {
        request.evict_user(pseudonym, now);
        store(database, &request)?;
    }
    Ok(())
}

fn one(database: &Connection, sql: &str, row: impl rusqlite::Params) -> Result<Option<PrivacyRequest>> {
    let mut statement = database.prepare_cached(sql).sql()?;
    statement.query_row(row, |row| Ok(read(row))).optional().sql()?.transpose()
}

/// Reads a row of [`select!`].
fn read(row: &Row<'_>) -> Result<PrivacyRequest> {
    let time = |column| row.get::<_, i64>(column).map(Timestamp::from_millis).sql();
    let damaged = || Error::new(ErrorKind::Corrupt, "a stored request is damaged");
    let (kind, user): (String, Option<String>) = (row.get(1).sql()?, row.get(2).sql()?);
    let subject = match user {
        Some(user) => RequestSubject::User(UserId::try_from(user).map_err(|error| damaged().with_source(error))?),
        None => RequestSubject::Pseudonym(Pseudonym::from_bytes(row.get(3).sql()?)),
    };
    let stored = StoredRequest {
        id: Uuid::from_bytes(row.get(0).sql()?).into(),
        kind: RequestKind::from_name(&kind).ok_or_else(damaged)?,
        subject,
        received_at: time(4)?,
        due_at: time(5)?,
        closed_at: row.get::<_, Option<i64>>(6).sql()?.map(Timestamp::from_millis),
        version: row.get::<_, i64>(7).sql()? as u64,
    };
    PrivacyRequest::stored(stored, row.get::<_, String>(8).sql()?.as_bytes())
}
