//! The methods of [`SessionStore`](crate::store::SessionStore) in SQL. Each runs in the writer's
//! transaction, or reads.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{credentials, sql::Sql, users};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, UserId},
    model::session::{
        Changes, CredentialEpoch, CredentialStamp, Device, Lifetime, Merge, OnSessionLimit, Realm, SessionCap,
        SessionData, SessionHead, SessionLimits, SessionRecord,
    },
    store::{Applied, ENDED_MEMORY, EpochRule, Loaded, Revocation, Rotation, Started, credential::credentials_changed},
    time::{Timestamp, to_millis},
};

/// The columns that [`read_head`] reads, in order, followed by others.
macro_rules! select_head {
    ($others:literal, $rest:literal) => {
        concat!(
            "SELECT s.public_id, u.external, s.created_at, s.authenticated_at, s.last_seen, s.idle, s.absolute, ",
            "s.persistent, s.device, s.address, s.realm, s.epoch, s.stamp",
            $others,
            " FROM sessions s LEFT JOIN users u ON u.id = s.user ",
            $rest
        )
    };
}

/// The columns that [`read_record`] reads, in order.
macro_rules! select {
    ($rest:literal) => {
        select_head!(", s.data, s.key", $rest)
    };
}

pub(super) const ENDED_SCHEMA: &str = "
    -- Whether somebody was logged in. Of older rows, which are gone in a minute, it is not known.
    ALTER TABLE ended_sessions ADD COLUMN logged_in INTEGER NOT NULL DEFAULT 0;
";

const LOAD: &str = select!("WHERE s.key = ?1");
const ENDED: &str = "SELECT realm, logged_in FROM ended_sessions WHERE key = ?1";

pub(super) fn load(database: &Connection, key: &SessionKey, realm: &Realm) -> Result<Loaded> {
    let found = database
        .prepare_cached(LOAD)
        .sql()?
        .query_row([key.as_bytes().as_slice()], |row| Ok(read_record(row)))
        .optional()
        .sql()?;
    if let Some(record) = found {
        let (_, record) = record?;
        return Ok(if record.head.realm == *realm { Loaded::Found(record) } else { Loaded::OtherRealm });
    }
    let mut ended = database.prepare_cached(ENDED).sql()?;
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    let ended = ended.query_row([key.as_bytes().as_slice()], read).optional().sql()?;
    Ok(match ended {
        Some((ended_in, logged_in)) if ended_in == realm.as_str() => Loaded::Ended { logged_in },
        Some(_) => Loaded::OtherRealm,
        None => Loaded::Unknown,
    })
}

// Uses `sessions_by_user`. Without the data: a thousand sessions may have 64 MB of it.
const LIST: &str = select_head!(
    "",
    "WHERE s.user = (SELECT id FROM users WHERE external = ?1) AND s.expires_at > ?2 \
     AND (?4 IS NULL OR s.realm = ?4) ORDER BY s.last_seen DESC, s.public_id DESC LIMIT ?3"
);

pub(super) fn list(
    database: &Connection,
    user: &UserId,
    realm: Option<&Realm>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<SessionHead>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = database.prepare_cached(LIST).sql()?;
    let parameters = params![user.as_str(), now.as_millis(), limit, realm.map(Realm::as_str)];
    let rows = statement.query_map(parameters, |row| Ok(read_head(row)));
    rows.sql()?.map(|row| row.sql()?).collect()
}

pub(super) fn data(database: &Connection, id: SessionId, now: Timestamp) -> Result<Option<SessionData>> {
    Ok(live(database, id, now)?.map(|(_, record)| record.data))
}

pub(super) fn insert(
    database: &Connection,
    key: &SessionKey,
    mut record: SessionRecord,
    cap: SessionCap,
    epoch: EpochRule,
    now: Timestamp,
) -> Result<Started> {
    let mut ended = admit_epoch(database, &mut record.head, epoch, None, now)?;
    ended.extend(enforce_cap(database, &record.head, None, cap, now)?);
    put(database, key, &record)?;
    Ok(Started { record, ended })
}

