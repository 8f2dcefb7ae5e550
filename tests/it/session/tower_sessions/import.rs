//! The import from the table that the SQLite stores of tower-sessions have.

use std::time::Duration;

use rusqlite::{Connection, params};
use serde_json::json;
use tower_guestbook::{
    ErrorKind, Guestbook, Timestamp, UserId,
    session::{
        AnonymousLimits,
        tower_sessions::{ImportProgress, ImportRecord, TowerSessionsStore},
    },
};
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
};

use super::{Site, login_of};
use crate::support::faulty_store::{Fault, FaultyStore};

/// The number of records: those of 100 users and anonymous ones by turns.
const RECORDS: u64 = 10_000;

/// The table as those stores write it: MessagePack of the whole record, the expiry in seconds.
fn their_table() -> Connection {
    let table = Connection::open_in_memory().unwrap();
    table
        .execute_batch("CREATE TABLE tower_sessions (id TEXT PRIMARY KEY, data BLOB, expiry_date INTEGER); BEGIN")
        .unwrap();
    for number in 0..RECORDS {
        let mut data = if number % 2 == 0 { login_of(number / 2 % 100) } else { Default::default() };
        data.insert("number".to_owned(), json!(number));
        let expiry_date = time::OffsetDateTime::now_utc() + time::Duration::days(if number % 10 == 9 { -1 } else { 1 });
        let record = Record { id: Id(i128::from(number)), data, expiry_date };
        let row = params![record.id.to_string(), rmp_serde::to_vec(&record).unwrap(), expiry_date.unix_timestamp()];
        table.execute("INSERT INTO tower_sessions VALUES (?1, ?2, ?3)", row).unwrap();
    }
    table.execute_batch("COMMIT").unwrap();
    table
}

fn records(table: &Connection) -> Vec<Record> {
    let mut rows = table.prepare("SELECT data FROM tower_sessions ORDER BY rowid").unwrap();
    let rows = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    rows.map(|data| rmp_serde::from_slice(&data.unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn import_of_10_000_records_reports_progress_and_is_finished_after_an_interruption() {
    let site = Site::new();
    let records = records(&their_table());
    let mut seen: Vec<ImportProgress> = Vec::new();
    let half = records[..4_000].to_vec();
    site.store.import(half, |progress| seen.push(*progress)).await.unwrap();
    assert!(seen.len() > 10 && seen.is_sorted_by_key(|progress| progress.read));
    let last = seen.last().unwrap();
    assert_eq!((last.read, last.imported, last.expired), (4_000, 3_600, 400));
    // One of those that are there is used meanwhile: the import does not set it back.
    let mut used = site.store.load(&Id(2)).await.unwrap().unwrap();
    used.data.insert("number".to_owned(), json!("newer"));
    SessionStore::save(&site.store, &used).await.unwrap();

    let report = site.store.import(records.clone(), |progress| seen.push(*progress)).await.unwrap();
    let ImportProgress { read, imported, present, expired, refused, .. } = report.progress;
    assert_eq!((read, imported, present, expired, refused), (10_000, 5_400, 3_600, 1_000, 0));
    assert_eq!(seen.last(), Some(&report.progress));
    let again = site.store.import(records.clone(), |_| ()).await.unwrap().progress;
    assert_eq!((again.imported, again.present), (0, 9_000));

    for record in records {
        let expected = match record.id.0 {
            number if number % 10 == 9 => None,
            2 => Some(used.clone()),
            _ => Some(record.clone()),
        };
        assert_eq!(site.store.load(&record.id).await.unwrap(), expected);
    }
    assert_eq!(site.count(1).await, 50);
    assert_eq!(site.guestbook.sessions().revoke_user(&UserId::from(1)).await.unwrap(), 50);
}

#[tokio::test]
async fn import_that_is_dropped_leaves_whole_sessions_and_is_done_again() {
    let site = Site::new();
    let records = records(&their_table());
    let stopped = site.store.import(records[..1_000].to_vec(), |_| ());
    // Dropped within a batch.
    let _ = tokio::time::timeout(Duration::from_millis(3), stopped).await;
    let report = site.store.import(records[..1_000].to_vec(), |_| ()).await.unwrap().progress;
    assert_eq!((report.imported + report.present, report.expired), (900, 100));
    assert_eq!(site.store.load(&Id(998)).await.unwrap().as_ref(), Some(&records[998]));
}

#[tokio::test]
async fn import_lists_records_that_cannot_be_stored_and_goes_on() {
    let site = Site::new();
    site.guestbook.rights().erase(&UserId::from(7)).await.unwrap();
    let tomorrow = Timestamp::from_millis(Timestamp::now().as_millis() + 86_400_000);
    let record = |id, data| ImportRecord::new(id, data, tomorrow);
    let records = [
        record(1, login_of(1)),
        record(2, [("much".to_owned(), json!("x".repeat(70_000)))].into()),
        record(3, login_of(7)),
        record(4, [("guestbook.x".to_owned(), json!(1))].into()),
        record(5, login_of(5)),
        record(5, login_of(6)),
    ];
    let report = site.store.import(records, |_| ()).await.unwrap();
    let kinds: Vec<_> = report.refusals.iter().map(|(place, error)| (*place, error.kind())).collect();
    assert_eq!(kinds, [(1, ErrorKind::TooLarge), (2, ErrorKind::UserErased), (3, ErrorKind::InvalidInput)]);
    let progress = report.progress;
    assert_eq!((progress.read, progress.imported, progress.present, progress.refused), (6, 2, 1, 3));
}

#[tokio::test]
async fn import_stops_with_the_error_of_the_store() {
    let faulty = FaultyStore::default();
    let guestbook = Guestbook::builder(faulty.clone()).build().unwrap();
    let store = TowerSessionsStore::new(guestbook.sessions());
    let records = records(&their_table());
    faulty.set(Fault::Failing);
    let error = store.import(records.clone(), |_| panic!("no batch is whole")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    faulty.set(Fault::Good);
    assert_eq!(store.import(records, |_| ()).await.unwrap().progress.imported, 9_000);
}

#[tokio::test]
async fn imported_anonymous_sessions_are_within_their_bound() {
    let site = Site::with(|builder| builder.anonymous_sessions(AnonymousLimits::default().sessions(500)));
    let records = records(&their_table());
    site.store.import(records, |_| ()).await.unwrap();
    let database = Connection::open(site.directory.path().join("guestbook.db")).unwrap();
    let anonymous: i64 =
        database.query_row("SELECT count(*) FROM sessions WHERE user IS NULL", [], |row| row.get(0)).unwrap();
    assert!(anonymous <= 500, "{anonymous}");
    assert_eq!(site.count(1).await, 50, "sessions of users are not ended for it");
}

#[tokio::test]
async fn a_session_that_has_ended_a_moment_ago_is_not_imported_again() {
    let site = Site::new();
    let records: Vec<_> = records(&their_table()).into_iter().filter(|record| record.id == Id(2)).collect();
    site.store.import(records.clone(), |_| ()).await.unwrap();
    site.store.delete(&Id(2)).await.unwrap();
    assert_eq!(site.store.import(records, |_| ()).await.unwrap().progress.present, 1);
    assert_eq!(site.store.load(&Id(2)).await.unwrap(), None);
}
