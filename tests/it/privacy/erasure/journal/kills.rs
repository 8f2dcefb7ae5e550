//! A process that dies between the entry in the journal and the tombstone in the store.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::*;

const DIRECTORY: &str = "GUESTBOOK_TEST_JOURNAL_DIRECTORY";

/// Says that an entry is on the disk, and never answers.
struct Last(FileJournal);

impl ErasureJournal for Last {
    async fn open(&self, store: StoreFingerprint, missing: OnMissingJournal) -> Result<()> {
        self.0.open(store, missing).await
    }

    async fn append(&self, entry: JournalEntry) -> Result<()> {
        self.0.append(entry).await?;
        println!("\nentered .");
        std::future::pending().await
    }

    async fn read(&self, from: Option<u64>, limit: usize) -> Result<JournalPage> {
        self.0.read(from, limit).await
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.0.delete_expired(now).await
    }
}

/// Part of a child.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_enters() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let store = SqliteStore::open(directory.join("guestbook.db")).unwrap();
    let journal = Last(FileJournal::new(directory.join("erasures")));
    let guestbook = Guestbook::builder(store).erasure_journal(journal).build().unwrap();
    guestbook.ready().await.unwrap();
    guestbook.rights().erase(&user("ada")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn start_erases_users_that_the_journal_had_before_a_kill() {
    let place = Place::new();
    let store = place.open();
    append(&store, entries(1, 1, [event("ada", "hers"), event("bob", "his")])).await;
    store.close().await.unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["privacy::erasure::journal::kills::child_that_enters", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, place.directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "entered ."));
    child.kill().unwrap();
    child.wait().unwrap();

    let store = place.open();
    assert_eq!((store.erasure_of(user("ada")).await.unwrap(), count(&store, "ada").await), (None, 1));
    let guestbook = Guestbook::builder(store.clone()).erasure_journal(place.journal()).build().unwrap();
    guestbook.ready().await.unwrap();
    let erasure = super::super::resumed::wait_for(&guestbook, "ada").await;
    assert_eq!((erasure.erased.activities, count(&store, "ada").await, count(&store, "bob").await), (1, 0, 1));
    // The entry was whole, and is the one that names the erasure.
    let page = place.journal_of(&store).await.read(None, 10).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [erasure.id]);
}
