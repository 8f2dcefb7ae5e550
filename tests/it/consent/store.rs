//! Decisions in a SQLite file: damage, upgrades and several stores.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;
use tower_guestbook::{
    ErrorKind, UserId, VisitorId,
    consent::{
        Category, ConsentRecord, ConsentState, ConsentStates, Decision, DecisionEvent, DecisionMethod, MergePolicy,
        Notice, Proof, Purpose, PurposeId, Subject,
    },
    store::{ConsentStore, SqliteStore},
};

use crate::support::{START, UNDO_AFTER_SCHEMA_16};

/// A file that guestbooks and others open.
struct File {
    path: PathBuf,
    _directory: TempDir,
}

impl File {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("guestbook.db"), _directory: directory }
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path).unwrap()
    }

    /// Somebody else's connection.
    fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

fn user(name: &str) -> Subject {
    UserId::try_from(name).unwrap().into()
}

fn visitor() -> VisitorId {
    VisitorId::generate().unwrap()
}

fn notice(text: &str) -> Notice {
    Notice::new(PurposeId::ANALYTICS, 1, "en", text).unwrap()
}

async fn decide(store: &SqliteStore, who: &Subject, decision: Decision) -> ConsentRecord {
    let purpose = Purpose::new("analytics", Category::Analytics);
    let consent_state = ConsentState::after(&purpose, &DecisionEvent::new(decision, 1, START));
    let proof = Proof::new(DecisionMethod::Custom, START);
    let record = ConsentRecord::new(who.clone(), PurposeId::ANALYTICS, consent_state, proof).unwrap();
    store.record_consents(vec![record.clone()]).await.unwrap();
    record
}

async fn consents(store: &SqliteStore, who: &Subject) -> ConsentStates {
    store.consents(who.clone()).await.unwrap()
}

async fn history(store: &SqliteStore, who: &Subject) -> Vec<ConsentRecord> {
    store.consent_history(who.clone(), 100, None).await.unwrap()
}

#[tokio::test]
async fn sql_cannot_change_consent_records_or_notices() {
    let file = File::new();
    let store = file.open();
    let (ada, notice) = (user("ada"), notice("We count visits."));
    let record = decide(&store, &ada, Decision::Granted).await;
    store.publish_notice(notice.clone()).await.unwrap();
    let raw = file.raw();
    for (table, rule) in [("consent_records", "records of consent are never changed"), ("notices", "never changed")] {
        let columns: Vec<String> = raw
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert!(columns.len() > 5, "{columns:?}");
        for column in columns {
            let error = raw.execute(&format!("UPDATE {table} SET {column} = {column}"), []).unwrap_err();
            assert!(error.to_string().contains(rule), "{table}.{column}: {error}");
        }
    }
    let upsert = "INSERT INTO notices (purpose, version, language, hash, text)
        SELECT purpose, version, language, hash, 'We sell all.' FROM notices WHERE true
        ON CONFLICT DO UPDATE SET text = excluded.text";
    raw.execute(upsert, []).unwrap_err();
    assert_eq!(history(&store, &ada).await, [record]);
    assert_eq!(store.notice(notice.hash()).await.unwrap(), Some(notice));
}