// Uses the index of the UNIQUE column.
const LIVE: &str = select!("WHERE s.public_id = ?1 AND s.expires_at > ?2");
const SET_DATA: &str = "UPDATE sessions SET data = ?2, bytes = ?3 WHERE public_id = ?1";

pub(super) fn apply(
    database: &Connection,
    id: SessionId,
    changes: &Changes,
    limits: &SessionLimits,
    now: Timestamp,
) -> Result<Applied> {
    let Some((key, mut record)) = live(database, id, now)? else { return Ok(Applied::Ended) };
    let Merge::Merged(data) = changes.merge(&record.data, limits)? else { return Ok(Applied::Mismatch(record)) };
    let mut statement = database.prepare_cached(SET_DATA).sql()?;
    statement.execute(params![id.as_uuid().as_bytes().as_slice(), data.to_json(), data.bytes() as i64]).sql()?;
    record.data = data;
    Ok(Applied::Merged { key, record })
}

const TOUCH: &str = "
    UPDATE sessions SET
        last_seen = max(last_seen, ?2),
        expires_at = min(max(last_seen, ?2) + idle, created_at + absolute)
    WHERE public_id = ?1 AND expires_at > ?2";

pub(super) fn touch(database: &Connection, id: SessionId, now: Timestamp) -> Result<bool> {
    let mut statement = database.prepare_cached(TOUCH).sql()?;
    let touched = statement.execute(params![id.as_uuid().as_bytes().as_slice(), now.as_millis()]).sql()?;
    Ok(touched > 0)
}

pub(super) fn rotate(
    database: &Connection,
    rotation: Rotation,
    limits: &SessionLimits,
    cap: SessionCap,
    now: Timestamp,
) -> Result<Option<Started>> {
    let Some((key, record)) = live(database, rotation.id, now)? else { return Ok(None) };
    if key != rotation.key || record.head.realm != rotation.head.realm {
        return Ok(None);
    }
    let Merge::Merged(data) = rotation.changes.merge(&record.data, limits)? else {
        return Err(Error::new(ErrorKind::Conflict, "a session value was changed in parallel"));
    };
    let mut head = rotation.head;
    let mut ended = admit_epoch(database, &mut head, rotation.epoch, Some(rotation.id), now)?;
    ended.extend(enforce_cap(database, &head, Some(rotation.id), cap, now)?);
    if rotation.new_key == key {
        database.prepare_cached(REMOVE).sql()?.execute([rotation.id.as_uuid().as_bytes().as_slice()]).sql()?;
    } else {
        delete(database, rotation.id, now)?;
    }
    let record = SessionRecord { head, data };
    put(database, &rotation.new_key, &record)?;
    Ok(Some(Started { record, ended }))
}

/// Deletes a session whose key stays in use.
const REMOVE: &str = "DELETE FROM sessions WHERE public_id = ?1";

const ADD_ENDED: &str =
    "INSERT OR REPLACE INTO ended_sessions (key, ended_at, realm, logged_in) VALUES (?1, ?2, ?3, ?4)";
const DELETE: &str = "DELETE FROM sessions WHERE public_id = ?1 RETURNING key, realm, user IS NOT NULL";

pub(super) fn delete(database: &Connection, id: SessionId, now: Timestamp) -> Result<Option<SessionKey>> {
    let mut statement = database.prepare_cached(DELETE).sql()?;
    let id = id.as_uuid().as_bytes().as_slice();
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?));
    let ended = statement.query_row([id], read).optional().sql()?;
    let Some((key, realm, logged_in)) = ended else { return Ok(None) };
    let key = SessionKey::from_bytes(key);
    let mut statement = database.prepare_cached(ADD_ENDED).sql()?;
    statement.execute(params![key.as_bytes().as_slice(), now.as_millis(), realm, logged_in]).sql()?;
    Ok(Some(key))
}

