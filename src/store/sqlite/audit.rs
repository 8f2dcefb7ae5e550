//! The methods of [`AuditStore`](crate::store::AuditStore) in SQL. The triggers do not stop an
//! attacker who can change the schema; they prevent mistakes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::sql::Sql;
use crate::{
    error::Result,
    id::UserId,
    model::privacy::{
        Actor, AuditCheckpoint, AuditEntry, AuditHash, AuditHead, AuditKey, AuditNote, AuditPayload, AuditRow,
        AuditVerifier, Pseudonym,
    },
    store::{
        audit::not_intact,
        sqlite::{secret, tombstones},
    },
    time::Timestamp,
};

pub(super) const SCHEMA: &str = "
    -- The chain. It names nobody: actors and subjects are keyed hashes.
    CREATE TABLE audit_entries (
        sequence INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        action TEXT NOT NULL,
        actor_kind TEXT NOT NULL,
        actor BLOB,
        subject BLOB,
        commitment BLOB NOT NULL,
        previous BLOB NOT NULL,
        mac BLOB NOT NULL
    ) STRICT;
    -- For pages about somebody, and to find the payloads that go with them.
    CREATE INDEX audit_entries_by_subject ON audit_entries (subject) WHERE subject IS NOT NULL;
    CREATE INDEX audit_entries_by_actor ON audit_entries (actor) WHERE actor IS NOT NULL;

    -- What entries say in clear; no foreign key, as it can go while the entry stays.
    CREATE TABLE audit_payloads (
        sequence INTEGER PRIMARY KEY,
        salt BLOB NOT NULL,
        payload TEXT NOT NULL
    ) STRICT;

    -- Up to where entries were dropped; one row at most.
    CREATE TABLE audit_checkpoint (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        sequence INTEGER NOT NULL,
        mac BLOB NOT NULL,
        at INTEGER NOT NULL,
        seal BLOB NOT NULL
    ) STRICT;

    CREATE TRIGGER audit_entries_follow BEFORE INSERT ON audit_entries
        WHEN NEW.sequence IS NOT 1 + coalesce((SELECT max(sequence) FROM audit_entries),
            (SELECT sequence FROM audit_checkpoint), 0)
        BEGIN SELECT RAISE(ABORT, 'an entry follows the last one'); END;
    CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER audit_entries_go_with_a_checkpoint BEFORE DELETE ON audit_entries
        WHEN OLD.sequence > coalesce((SELECT sequence FROM audit_checkpoint), 0)
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER audit_payloads_stay BEFORE UPDATE ON audit_payloads
        BEGIN SELECT RAISE(ABORT, 'a payload is erased or stays as it is'); END;
    CREATE TRIGGER audit_checkpoint_goes_forward BEFORE UPDATE ON audit_checkpoint WHEN NEW.sequence <= OLD.sequence
        BEGIN SELECT RAISE(ABORT, 'a checkpoint goes forward'); END;
    CREATE TRIGGER audit_checkpoint_stays BEFORE DELETE ON audit_checkpoint
        BEGIN SELECT RAISE(ABORT, 'a checkpoint stays'); END;
";

const ADD: &str = "
    INSERT INTO audit_entries (sequence, at, action, actor_kind, actor, subject, commitment, previous, mac)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const ADD_PAYLOAD: &str = "INSERT INTO audit_payloads (sequence, salt, payload) VALUES (?1, ?2, ?3)";

/// Appends a note to the trail, in the transaction of the recorded change.
pub(super) fn append(database: &Connection, note: &AuditNote, now: Timestamp) -> Result<()> {
    record(database, note, now).map(drop)
}

