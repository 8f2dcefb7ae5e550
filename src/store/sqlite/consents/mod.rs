//! The methods of [`ConsentStore`](crate::store::ConsentStore) in SQL: records that are only added,
//! and one row of states for each subject.

mod erasing;
mod linking;
mod notices;
mod refusals;

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

pub(super) use self::{
    erasing::{erase, visitors_of},
    linking::link,
    notices::{notice, publish},
    refusals::{SCHEMA as REFUSALS_SCHEMA, refusing},
};
use super::{restrictions, sql::Sql, users};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::consent::{ConsentId, ConsentRecord, ConsentState, ConsentStates, Decision, Proof, PurposeId, Subject},
    store::{
        Profile, StoredPreferences,
        consent::{one_subject, visitor_ended},
        sqlite::tombstones,
    },
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE consent_subjects (
        id INTEGER PRIMARY KEY,
        user INTEGER UNIQUE REFERENCES users (id),
        visitor BLOB UNIQUE,
        -- The account that a visitor logged in to.
        linked_to INTEGER REFERENCES users (id),
        -- Where the subject stands: made from the records.
        standings TEXT NOT NULL,
        CHECK ((user IS NULL) <> (visitor IS NULL))
    ) STRICT;
    CREATE INDEX consent_subjects_by_link ON consent_subjects (linked_to) WHERE linked_to IS NOT NULL;

    CREATE TABLE consent_records (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        public_id BLOB NOT NULL UNIQUE,
        subject INTEGER NOT NULL REFERENCES consent_subjects (id),
        purpose TEXT NOT NULL,
        standing TEXT NOT NULL,
        proof TEXT NOT NULL,
        previous BLOB
    ) STRICT;
    CREATE INDEX consent_records_by_subject ON consent_records (subject, id);
    CREATE TRIGGER consent_records_are_only_added BEFORE UPDATE ON consent_records
        BEGIN SELECT raise(ABORT, 'records of consent are never changed'); END;

    CREATE TABLE notices (
        id INTEGER PRIMARY KEY,
        purpose TEXT NOT NULL,
        version INTEGER NOT NULL,
        language TEXT NOT NULL,
        hash BLOB NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (purpose, version, language)
    ) STRICT;
    CREATE INDEX notices_by_hash ON notices (hash);
    CREATE TRIGGER notices_are_immutable BEFORE UPDATE ON notices
        BEGIN SELECT raise(ABORT, 'notices are never changed'); END;

    CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

const OF_USER: &str = "
    SELECT c.consent_states, p.version, p.overrides, r.since, r.reason FROM users u
    LEFT JOIN consent_subjects c ON c.user = u.id LEFT JOIN preferences p ON p.user = u.id
    LEFT JOIN restrictions r ON r.user = u.id
    WHERE u.external = ?1";

pub(super) fn profile(database: &Connection, subject: &Subject) -> Result<Profile> {
    let Subject::User(user) = subject else {
        let (consents, preferences) = (consent_states(database, subject)?, StoredPreferences::default());
        return Ok(Profile { consents, preferences, restriction: None });
    };
    let mut statement = database.prepare_cached(OF_USER).sql()?;
    let row = statement.query_row([user.as_str()], |row| {
        let restriction = row.get::<_, Option<i64>>(3)?.zip(row.get::<_, Option<String>>(4)?);
        Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?, restriction))
    });
    let Some((consent_states, version, overrides, restriction)) = row.optional().sql()? else {
        return Ok(Profile::default());
    };
    let consents =
        consent_states.map(|consent_states| ConsentStates::from_json(consent_states.as_bytes())).transpose()?;
    let preferences = super::preferences::stored(version, overrides)?;
    let restriction = restriction.map(|(since, reason)| restrictions::stored(since, reason)).transpose()?;
    Ok(Profile { consents: consents.unwrap_or_default(), preferences, restriction })
}

pub(super) fn consent_states(database: &Connection, subject: &Subject) -> Result<ConsentStates> {
    let known = find(database, subject)?.filter(|known| !known.is_linked);
    Ok(known.map(|known| known.consent_states).unwrap_or_default())
}

const FIND_USER: &str = "
    SELECT c.id, c.consent_states, 0 FROM consent_subjects c JOIN users u ON u.id = c.user WHERE u.external = ?1";
const FIND_VISITOR: &str = "SELECT id, consent_states, linked_to IS NOT NULL FROM consent_subjects WHERE visitor = ?1";

/// A subject with decisions.
struct StoredProfile {
    id: i64,
    consent_states: ConsentStates,
    /// Whether it is a visitor who has logged in.
    is_linked: bool,
}