// Uses `sessions_by_user`.
const OTHERS: &str = "
    SELECT public_id FROM sessions
    WHERE user = (SELECT id FROM users WHERE external = ?1) AND realm = ?2 AND public_id IS NOT ?3";

/// Ends all sessions of the user in the realm except one, and returns them.
pub(super) fn end_others(
    database: &Connection,
    realm: &Realm,
    user: &UserId,
    kept: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    let kept = kept.map(|id| id.as_uuid().as_bytes().to_vec());
    let mut statement = database.prepare_cached(OTHERS).sql()?;
    let others = statement.query_map(params![user.as_str(), realm.as_str(), kept], |row| row.get(0)).sql()?;
    let others = others.map(|id| Ok(SessionId::from(Uuid::from_bytes(id.sql()?)))).collect::<Result<Vec<_>>>()?;
    for id in &others {
        delete(database, *id, now)?;
    }
    Ok(others)
}

/// The condition of a revocation, with its parameters from ?2 on: once to remember the keys of
/// logged-in sessions and once to delete the rows.
macro_rules! revocation {
    ($condition:literal) => {
        (
            concat!(
                "INSERT OR REPLACE INTO ended_sessions (key, ended_at, realm, logged_in) ",
                "SELECT key, ?1, realm, 1 FROM sessions WHERE user IS NOT NULL AND ",
                $condition
            ),
            concat!("DELETE FROM sessions WHERE ?1 = ?1 AND ", $condition),
        )
    };
}

pub(super) fn revoke(database: &Connection, revocation: &Revocation, now: Timestamp) -> Result<u64> {
    credentials::raise_with(database, revocation)?;
    let bytes = |id: &SessionId| Some(id.as_uuid().as_bytes().to_vec());
    let ((remember, delete), realm, user, id) = match revocation {
        Revocation::One(realm, user, id) => (
            revocation!("user = (SELECT id FROM users WHERE external = ?3) AND realm = ?2 AND public_id = ?4"),
            Some(realm),
            Some(user),
            bytes(id),
        ),
        Revocation::Others(realm, user, id) => (
            revocation!("user = (SELECT id FROM users WHERE external = ?3) AND realm = ?2 AND public_id <> ?4"),
            Some(realm),
            Some(user),
            bytes(id),
        ),
        Revocation::User(realm, user) => (
            revocation!("user = (SELECT id FROM users WHERE external = ?3) AND realm = ?2 AND ?4 IS NULL"),
            Some(realm),
            Some(user),
            None,
        ),
        Revocation::All(realm) => (revocation!("realm = ?2 AND ?3 IS NULL AND ?4 IS NULL"), Some(realm), None, None),
        Revocation::Erased(user) => (
            revocation!("user = (SELECT id FROM users WHERE external = ?3) AND ?2 IS NULL AND ?4 IS NULL"),
            None,
            Some(user),
            None,
        ),
    };
    let parameters = params![now.as_millis(), realm.map(Realm::as_str), user.map(UserId::as_str), id];
    database.prepare_cached(remember).and_then(|mut statement| statement.execute(parameters)).sql()?;
    let ended = database.prepare_cached(delete).and_then(|mut statement| statement.execute(parameters)).sql()?;
    Ok(ended as u64)
}

