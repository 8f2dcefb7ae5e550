//! The SQLite store and its file.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rusqlite::Connection;
use tower_guestbook::{
    ErrorKind, Result, SessionId, SessionKey, SessionToken, UserId,
    session::{Changes, Lifetime, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord},
    store::{Applied, EpochRule, Loaded, Revocation, SessionStore, SqliteStore, sqlite::Reads},
};

use crate::support::START;

fn record(user: &str, data: &str) -> SessionRecord {
    let mut head = SessionHead::new(SessionId::generate(START).unwrap(), START, Lifetime::default());
    head.user = Some(UserId::try_from(user).unwrap());
    let data = serde_json::json!({ "data": data }).to_string();
    SessionRecord { head, data: SessionData::from_json(data.as_bytes()).unwrap() }
}

async fn insert(store: &SqliteStore, user: &str, data: &str) -> Result<(SessionKey, SessionId)> {
    let (key, record) = (SessionToken::generate().unwrap().key(), record(user, data));
    let id = record.head.id;
    store
        .insert(key, record, SessionCap { max: u32::MAX, ..SessionCap::default() }, EpochRule::Stamp, START)
        .await
        .map(|_| (key, id))
}

async fn is_there(store: &SqliteStore, key: SessionKey) -> bool {
    matches!(store.load(key, Realm::default()).await.unwrap(), Loaded::Found(_))
}

fn pragma(path: &Path, pragma: &str) -> String {
    let database = Connection::open(path).unwrap();
    let value = database.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, rusqlite::types::Value>(0));
    match value.unwrap() {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn open_error(path: &Path) -> tower_guestbook::Error {
    SqliteStore::builder(path).busy_timeout(Duration::from_millis(50)).open().expect_err("it cannot be opened")
}

/// A separate file system, which only the superuser can mount.
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    pub(crate) fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let size = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }

    pub(crate) fn remount(&self, option: &str) {
        let option = format!("remount,{option}");
        assert!(Command::new("mount").args(["-o", &option]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a connection may still be closing.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn new_database_has_the_documented_settings() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    insert(&store, "ada", "x").await.unwrap();
    for (name, value) in
        [("journal_mode", "wal"), ("auto_vacuum", "2"), ("user_version", "23"), ("integrity_check", "ok")]
    {
        assert_eq!(pragma(&path, name), value, "{name}");
    }
    let database = Connection::open(&path).unwrap();
    let loose: i64 = database
        .query_row(
            "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' AND NOT strict",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(loose, 0, "every table is STRICT");
}

#[tokio::test]
async fn data_survives_close_and_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    let (key, _) = insert(&store, "ada", "x").await.unwrap();
    store.close().await.unwrap();
    assert!(!directory.path().join("guestbook.db-wal").exists(), "the log is in the database now");
    assert_eq!(insert(&store, "ada", "x").await.unwrap_err().kind(), ErrorKind::Unavailable);
    store.close().await.expect("closing twice is no error");
    let store = SqliteStore::builder(&path).reads(Reads::Blocking).open().unwrap();
    assert!(is_there(&store, key).await);
}

#[test]
fn open_refuses_foreign_files_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);

    let text = "no database, but a text that is long enough to have a header of a hundred bytes. ".repeat(50);
    std::fs::write(path("text"), &text).unwrap();
    assert_eq!(open_error(&path("text")).kind(), ErrorKind::NotADatabase);
    assert_eq!(std::fs::read_to_string(path("text")).unwrap(), text);

    let foreign = Connection::open(path("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 1;").unwrap();
    drop(foreign);
    let before = std::fs::read(path("foreign")).unwrap();
    let error = open_error(&path("foreign"));
    assert_eq!(error.kind(), ErrorKind::NotADatabase);
    assert!(error.to_string().contains("a file of its own"), "{error}");
    assert_eq!(std::fs::read(path("foreign")).unwrap(), before);

    drop(SqliteStore::open(path("newer")).unwrap());
    Connection::open(path("newer")).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = open_error(&path("newer"));
    assert_eq!(error.kind(), ErrorKind::NewerSchema);
    assert!(error.to_string().contains("version 99") && error.to_string().contains("knows 23"), "{error}");

    assert_eq!(open_error(&path("no/such/directory/db")).kind(), ErrorKind::Configuration);
    assert_eq!(open_error(directory.path()).kind(), ErrorKind::Configuration, "a directory is no file");
}

#[test]
fn parallel_open_creates_the_database_once() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..40 {
        let path = directory.path().join(format!("{round}.db"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| SqliteStore::open(&path).unwrap());
            }
        });
        assert_eq!(pragma(&path, "integrity_check"), "ok");
        assert_eq!(pragma(&path, "auto_vacuum"), "2");
    }
}

#[tokio::test]
async fn locked_database_allows_reads_and_fails_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::builder(&path).busy_timeout(Duration::from_millis(50)).open().unwrap();
    let (key, id) = insert(&store, "ada", "x").await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM sessions").unwrap();
    assert!(is_there(&store, key).await);
    assert_eq!(store.list(UserId::try_from("ada").unwrap(), None, 10, START).await.unwrap().len(), 1);
    let error = store.delete(id, START).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let chain = format!("{error:?}");
    assert!(chain.contains("locked by another process"), "{chain}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(is_there(&store, key).await, "nothing is lost");
    assert_eq!(store.delete(id, START).await.unwrap(), Some(key));
}