fn find(database: &Connection, subject: &Subject) -> Result<Option<StoredProfile>> {
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?));
    let found = match subject {
        Subject::User(user) => database.prepare_cached(FIND_USER).sql()?.query_row([user.as_str()], read),
        Subject::Visitor(visitor) => {
            database.prepare_cached(FIND_VISITOR).sql()?.query_row([visitor.as_uuid().as_bytes().as_slice()], read)
        }
    };
    let found = found.optional().sql()?;
    let known = |(id, consent_states, is_linked): (_, String, _)| {
        Ok(StoredProfile { id, consent_states: ConsentStates::from_json(consent_states.as_bytes())?, is_linked })
    };
    found.map(known).transpose()
}

const ADD_USER: &str = "
    INSERT INTO consent_subjects (user, consent_states) SELECT id, '{}' FROM users WHERE external = ?1 RETURNING id";
const ADD_VISITOR: &str = "INSERT INTO consent_subjects (visitor, consent_states) VALUES (?1, '{}') RETURNING id";

fn find_or_add(database: &Connection, subject: &Subject) -> Result<(i64, ConsentStates)> {
    match find(database, subject)? {
        Some(known) if known.is_linked => return Err(visitor_ended()),
        Some(known) => return Ok((known.id, known.consent_states)),
        None => {}
    }
    let id = match subject {
        Subject::User(user) => {
            users::intern(database, user)?;
            database.prepare_cached(ADD_USER).sql()?.query_row([user.as_str()], |row| row.get(0)).sql()?
        }
        Subject::Visitor(visitor) => {
            let visitor = visitor.as_uuid().as_bytes().as_slice();
            database.prepare_cached(ADD_VISITOR).sql()?.query_row([visitor], |row| row.get(0)).sql()?
        }
    };
    Ok((id, ConsentStates::default()))
}

pub(super) fn record(database: &Connection, records: Vec<ConsentRecord>) -> Result<ConsentStates> {
    let subject = one_subject(&records)?;
    if let Subject::User(user) = &subject {
        tombstones::check_not_erased(database, user)?;
    }
    let (id, mut consent_states) = find_or_add(database, &subject)?;
    records.into_iter().try_for_each(|record| add(database, id, &mut consent_states, record))?;
    set_states(database, id, &consent_states)?;
    Ok(consent_states)
}

const ADD: &str = "
    INSERT INTO consent_records (public_id, subject, purpose, consent_state, proof, previous)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";

fn add(database: &Connection, subject: i64, consent_states: &mut ConsentStates, record: ConsentRecord) -> Result<()> {
    if !record.is_new_after(last(database, consent_states, &record.purpose)?.as_ref()) {
        return Ok(());
    }
    refusals::note(database, subject, &record.purpose, consent_states.get(&record.purpose), &record.consent_state)?;
    let previous = consent_states.add(&record);
    let added = database.prepare_cached(ADD).sql()?.execute(params![
        record.id.as_uuid().as_bytes().as_slice(),
        subject,
        record.purpose.as_str(),
        serde_json::to_string(&record.consent_state).expect("numbers and names can be written"),
        record.proof.to_json(),
        previous.map(|previous| previous.as_uuid().as_bytes().to_vec()),
    ]);
    match added.sql()? {
        0 => Err(Error::new(ErrorKind::Conflict, "the id of a record of consent is taken")),
        _ => Ok(()),
    }
}

const SET_CONSENT_STATES: &str = "UPDATE consent_subjects SET consent_states = ?2 WHERE id = ?1";

fn set_states(database: &Connection, subject: i64, consent_states: &ConsentStates) -> Result<()> {
    database.prepare_cached(SET_CONSENT_STATES).sql()?.execute(params![subject, consent_states.to_json()]).sql()?;
    Ok(())
}

/// The columns that [`read_record`] reads, in order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT r.public_id, u.external, c.visitor, r.purpose, r.consent_state, r.proof, r.previous ",
            "FROM consent_records r JOIN consent_subjects c ON c.id = r.subject LEFT JOIN users u ON u.id = c.user ",
            $rest
        )
    };
}

// Uses `consent_records_by_subject`, for each subject.
const HISTORY: &str = select!(
    "WHERE r.subject IN (SELECT id FROM consent_subjects WHERE visitor = ?1
        UNION SELECT s.id FROM consent_subjects s JOIN users u ON u.id = s.user WHERE u.external = ?2
        UNION SELECT s.id FROM consent_subjects s JOIN users u ON u.id = s.linked_to WHERE u.external = ?2)
     AND r.id < ifnull((SELECT id FROM consent_records WHERE public_id = ?3), iif(?3 IS NULL, 9223372036854775807, 0))
     ORDER BY r.id DESC LIMIT ?4"
);

pub(super) fn history(
    database: &Connection,
    subject: &Subject,
    limit: usize,
    before: Option<ConsentId>,
) -> Result<Vec<ConsentRecord>> {
    let (user, visitor) = match subject {
        Subject::User(user) => (Some(user.as_str()), None),
        Subject::Visitor(visitor) => (None, Some(visitor.as_uuid().as_bytes().as_slice())),
    };
    let before = before.map(|before| before.as_uuid().as_bytes().to_vec());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = database.prepare_cached(HISTORY).sql()?;
    let rows = statement.query_map(params![visitor, user, before, limit], |row| Ok(read_record(row))).sql()?;
    rows.map(|row| row.sql()?).collect()
}