// Uses `sessions_by_expiry` and `ended_sessions_by_time`.
const DELETE_EXPIRED: &str = "
    DELETE FROM sessions WHERE id IN
        (SELECT id FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
const DELETE_ENDED: &str = "
    DELETE FROM ended_sessions WHERE key IN
        (SELECT key FROM ended_sessions WHERE ended_at < ?1 ORDER BY ended_at LIMIT ?2)";

pub(super) fn delete_expired(database: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut evict = database.prepare_cached(DELETE_ENDED).sql()?;
    evict.execute(params![now.as_millis().saturating_sub(to_millis(ENDED_MEMORY)), limit]).sql()?;
    let mut delete_expired = database.prepare_cached(DELETE_EXPIRED).sql()?;
    delete_expired.execute(params![now.as_millis(), limit]).sql()
}

fn live(database: &Connection, id: SessionId, now: Timestamp) -> Result<Option<(SessionKey, SessionRecord)>> {
    let mut statement = database.prepare_cached(LIVE).sql()?;
    let found = statement
        .query_row(params![id.as_uuid().as_bytes().as_slice(), now.as_millis()], |row| Ok(read_record(row)))
        .optional();
    found.sql()?.transpose()
}

// Uses `sessions_by_user`. The first ?4 sessions may stay.
const OVER_CAP: &str = "
    SELECT public_id FROM sessions
    WHERE user = (SELECT id FROM users WHERE external = ?1) AND realm = ?5 AND expires_at > ?2
        AND public_id IS NOT ?3
    ORDER BY last_seen DESC, public_id DESC LIMIT -1 OFFSET ?4";

/// Ends the sessions that must end so that `head` fits under the cap; `replaced` ends anyway.
fn enforce_cap(
    database: &Connection,
    head: &SessionHead,
    replaced: Option<SessionId>,
    cap: SessionCap,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    let Some(user) = &head.user else { return Ok(Vec::new()) };
    let replaced = replaced.map(|id| id.as_uuid().as_bytes().to_vec());
    let room = i64::from(cap.max) - 1;
    let mut statement = database.prepare_cached(OVER_CAP).sql()?;
    let parameters = params![user.as_str(), now.as_millis(), replaced, room.max(0), head.realm.as_str()];
    let over = statement.query_map(parameters, |row| row.get(0)).sql()?;
    let over = over.map(|id| Ok(SessionId::from(Uuid::from_bytes(id.sql()?)))).collect::<Result<Vec<_>>>()?;
    if cap.on_limit == OnSessionLimit::Refuse && !over.is_empty() {
        return Err(cap.exceeded());
    }
    for id in &over {
        delete(database, *id, now)?;
    }
    Ok(over)
}

const PUT: &str = "
    INSERT INTO sessions (public_id, key, user, created_at, authenticated_at, last_seen, idle, absolute, persistent,
        expires_at, device, address, data, realm, epoch, bytes, stamp)
    VALUES (?1, ?2, (SELECT id FROM users WHERE external = ?3), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
        ?16, ?17)
    ON CONFLICT DO NOTHING";

/// 285,000 years, in milliseconds: sums of times in SQL must not overflow.
const LONGEST: i64 = 1 << 53;

fn put(database: &Connection, key: &SessionKey, record: &SessionRecord) -> Result<()> {
    let head = &record.head;
    if let Some(user) = &head.user {
        users::intern(database, user)?;
    }
    let mut statement = database.prepare_cached(PUT).sql()?;
    let inserted = statement.execute(params![
        head.id.as_uuid().as_bytes().as_slice(),
        key.as_bytes().as_slice(),
        head.user.as_ref().map(UserId::as_str),
        head.created_at.as_millis(),
        head.authenticated_at.map(Timestamp::as_millis),
        head.last_seen.as_millis(),
        to_millis(head.lifetime.idle).min(LONGEST),
        to_millis(head.lifetime.absolute).min(LONGEST),
        head.lifetime.persistent,
        head.expires_at().as_millis(),
        head.device.as_ref().map(Device::as_str),
        head.address.map(|address| address.to_string()),
        record.data.to_json(),
        head.realm.as_str(),
        head.epoch.number() as i64,
        record.data.bytes() as i64,
        head.stamp.as_ref().map(|stamp| stamp.as_bytes().as_slice()),
    ]);
    match inserted.sql()? {
        0 => Err(Error::new(ErrorKind::Conflict, "the session key or id is taken")),
        _ => Ok(()),
    }
}

/// Reads a row of [`select!`]. There are two kinds of errors: SQLite's, and values that this crate
/// never wrote.
fn read_record(row: &Row<'_>) -> Result<(SessionKey, SessionRecord)> {
    let head = read_head(row)?;
    let data = row.get_ref(13).sql()?;
    let data =
        data.as_str().map_err(|error| Error::new(ErrorKind::Corrupt, "session data is no text").with_source(error))?;
    let key = SessionKey::from_bytes(row.get(14).sql()?);
    Ok((key, SessionRecord { head, data: SessionData::from_json(data.as_bytes())? }))
}

fn read_head(row: &Row<'_>) -> Result<SessionHead> {
    let user: Option<String> = row.get(1).sql()?;
    let authenticated_at: Option<i64> = row.get(3).sql()?;
    let device: Option<String> = row.get(8).sql()?;
    let address: Option<String> = row.get(9).sql()?;
    let time = |column| row.get(column).map(Timestamp::from_millis).sql();
    let duration =
        |column| row.get::<_, i64>(column).map(|millis| std::time::Duration::from_millis(millis.unsigned_abs())).sql();
    let mut lifetime = Lifetime::new(duration(5)?, duration(6)?);
    lifetime.persistent = row.get(7).sql()?;
    let mut head = SessionHead::new(SessionId::from(Uuid::from_bytes(row.get(0).sql()?)), time(2)?, lifetime);
    head.user = user.map(UserId::try_from).transpose()?;
    head.authenticated_at = authenticated_at.map(Timestamp::from_millis);
    head.last_seen = time(4)?;
    head.device = device.as_deref().map(Device::from_words);
    head.address = address.as_deref().map(str::parse).transpose()?;
    let realm = row
        .get_ref(10)
        .sql()?
        .as_str()
        .map_err(|error| Error::new(ErrorKind::Corrupt, "the realm of a session is no text").with_source(error))?;
    head.realm = Realm::try_from(realm)?;
    head.epoch = CredentialEpoch::from_number(row.get::<_, i64>(11).sql()?.unsigned_abs());
    head.stamp = row.get::<_, Option<[u8; 16]>>(12).sql()?.map(CredentialStamp::from_bytes);
    Ok(head)
}

/// Sets the epoch of a new session in the transaction that creates it. Returns the other sessions
/// that end with it.
fn admit_epoch(
    database: &Connection,
    head: &mut SessionHead,
    rule: EpochRule,
    replaced: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    let Some(user) = &head.user else {
        head.epoch = CredentialEpoch::default();
        return Ok(Vec::new());
    };
    match rule {
        EpochRule::Keep => {}
        EpochRule::Stamp => head.epoch = credentials::current(database, &head.realm, Some(user))?,
        EpochRule::Compare if credentials::current(database, &head.realm, Some(user))? == head.epoch => {}
        EpochRule::Compare => return Err(credentials_changed()),
        EpochRule::Raise => {
            head.epoch = credentials::raise(database, &head.realm, Some(user))?;
            return end_others(database, &head.realm, user, replaced, now);
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::sqlite::{SqliteStore, connection::open_for_writing};

    #[test]
    fn sqlite_compiles_a_statement_once_for_all_parameters() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::builder(directory.path().join("guestbook.db"));
        let database = open_for_writing(&store.settings).unwrap();
        for value in 0..10 {
            assert_eq!(
                load(&database, &SessionKey::from_bytes([value; 32]), &Realm::default()).unwrap(),
                Loaded::Unknown
            );
        }
        for text in [LOAD, ENDED] {
            let statement = database.prepare_cached(text).unwrap();
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{text}");
            assert_eq!(statement.get_status(StatementStatus::Run), 10, "it is the statement that ran");
        }
    }
}