#[tokio::test]
async fn failed_operation_does_not_roll_back_its_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let (taken, id) = insert(&store, "ada", "x").await.unwrap();
    // All are queued before the writer runs, so that they share transactions.
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                match number % 4 {
                    0 => {
                        let cap = SessionCap::default();
                        store.insert(taken, record("eve", "x"), cap, EpochRule::Stamp, START).await.unwrap_err().kind()
                            == ErrorKind::Conflict
                    }
                    1 => {
                        let mut changes = Changes::default();
                        changes.set("large", &"x".repeat(70_000)).unwrap();
                        let error = store.apply(id, changes, SessionLimits::default(), START).await.unwrap_err();
                        error.kind() == ErrorKind::TooLarge
                    }
                    2 => {
                        let mut changes = Changes::default();
                        changes.set(&number.to_string(), &number).unwrap();
                        let applied = store.apply(id, changes, SessionLimits::default(), START).await.unwrap();
                        matches!(applied, Applied::Merged { .. })
                    }
                    _ => insert(&store, "bob", "x").await.is_ok(),
                }
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let Loaded::Found(ada) = store.load(taken, Realm::default()).await.unwrap() else { panic!("it is live") };
    assert_eq!(ada.data.len(), 1 + 25);
    let users = |name: &str| store.list(UserId::try_from(name.to_owned()).unwrap(), None, 1_000, START);
    assert_eq!((users("bob").await.unwrap().len(), users("eve").await.unwrap().len()), (25, 0));
}

#[tokio::test]
async fn full_disk_refuses_writes_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::mount(directory.path().join("disk"), "2m");
    let path = match &disk {
        Some(disk) => disk.0.join("guestbook.db"),
        // Without the right to mount, SQLite's own size limit replaces the disk's.
        None => directory.path().join("guestbook.db"),
    };
    let builder = SqliteStore::builder(&path);
    let store = if disk.is_some() { builder } else { builder.max_bytes(1 << 20) }.open().unwrap();
    let mut stored = Vec::new();
    let error = loop {
        match insert(&store, "ada", &"x".repeat(20_000)).await {
            Ok(session) => stored.push(session),
            Err(error) => break error,
        }
        assert!(stored.len() < 1_000, "the disk is never full");
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert!(stored.len() > 3);
    for (key, _) in &stored {
        assert!(is_there(&store, *key).await, "what was acknowledged is there");
    }
    if let Some(disk) = &disk {
        disk.remount("size=16m");
    } else {
        store.revoke(Revocation::All(Realm::default()), START).await.unwrap();
        stored.clear();
    }
    for _ in 0..10 {
        stored.push(insert(&store, "ada", &"x".repeat(20_000)).await.expect("there is room again"));
    }
    for (key, _) in &stored {
        assert!(is_there(&store, *key).await);
    }
    store.close().await.unwrap();
    assert_eq!(pragma(&path, "integrity_check"), "ok");
}

#[tokio::test]
async fn open_names_a_read_only_file() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::mount(directory.path().join("disk"), "8m");
    let path = disk.as_ref().map_or(directory.path(), |disk| &disk.0).join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    insert(&store, "ada", "x").await.unwrap();
    store.close().await.unwrap();
    drop(store);
    match &disk {
        Some(disk) => disk.remount("ro"),
        None => {
            // Without the right to mount, the process is not the superuser, so permissions apply.
            let mut permissions = std::fs::metadata(&path).unwrap().permissions();
            permissions.set_readonly(true);
            std::fs::set_permissions(&path, permissions).unwrap();
        }
    }
    let error = open_error(&path);
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
}

#[tokio::test]
async fn session_ended_by_one_store_is_ended_for_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let (one, two) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    let (key, id) = insert(&one, "ada", "x").await.unwrap();
    assert!(is_there(&two, key).await);
    two.delete(id, START).await.unwrap();
    assert_eq!(one.load(key, Realm::default()).await.unwrap(), Loaded::Ended { logged_in: true });
    assert_eq!(one.delete(id, START).await.unwrap(), None);
}

#[tokio::test]
async fn deleted_data_is_not_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    let token = SessionToken::generate().unwrap();
    let needle = "a needle that is nowhere else";
    let stored = record("ada", needle);
    let id = stored.head.id;
    store.insert(token.key(), stored, SessionCap::default(), EpochRule::Stamp, START).await.unwrap();
    let contains = |needle: &[u8]| {
        let files = ["guestbook.db", "guestbook.db-wal"].map(|name| std::fs::read(directory.path().join(name)));
        files.into_iter().flatten().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    };
    assert!(contains(needle.as_bytes()) && contains(token.key().as_bytes()));
    assert!(!contains(token.expose_secret().as_bytes()), "the token itself is never stored");
    store.delete(id, START).await.unwrap();
    store.delete_expired(START.after(Duration::from_secs(61)), 10).await.unwrap();
    store.close().await.unwrap();
    assert!(!contains(needle.as_bytes()) && !contains(token.key().as_bytes()));
}

#[tokio::test]
async fn list_does_not_read_session_data() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = SqliteStore::open(&path).unwrap();
    let (key, id) = insert(&store, "ada", &"x".repeat(60_000)).await.unwrap();
    // Reading it fails.
    let database = Connection::open(&path).unwrap();
    assert_eq!(database.execute("UPDATE sessions SET data = 'no JSON'", []).unwrap(), 1);
    assert_eq!(store.load(key, Realm::default()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let heads = store.list(UserId::try_from("ada").unwrap(), Some(Realm::default()), 10, START).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.id).collect::<Vec<_>>(), [id]);
    // Nor does SQLite read it on the way: no column of a list stands behind the data.
    let mut columns = database.prepare("SELECT name FROM pragma_table_info('sessions') ORDER BY cid").unwrap();
    let columns = columns.query_map([], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(columns.last().unwrap().unwrap(), "data");
}
