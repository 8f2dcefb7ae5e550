//! Tombstones: erasures, and whether a user is erased.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{secret, sql::Sql};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{ErasedCounts, Erasure, ErasureId, Pseudonym, RetainedData},
    store::erasure::user_erased,
    time::Timestamp,
};

/// The columns that [`read`] reads, in order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, pseudonym, external, began_at, until, finished_at, sessions, activities, preferences, consents, ",
            "retained, anonymised ",
            "FROM erasures ",
            $rest
        )
    };
}

const UNFINISHED: &str = select!("WHERE finished_at IS NULL ORDER BY began_at, id");

pub(super) fn unfinished(database: &Connection) -> Result<Vec<Erasure>> {
    let mut statement = database.prepare_cached(UNFINISHED).sql()?;
    statement.query_map([], |row| Ok(read(row))).sql()?.map(|row| row.sql()?).collect()
}

const ANY: &str = "SELECT 1 FROM erasures LIMIT 1";

pub(super) fn of_user(database: &Connection, user: &UserId) -> Result<Option<Erasure>> {
    if !database.prepare_cached(ANY).sql()?.exists([]).sql()? {
        return Ok(None);
    }
    match secret::load(database)? {
        Some(secret) => by_pseudonym(database, &Pseudonym::of(user, &secret)),
        None => Ok(None),
    }
}

/// Called by each method that would store data of a user, in its transaction.
pub(super) fn check_not_erased(database: &Connection, user: &UserId) -> Result<()> {
    match of_user(database, user)? {
        Some(_) => Err(user_erased()),
        None => Ok(()),
    }
}

pub(super) fn by_id(database: &Connection, id: ErasureId) -> Result<Option<Erasure>> {
    one(database, select!("WHERE id = ?1"), id.as_uuid().as_bytes())
}

pub(super) fn by_pseudonym(database: &Connection, pseudonym: &Pseudonym) -> Result<Option<Erasure>> {
    one(database, select!("WHERE pseudonym = ?1"), pseudonym.as_bytes())
}

fn one(database: &Connection, sql: &str, key: &[u8]) -> Result<Option<Erasure>> {
    let mut statement = database.prepare_cached(sql).sql()?;
    statement.query_row([key], |row| Ok(read(row))).optional().sql()?.transpose()
}

/// Reads a row of [`select!`].
fn read(row: &Row<'_>) -> Result<Erasure> {
    let time = |column| row.get::<_, i64>(column).map(Timestamp::from_millis).sql();
    let count = |column| row.get::<_, i64>(column).map(|count| count as u64).sql();
    let user: Option<String> = row.get(2).sql()?;
    let user = user
        .map(UserId::try_from)
        .transpose()
        .map_err(|error| Error::new(ErrorKind::Corrupt, "a stored erasure is damaged").with_source(error))?;
    let erased = ErasedCounts {
        sessions: count(6)?,
        activities: count(7)?,
        preferences: count(8)?,
        consents: count(9)?,
        anonymised: count(11)?,
    };
    Ok(Erasure {
        id: Uuid::from_bytes(row.get(0).sql()?).into(),
        pseudonym: Pseudonym::from_bytes(row.get(1).sql()?),
        user,
        began_at: time(3)?,
        until: time(4)?,
        finished_at: row.get::<_, Option<i64>>(5).sql()?.map(Timestamp::from_millis),
        retained: retained_from_json(&row.get::<_, String>(10).sql()?)?,
        erased,
    })
}

pub(super) fn retained_from_json(json: &str) -> Result<Vec<RetainedData>> {
    let read = serde_json::from_str(json);
    read.map_err(|error| Error::new(ErrorKind::Corrupt, "a stored hold is damaged").with_source(error))
}

pub(super) fn retained_to_json(retained: &[RetainedData]) -> String {
    serde_json::to_string(retained).expect("texts can be written")
}