#[tokio::test]
async fn rebuild_consents_corrects_damaged_states() {
    let file = File::new();
    let store = file.open();
    let subjects = [user("ada"), user("bob"), user("eve"), visitor().into(), visitor().into()];
    let mut right = Vec::new();
    for subject in &subjects {
        decide(&store, subject, Decision::Denied).await;
        decide(&store, subject, Decision::Granted).await;
        right.push(consents(&store, subject).await);
    }
    let Subject::Visitor(linked) = subjects[4] else { panic!("it is a visitor") };
    let eve = UserId::try_from("eve").unwrap();
    store.link_visitor(linked, eve, MergePolicy::CarryGrants, START).await.unwrap();
    // A visitor who was linked stands nowhere.
    right[4] = ConsentStates::default();
    assert_eq!(store.rebuild_consents().await.unwrap(), 0);

    let raw = file.raw();
    let damage = |id: i64, consent_states: &str| {
        let changed =
            raw.execute("UPDATE consent_subjects SET consent_states = ?2 WHERE id = ?1", (id, consent_states));
        assert_eq!(changed.unwrap(), 1);
    };
    // In the order in which they were stored.
    damage(1, "{}");
    damage(2, "no JSON");
    damage(4, &right[0].to_json().replace("granted", "objected"));
    // Somebody of whom there is no record.
    raw.execute("INSERT INTO consent_refusals VALUES ('analytics', 0, 3)", []).unwrap();
    raw.execute(
        "INSERT INTO consent_subjects (visitor, consent_states) VALUES (randomblob(16), ?1)",
        [right[0].to_json()],
    )
    .unwrap();
    assert_eq!(consents(&store, &subjects[0]).await, ConsentStates::default());
    assert_eq!(store.consents(subjects[1].clone()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_ne!(consents(&store, &subjects[3]).await, right[3]);

    assert_eq!(store.rebuild_consents().await.unwrap(), 5);
    assert_eq!(store.refusing_subjects(PurposeId::ANALYTICS, true, 9).await.unwrap(), []);
    for (subject, right) in subjects.iter().zip(right) {
        assert_eq!(consents(&store, subject).await, right);
    }
    assert_eq!(history(&store, &subjects[2]).await.len(), 4, "the link stays");
    assert_eq!(store.rebuild_consents().await.unwrap(), 0);
    let empty = "SELECT count(*) FROM consent_subjects WHERE consent_states = '{}'";
    assert_eq!(raw.query_row(empty, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[tokio::test]
async fn damaged_records_and_notices_are_errors() {
    let file = File::new();
    let store = file.open();
    let (ada, notice) = (user("ada"), notice("We count visits."));
    let record = decide(&store, &ada, Decision::Granted).await;
    store.publish_notice(notice.clone()).await.unwrap();
    let raw = file.raw();
    raw.execute_batch("DROP TRIGGER notices_are_immutable; DROP TRIGGER consent_records_are_only_added").unwrap();
    for (column, damaged) in [("text", "We sell all."), ("text", ""), ("purpose", "Two Words"), ("language", "?")] {
        let whole: String = raw.query_row(&format!("SELECT {column} FROM notices"), [], |row| row.get(0)).unwrap();
        let set = |value: &str| raw.execute(&format!("UPDATE notices SET {column} = ?1"), [value]).unwrap();
        set(damaged);
        assert_eq!(store.notice(notice.hash()).await.unwrap_err().kind(), ErrorKind::Corrupt, "{column}");
        set(&whole);
        assert_eq!(store.notice(notice.hash()).await.unwrap().as_ref(), Some(&notice));
    }
    for column in ["purpose", "consent_state", "proof"] {
        let sql = format!("SELECT {column} FROM consent_records");
        let whole: String = raw.query_row(&sql, [], |row| row.get(0)).unwrap();
        let set = |value: &str| raw.execute(&format!("UPDATE consent_records SET {column} = ?1"), [value]).unwrap();
        set("{}?");
        let error = store.consent_history(ada.clone(), 10, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{column}");
        assert_eq!(store.rebuild_consents().await.unwrap_err().kind(), ErrorKind::Corrupt, "nothing is made of it");
        set(&whole);
    }
    assert_eq!(history(&store, &ada).await, [record]);
    assert_eq!(store.rebuild_consents().await.unwrap(), 0);
}

#[tokio::test]
async fn record_consents_is_visible_to_another_store_on_the_same_file() {
    let file = File::new();
    let (one, two) = (file.open(), file.open());
    let (ada, visitor) = (user("ada"), visitor());
    for round in 0..20 {
        let decision = if round % 2 == 0 { Decision::Granted } else { Decision::Withdrawn };
        let (writer, reader) = if round % 3 == 0 { (&one, &two) } else { (&two, &one) };
        let record = decide(writer, &ada, decision).await;
        assert_eq!(consents(reader, &ada).await, consents(writer, &ada).await);
        let read = history(reader, &ada).await;
        assert_eq!(read[0].id, record.id);
        assert_eq!(read[0].previous, read.get(1).map(|record| record.id), "the other's record is the one before");
    }
    decide(&one, &visitor.into(), Decision::Objected).await;
    let name = UserId::try_from("ada").unwrap();
    let linked = two.link_visitor(visitor, name, MergePolicy::default(), START).await.unwrap();
    assert_eq!(linked.get(&PurposeId::ANALYTICS).unwrap().decision, Decision::Objected);
    assert_eq!(consents(&one, &ada).await, linked);
    one.publish_notice(notice("We count visits.")).await.unwrap();
    let error = two.publish_notice(notice("We sell all.")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(two.notice(notice("We count visits.").hash()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_secret_is_one_per_file() {
    for _ in 0..8 {
        let file = File::new();
        let stores: Vec<_> = (0..4).map(|_| file.open()).collect();
        let asking =
            stores.iter().cloned().map(|store| tokio::spawn(async move { store.signing_secret().await.unwrap() }));
        let asking: Vec<_> = asking.collect();
        let mut secrets = Vec::new();
        for secret in asking {
            secrets.push(secret.await.unwrap());
        }
        for store in stores {
            store.close().await.unwrap();
        }
        secrets.push(file.open().signing_secret().await.unwrap());
        assert!(secrets.iter().all(|secret| *secret == secrets[0] && *secret != [0; 32]));
    }
    let other = File::new().open().signing_secret().await.unwrap();
    assert_ne!(other, File::new().open().signing_secret().await.unwrap(), "each file has its own");
}

#[tokio::test]
async fn refusing_subjects_includes_refusals_from_before_an_upgrade() {
    use Decision::{Denied, Granted, Objected, Withdrawn};
    let file = File::new();
    let store = file.open();
    let phone = visitor();
    for (who, decisions) in [
        (user("ada"), [Granted, Withdrawn]),
        (user("bob"), [Withdrawn, Granted]),
        (user("cid"), [Denied, Denied]),
        (user("dan"), [Granted, Denied]),
        (user("eve"), [Denied, Objected]),
        (phone.into(), [Denied, Granted]),
    ] {
        for decision in decisions {
            decide(&store, &who, decision).await;
        }
    }
    store.link_visitor(phone, UserId::try_from("ada").unwrap(), MergePolicy::AccountWins, START).await.unwrap();
    let listed = async |store: &SqliteStore| {
        let mut listed = Vec::new();
        for denied in [false, true] {
            let mut found = store.refusing_subjects(PurposeId::ANALYTICS, denied, 99).await.unwrap();
            found.sort_unstable();
            listed.push(found);
        }
        listed
    };
    let before = listed(&store).await;
    let named = |names: &[&str]| names.iter().map(|name| user(name)).chain([phone.into()]).collect::<Vec<_>>();
    assert_eq!(before, [named(&["ada", "dan", "eve"]), named(&["ada", "cid", "dan", "eve"])]);
    store.close().await.unwrap();
    let damage = "ALTER TABLE activity_user_blocks DROP COLUMN places;
        DROP TABLE erasure_journal; DROP TABLE rollups; DROP TABLE rollup_parts; DROP TABLE consent_refusals; PRAGMA user_version = 12;
        INSERT INTO consent_subjects (visitor, standings) VALUES (randomblob(16), 'no JSON');";
    file.raw().execute_batch(UNDO_AFTER_SCHEMA_16).unwrap();
    file.raw().execute_batch(damage).unwrap();
    assert_eq!(listed(&file.open()).await, before);
}