pub(super) fn record(database: &Connection, note: &AuditNote, now: Timestamp) -> Result<AuditHead> {
    let secret = secret::make(database)?;
    let AuditRow { entry, payload, .. } = AuditRow::new(note, &head(database)?, &secret, now)?;
    let bytes = |of: &Option<Pseudonym>| of.map(|pseudonym| pseudonym.as_bytes().to_vec());
    let row = params![
        entry.sequence as i64,
        entry.at.as_millis(),
        entry.action.as_str(),
        entry.actor_kind.as_str(),
        bytes(&entry.actor),
        bytes(&entry.subject),
        entry.commitment.as_bytes().as_slice(),
        entry.previous.as_bytes().as_slice(),
        entry.mac.as_bytes().as_slice(),
    ];
    database.prepare_cached(ADD).and_then(|mut statement| statement.execute(row)).sql()?;
    if let (Some(payload), false) = (payload, names_somebody_erased(database, note)?) {
        let row = params![entry.sequence as i64, payload.salt, payload.text];
        database.prepare_cached(ADD_PAYLOAD).and_then(|mut statement| statement.execute(row)).sql()?;
    }
    Ok(entry.head())
}

fn names_somebody_erased(database: &Connection, note: &AuditNote) -> Result<bool> {
    let actor = match &note.actor {
        Actor::User(user) => Some(user),
        Actor::System | Actor::Operator(_) => None,
    };
    for user in note.subject.iter().chain(actor) {
        if tombstones::of_user(database, user)?.is_some_and(|erasure| erasure.finished_at.is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The columns that [`read`] reads, in order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT e.sequence, e.at, e.action, e.actor_kind, e.actor, e.subject, e.commitment, e.previous, e.mac, ",
            "p.salt, p.payload FROM audit_entries e LEFT JOIN audit_payloads p ON p.sequence = e.sequence ",
            $rest
        )
    };
}

const PAGE: &str = select!("WHERE e.sequence > ?1 ORDER BY e.sequence LIMIT ?2");
const PAGE_ABOUT: &str = select!("WHERE e.subject = ?3 AND e.sequence > ?1 ORDER BY e.sequence LIMIT ?2");

pub(super) fn page(database: &Connection, after: u64, limit: usize, subject: Option<&UserId>) -> Result<Vec<AuditRow>> {
    let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
    let Some(subject) = subject else {
        let mut statement = database.prepare_cached(PAGE).sql()?;
        return statement.query_map([after, limit], read).sql()?.map(Sql::sql).collect();
    };
    // Without a secret there is no entry.
    let Some(secret) = secret::load(database)? else { return Ok(Vec::new()) };
    let about = Pseudonym::of(subject, &secret);
    let mut statement = database.prepare_cached(PAGE_ABOUT).sql()?;
    statement.query_map(params![after, limit, about.as_bytes().as_slice()], read).sql()?.map(Sql::sql).collect()
}

const LAST: &str = "SELECT sequence, mac FROM audit_entries ORDER BY sequence DESC LIMIT 1";

pub(super) fn head(database: &Connection) -> Result<AuditHead> {
    let last = database.prepare_cached(LAST).sql()?.query_row([], read_head).optional().sql()?;
    match last {
        Some(last) => Ok(last),
        None => Ok(checkpoint(database)?.map_or(AuditHead::BEGINNING, |checkpoint| checkpoint.head())),
    }
}

const CHECKPOINT: &str = "SELECT sequence, mac, at, signature FROM audit_checkpoint ORDER BY one LIMIT 1";

pub(super) fn checkpoint(database: &Connection) -> Result<Option<AuditCheckpoint>> {
    let read = |row: &Row<'_>| {
        let at = Timestamp::from_millis(row.get(2)?);
        Ok(AuditCheckpoint::stored(read_head(row)?, at, AuditHash::stored(&row.get::<_, Vec<u8>>(3)?)))
    };
    database.prepare_cached(CHECKPOINT).sql()?.query_row([], read).optional().sql()
}

const SET_CHECKPOINT: &str = "
    INSERT INTO audit_checkpoint (one, sequence, mac, at, signature) VALUES (1, ?1, ?2, ?3, ?4)
    ON CONFLICT (one) DO UPDATE SET sequence = excluded.sequence, mac = excluded.mac, at = excluded.at, signature = excluded.signature";
const DROP_PAYLOADS: &str = "DELETE FROM audit_payloads WHERE sequence <= ?1";
const DROP: &str = "DELETE FROM audit_entries WHERE sequence <= ?1";

