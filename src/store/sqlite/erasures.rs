//! The methods of [`ErasureStore`](crate::store::ErasureStore) in SQL. A row of `erasures` is a
//! tombstone from the start. It has the user's name only while data remains to be erased.

use rusqlite::{Connection, params};

use super::{
    activities::{self, Names, Numbers},
    audit, consents,
    database::Database,
    leftovers, legal_holds, privacy_requests, restrictions, sessions,
    sql::Sql,
};
use crate::{
    error::Result,
    id::UserId,
    model::{
        activity::ActivityFilter,
        privacy::{AuditNote, ErasedActivities, Erasure, ErasureId, HeldClass, LegalHold, Pseudonym, RetainedData},
    },
    store::{
        Revocation,
        erasure::{check_nameless, check_whole, no_such_erasure, under_way},
        sqlite::{log, secret, tombstones},
    },
    time::Timestamp,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE erasures (
        id BLOB PRIMARY KEY,
        pseudonym BLOB NOT NULL UNIQUE,
        -- Whom to erase; gone when nothing is left.
        external TEXT,
        began_at INTEGER NOT NULL,
        until INTEGER NOT NULL,
        finished_at INTEGER,
        sessions INTEGER NOT NULL,
        activities INTEGER NOT NULL,
        preferences INTEGER NOT NULL,
        consents INTEGER NOT NULL,
        -- Up to which activity `erasure_leftovers` were looked for elsewhere.
        looked_through INTEGER NOT NULL DEFAULT 0,
        CHECK ((external IS NULL) = (finished_at IS NOT NULL))
    ) STRICT, WITHOUT ROWID;

    -- Names that occurred in what an erasure has deleted (see `activities::Names`), until it is known whether others use them.
    CREATE TABLE erasure_leftovers (
        erasure BLOB NOT NULL,
        kind INTEGER NOT NULL,
        name INTEGER NOT NULL,
        PRIMARY KEY (erasure, kind, name)
    ) STRICT, WITHOUT ROWID;
";

/// Added to the schema for anonymised activities.
pub(super) const ANONYMISED_SCHEMA: &str = "
    ALTER TABLE erasures ADD COLUMN anonymised INTEGER NOT NULL DEFAULT 0;
    -- Activities that an erasure has anonymised, until it is known whether their names single somebody out.
    CREATE TABLE erasure_rows (
        erasure BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        PRIMARY KEY (erasure, sequence)
    ) STRICT, WITHOUT ROWID;
";

const ADD: &str = "
    INSERT INTO erasures
        (id, pseudonym, external, began_at, until, finished_at, sessions, activities, preferences, consents, anonymised)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

pub(super) fn begin_erasure(
    database: &Database,
    user: UserId,
    until: Timestamp,
    note: &AuditNote,
    now: Timestamp,
) -> Result<Erasure> {
    let pseudonym = Pseudonym::of(&user, &secret::make(database)?);
    if let Some(known) = tombstones::by_pseudonym(database, &pseudonym)? {
        return Ok(known);
    }
    add(database, Erasure::begin(user, pseudonym, now, until)?, note, now)
}

pub(super) fn remember(database: &Database, erasure: Erasure, note: &AuditNote, now: Timestamp) -> Result<Erasure> {
    check_whole(&erasure, &secret::make(database)?)?;
    match tombstones::by_pseudonym(database, &erasure.pseudonym)? {
        Some(known) => Ok(known),
        None => add(database, erasure, note, now),
    }
}

/// Restores tombstones of finished erasures. Returns the number that was missing.
pub(super) fn restore(database: &Database, erasures: Vec<Erasure>, note: &AuditNote, now: Timestamp) -> Result<u64> {
    erasures.iter().try_for_each(check_nameless)?;
    let mut restored = 0;
    for erasure in &erasures {
        if tombstones::by_pseudonym(database, &erasure.pseudonym)?.is_none() {
            insert(database, erasure)?;
            restored += 1;
        }
    }
    if restored > 0 {
        audit::append(database, note, now)?;
        database.delete_interned();
    }
    Ok(restored)
}

/// Adds a row, and ends the sessions of the user.
fn add(database: &Database, mut erasure: Erasure, note: &AuditNote, now: Timestamp) -> Result<Erasure> {
    if let Some(user) = &erasure.user {
        erasure.erased.sessions += sessions::revoke(database, &Revocation::Erased(user.clone()), now)?;
    }
    insert(database, &erasure)?;
    audit::append(database, note, now)?;
    // Batches use a cached id of the user.
    database.delete_interned();
    Ok(erasure)
}

fn insert(database: &Database, erasure: &Erasure) -> Result<()> {
    let row = params![
        erasure.id.as_uuid().as_bytes().as_slice(),
        erasure.pseudonym.as_bytes().as_slice(),
        erasure.user.as_ref().map(UserId::as_str),
        erasure.began_at.as_millis(),
        erasure.until.as_millis(),
        erasure.finished_at.map(Timestamp::as_millis),
        erasure.erased.sessions as i64,
        erasure.erased.activities as i64,
        erasure.erased.preferences as i64,
        erasure.erased.consents as i64,
        erasure.erased.anonymised as i64,
    ];
    database.prepare_cached(ADD).and_then(|mut statement| statement.execute(row)).sql().map(drop)
}

const SET_COUNTS: &str = "
    UPDATE erasures SET activities = ?2, preferences = ?3, consents = ?4,
        finished_at = ?5, external = iif(?5 IS NULL, external, NULL), retained = ?6,
        anonymised = ?7 WHERE id = ?1";
const DELETE_PREFERENCES: &str = "
    DELETE FROM preferences WHERE user = (SELECT id FROM users WHERE external = ?1)";
const DELETE_USER: &str = "DELETE FROM users WHERE external = ?1";

pub(super) fn erase_some(
    database: &Database,
    id: ErasureId,
    limit: usize,
    activities: ErasedActivities,
    note: &AuditNote,
    now: Timestamp,
) -> Result<Erasure> {
    let mut erasure = tombstones::by_id(database, id)?.ok_or_else(no_such_erasure)?;
    let Some(user) = erasure.user.clone() else { return Ok(erasure) };
    let holds: Vec<LegalHold> =
        legal_holds::of_user(database, &user)?.into_iter().filter(|hold| hold.holds_at(now)).collect();
    let is_held = |class| holds.iter().any(|hold| hold.class == class);
    restrictions::set(database, &user, None)?;
    if !is_held(HeldClass::Preferences) {
        let preferences = database.prepare_cached(DELETE_PREFERENCES).sql()?.execute([user.as_str()]).sql()?;
        erasure.erased.preferences += preferences as u64;
    }

    let visitors = consents::visitors_of(database, &user)?;
    let (mut left, mut names, mut anonymised) = (limit, Names::default(), Vec::new());
    let theirs = Numbers::of(database, &ActivityFilter::new().user(user.clone()));
    // Other users may have used the same browser.
    let by_visitors = visitors.iter().map(|visitor| Numbers::of_visitor(database, *visitor));
    for numbers in [theirs].into_iter().chain(by_visitors) {
        if let (Some(numbers), true) = (numbers?, left > 0 && !is_held(HeldClass::Activities)) {
            let count = match activities {
                ErasedActivities::Deleted => activities::delete_noting(database, &numbers, left, &mut names)?,
                ErasedActivities::Anonymised => {
                    activities::anonymise_noting(database, &numbers, left, &mut names, &mut anonymised)?
                }
            };
            left -= count;
        }
    }
    match activities {
        ErasedActivities::Deleted => erasure.erased.activities += (limit - left) as u64,
        ErasedActivities::Anonymised => erasure.erased.anonymised += (limit - left) as u64,
    }
    leftovers::add(database, id, &names)?;
    leftovers::add_rows(database, id, &anonymised)?;

    // The links to visitors are deleted last: activities are found through them.
    if !is_held(HeldClass::Consents) {
        let records = consents::erase(database, &user, left, is_held(HeldClass::Activities))?;
        erasure.erased.consents += records as u64;
        left -= records;
    }

    erasure.retained.clear();
    let is_nameless = audit::erase(database, erasure.pseudonym, limit)?;
    let mut is_done = is_nameless && left > 0;
    if is_done {
        let cleared = leftovers::clear(database, id, left)?;
        is_done = cleared.is_done;
        // These rows were still identifying.
        erasure.erased.anonymised = erasure.erased.anonymised.saturating_sub(cleared.deleted);
        erasure.erased.activities += cleared.deleted;
    }
    if is_done && !holds.is_empty() {
        erasure.retained = holds.iter().map(RetainedData::from).collect();
        privacy_requests::erased_in_part(database, &user, now)?;
    } else if is_done {
        legal_holds::evict(database, &user)?;
        privacy_requests::evict_user(database, &user, erasure.pseudonym, now)?;
        // Nothing refers to the name any more.
        database.prepare_cached(DELETE_USER).sql()?.execute([user.as_str()]).sql()?;
        (erasure.user, erasure.finished_at) = (None, Some(now));
    }
    let row = params![
        id.as_uuid().as_bytes().as_slice(),
        erasure.erased.activities as i64,
        erasure.erased.preferences as i64,
        erasure.erased.consents as i64,
        erasure.finished_at.map(Timestamp::as_millis),
        tombstones::retained_to_json(&erasure.retained),
        erasure.erased.anonymised as i64,
    ];
    database.prepare_cached(SET_COUNTS).and_then(|mut statement| statement.execute(row)).sql()?;
    if erasure.finished_at.is_some() {
        audit::append(database, &note.clone().finished(&erasure), now)?;
    }
    database.delete_interned();
    Ok(erasure)
}

// At most a handful: those in progress.

const DELETE: &str = "DELETE FROM erasures WHERE id = ?1";

pub(super) fn lift_erasure(database: &Database, user: &UserId, note: &AuditNote, now: Timestamp) -> Result<bool> {
    match tombstones::of_user(database, user)? {
        Some(erasure) => lift(database, erasure.id, note, now),
        None => Ok(false),
    }
}

pub(super) fn lift(database: &Database, id: ErasureId, note: &AuditNote, now: Timestamp) -> Result<bool> {
    let Some(erasure) = tombstones::by_id(database, id)? else { return Ok(false) };
    if erasure.finished_at.is_none() {
        return Err(under_way());
    }
    let id = id.as_uuid().as_bytes().as_slice();
    database.prepare_cached(DELETE).and_then(|mut statement| statement.execute([id])).sql()?;
    audit::append(database, note, now)?;
    database.delete_interned();
    Ok(true)
}

const DELETE_EXPIRED: &str = "
    DELETE FROM erasures WHERE id IN
        (SELECT id FROM erasures WHERE finished_at IS NOT NULL AND until <= ?1 ORDER BY until LIMIT ?2)";

pub(super) fn evict(database: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    database.prepare_cached(DELETE_EXPIRED).and_then(|mut statement| statement.execute([now.as_millis(), limit])).sql()
}

/// Runs outside a transaction. Free pages were overwritten when they became free (`secure_delete`);
/// the log still has the old images. Returns `false` if a reader uses part of the log.
pub(super) fn scrub(database: &Database) -> Result<bool> {
    log::truncate_log(database)
}
