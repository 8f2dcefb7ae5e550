//! The database is moved, deleted or replaced during use.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tower_guestbook::{
    ErrorKind, Guestbook, Result, UserId,
    activity::{Event, EventType},
    store::SqliteStore,
};

use crate::support::START;

struct Place {
    directory: tempfile::TempDir,
    guestbook: Guestbook,
    store: SqliteStore,
}

impl Place {
    /// Creates a database with a row.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
        let guestbook = Guestbook::builder(store.clone()).build().unwrap();
        let place = Self { directory, guestbook, store };
        place.write().await.unwrap();
        place.guestbook.health().await.unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn write(&self) -> Result<()> {
        self.guestbook.recorder().record_durable(Event::new(EventType::LOGIN, START)).await.map(drop)
    }

    async fn read(&self) -> Result<usize> {
        Ok(self.guestbook.sessions().list(&UserId::from(1)).await?.len())
    }

    /// It takes at most a second, in which nothing can be asserted: opening another connection is
    /// refused before.
    async fn wait(&self, is_there: bool) {
        loop {
            match self.guestbook.health().await {
                Ok(()) if is_there => return,
                Err(error) if !is_there && error.to_string().contains("moved, deleted or replaced") => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn assert_refused(&self) {
        self.wait(false).await;
        for error in [self.write().await.unwrap_err(), self.read().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }
    }
}

fn rows(database: &Path) -> i64 {
    let database = rusqlite::Connection::open(database).unwrap();
    database.query_row("SELECT count(*) FROM activities", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn deleted_database_fails_all_operations() {
    let place = Place::new().await;
    fs::remove_file(place.at("guestbook.db")).unwrap();
    place.assert_refused().await;
    assert!(!place.at("guestbook.db").exists(), "none is made in its place");
}

#[tokio::test]
async fn moved_database_works_again_when_put_back() {
    let place = Place::new().await;
    fs::rename(place.at("guestbook.db"), place.at("aside")).unwrap();
    place.assert_refused().await;
    fs::rename(place.at("aside"), place.at("guestbook.db")).unwrap();
    place.wait(true).await;
    place.write().await.unwrap();
    place.guestbook.shutdown().await;
    place.store.close().await.unwrap();
    assert_eq!(rows(&place.at("guestbook.db")), 2, "what was answered with Ok");
}

#[tokio::test]
async fn replaced_database_fails_all_operations() {
    let place = Place::new().await;
    fs::copy(place.at("guestbook.db"), place.at("backup")).unwrap();
    fs::rename(place.at("backup"), place.at("guestbook.db")).unwrap();
    place.assert_refused().await;
}

#[tokio::test]
async fn deleted_log_fails_all_operations() {
    let place = Place::new().await;
    fs::remove_file(place.at("guestbook.db-wal")).unwrap();
    place.assert_refused().await;
}

#[tokio::test]
async fn database_behind_a_changed_link_fails_all_operations() {
    let place = Place::new().await;
    place.guestbook.shutdown().await;
    place.store.close().await.unwrap();
    let link = place.at("link.db");
    std::os::unix::fs::symlink(place.at("guestbook.db"), &link).unwrap();
    let store = SqliteStore::open(&link).unwrap();
    let linked = Guestbook::builder(store.clone()).build().unwrap();
    linked.health().await.unwrap();
    fs::copy(place.at("guestbook.db"), place.at("other.db")).unwrap();
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(place.at("other.db"), &link).unwrap();
    while linked.health().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(linked.health().await.unwrap_err().kind(), ErrorKind::Unavailable);
}