const ONE: &str = select!("WHERE r.public_id = ?1");

/// Returns the last record of a purpose in these states.
fn last(database: &Connection, consent_states: &ConsentStates, purpose: &PurposeId) -> Result<Option<ConsentRecord>> {
    let Some(held) = consent_states.recorded(purpose) else { return Ok(None) };
    let mut statement = database.prepare_cached(ONE).sql()?;
    let found = statement.query_row([held.record.as_uuid().as_bytes().as_slice()], |row| Ok(read_record(row)));
    found.optional().sql()?.transpose()
}

const SUBJECTS: &str = "SELECT id, consent_states FROM consent_subjects ORDER BY id";
const RECORDS: &str = select!("WHERE r.subject = ?1 ORDER BY r.id");

pub(super) fn rebuild(database: &Connection) -> Result<u64> {
    let mut wrong = 0;
    let mut subjects = database.prepare_cached(SUBJECTS).sql()?;
    let mut subjects = subjects.query([]).sql()?;
    while let Some(row) = subjects.next().sql()? {
        let (id, stored): (i64, String) = (row.get(0).sql()?, row.get(1).sql()?);
        let mut statement = database.prepare_cached(RECORDS).sql()?;
        let records = statement.query_map([id], |row| Ok(read_record(row))).sql()?;
        let (mut right, mut is_more) = (ConsentStates::default(), BTreeMap::new());
        for record in records {
            let record = record.sql()??;
            *is_more.entry(record.purpose.as_str().to_owned()).or_default() |=
                record.consent_state.decision != Decision::Denied;
            right.add(&record);
        }
        is_more.retain(|purpose, _| {
            right.iter().any(|(id, held)| id.as_str() == purpose && held.consent_state.decision.is_no())
        });
        let are_right = refusals::set(database, id, &is_more)?;
        if !are_right || ConsentStates::from_json(stored.as_bytes()).ok().as_ref() != Some(&right) {
            set_states(database, id, &right)?;
            wrong += 1;
        }
    }
    Ok(wrong)
}

/// Reads a row of [`select!`].
fn read_record(row: &Row<'_>) -> Result<ConsentRecord> {
    let user: Option<String> = row.get(1).sql()?;
    let subject = match user {
        Some(user) => Subject::User(UserId::try_from(user).map_err(damaged)?),
        None => Subject::Visitor(Uuid::from_bytes(row.get(2).sql()?).into()),
    };
    let (purpose, consent_state, proof): (String, String, String) =
        (row.get(3).sql()?, row.get(4).sql()?, row.get(5).sql()?);
    let purpose = PurposeId::new(&purpose).map_err(damaged)?;
    let consent_state: ConsentState = serde_json::from_str(&consent_state).map_err(damaged)?;
    let proof = Proof::from_json(proof.as_bytes())?;
    let id = Uuid::from_bytes(row.get(0).sql()?).into();
    let previous = row.get::<_, Option<[u8; 16]>>(6).sql()?.map(|id| Uuid::from_bytes(id).into());
    Ok(ConsentRecord { id, subject, purpose, consent_state, proof, previous })
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Corrupt, "a stored decision is damaged").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::{
        linking::LINK,
        notices::NOTICE,
        refusals::{LINKED_TO_REFUSING, REFUSING},
        *,
    };
    use crate::store::sqlite::migrations::MIGRATIONS;

    /// Returns the steps of SQLite's query plan.
    fn plan(sql: &str) -> Vec<String> {
        let database = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|step| database.execute_batch(step).unwrap());
        let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        steps
    }

    #[test]
    fn consent_queries_of_a_request_use_an_index() {
        for sql in [OF_USER, FIND_USER, FIND_VISITOR, HISTORY, ONE, LINK, RECORDS, NOTICE] {
            let plan = plan(sql);
            assert!(
                !plan.is_empty()
                    && !plan.iter().any(|step| step.starts_with("SCAN") && !step.ends_with("CONSTANT ROW")),
                "{sql}: {plan:#?}"
            );
        }
    }

    #[test]
    fn refusing_subjects_query_uses_the_purpose_without_sorting() {
        for sql in [REFUSING, LINKED_TO_REFUSING] {
            let plan = plan(sql);
            assert_eq!(plan[0], "SEARCH r USING PRIMARY KEY (purpose=? AND was_more>?)");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE") || step.starts_with("SCAN")), "{plan:#?}");
        }
    }

    #[test]
    fn consent_history_reads_only_its_subjects() {
        let plan = plan(HISTORY);
        let expected = "SEARCH r USING INDEX consent_records_by_subject (subject=? AND id<?)";
        assert!(plan.iter().any(|step| step == expected), "{plan:#?}");
    }
}