pub(super) fn evict(
    database: &Connection,
    before: Timestamp,
    limit: usize,
    key: &AuditKey,
    now: Timestamp,
) -> Result<usize> {
    let mut old = page(database, 0, limit, None)?;
    old.truncate(old.iter().take_while(|row| row.entry.at < before).count());
    if old.is_empty() {
        return Ok(0);
    }
    let mut verifier = AuditVerifier::new(key.clone(), checkpoint(database)?.as_ref(), None);
    old.iter().for_each(|row| verifier.feed(row));
    let report = verifier.finish();
    if let Some(fault) = report.fault {
        return Err(not_intact(fault));
    }
    let checkpoint = AuditCheckpoint::new(report.head, key, now);
    let sequence = checkpoint.sequence as i64;
    let (mac, signature) = (checkpoint.mac.as_bytes().as_slice(), checkpoint.signature.as_bytes().as_slice());
    let row = params![sequence, mac, now.as_millis(), signature];
    database.prepare_cached(SET_CHECKPOINT).and_then(|mut statement| statement.execute(row)).sql()?;
    for sql in [DROP_PAYLOADS, DROP] {
        database.prepare_cached(sql).and_then(|mut statement| statement.execute([sequence])).sql()?;
    }
    Ok(old.len())
}

// Each half uses its index, and reads only entries with a payload.
const THEIRS: &str = "
    SELECT p.sequence FROM audit_entries e JOIN audit_payloads p ON p.sequence = e.sequence WHERE e.subject = ?1
    UNION SELECT p.sequence FROM audit_entries e JOIN audit_payloads p ON p.sequence = e.sequence WHERE e.actor = ?1
    ORDER BY 1 LIMIT ?2";
const ERASE: &str = "DELETE FROM audit_payloads WHERE sequence = ?1";

/// Erases at most `limit` payloads of entries whose subject or actor is this person. Returns
/// whether none is left.
pub(super) fn erase(database: &Connection, whose: Pseudonym, limit: usize) -> Result<bool> {
    // One more than the limit shows whether any are left.
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut statement = database.prepare_cached(THEIRS).sql()?;
    let theirs = statement.query_map(params![whose.as_bytes().as_slice(), most], |row| row.get(0)).sql()?;
    let theirs: Vec<i64> = theirs.collect::<rusqlite::Result<_>>().sql()?;
    for sequence in theirs.iter().take(limit) {
        database.prepare_cached(ERASE).and_then(|mut statement| statement.execute([*sequence])).sql()?;
    }
    Ok(theirs.len() <= limit)
}

/// Reads a row of [`select!`], even if it was tampered with.
fn read(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let bytes = |column| row.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from);
    let perhaps = |column| row.get_ref(column)?.as_bytes_or_null().map_err(rusqlite::Error::from);
    let text = |column| bytes(column).map(String::from_utf8_lossy);
    let entry = AuditEntry::stored(
        row.get::<_, i64>(0)? as u64,
        Timestamp::from_millis(row.get(1)?),
        (&text(2)?, &text(3)?),
        [perhaps(4)?, perhaps(5)?],
        [bytes(6)?, bytes(7)?, bytes(8)?],
    );
    let payload = match perhaps(10)? {
        Some(text) => Some(AuditPayload { salt: bytes(9)?.to_vec(), text: String::from_utf8_lossy(text).into_owned() }),
        None => None,
    };
    Ok(AuditRow::stored(entry, payload))
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<AuditHead> {
    Ok(AuditHead { sequence: row.get::<_, i64>(0)? as u64, mac: AuditHash::stored(&row.get::<_, Vec<u8>>(1)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_queries_about_a_subject_use_an_index() {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(SCHEMA).unwrap();
        for (sql, is_sorted_by_index) in
            [(PAGE, true), (PAGE_ABOUT, true), (LAST, true), (DROP, true), (DROP_PAYLOADS, true), (THEIRS, false)]
        {
            let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = statement.raw_query();
            let mut plan: Vec<String> = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                plan.push(row.get(3).unwrap());
            }
            // The last entry is found from the end.
            let scans = plan.iter().any(|step| step.starts_with("SCAN")) && sql != LAST;
            let sorts = plan.iter().any(|step| step.contains("ORDER BY"));
            assert!(!(scans || sorts && is_sorted_by_index), "{sql}: {plan:#?}");
        }
    }
}
