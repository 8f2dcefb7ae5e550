//! A journal with many entries, at the first start of a store that knows none of them.

use super::*;
use crate::support::log::Log;

/// A journal in memory, read in pages as large as was asked for.
#[derive(Clone)]
struct Archive(Arc<Vec<JournalEntry>>);

impl ErasureJournal for Archive {
    async fn open(&self, _: StoreFingerprint, _: OnMissingJournal) -> Result<()> {
        Ok(())
    }

    async fn append(&self, _: JournalEntry) -> Result<()> {
        unreachable!("nobody is erased")
    }

    async fn read(&self, from: Option<u64>, limit: usize) -> Result<JournalPage> {
        let from = from.unwrap_or(0) as usize;
        let page: Vec<_> = self.0.iter().skip(from).take(limit).copied().collect();
        let next = from + page.len();
        Ok(JournalPage::new(page, (next < self.0.len()).then_some(next as u64)))
    }

    async fn delete_expired(&self, _: Timestamp) -> Result<u64> {
        Ok(0)
    }
}

#[tokio::test]
async fn replay_of_a_long_journal_uses_large_steps_and_logs_its_progress() {
    const USERS: usize = 25_000;
    let faulty_store = FaultyStore::default();
    let first = entry(&*faulty_store.store, "first").await;
    let entries = (0..USERS).map(|number| {
        let mut pseudonym = [0; 32];
        pseudonym[..8].copy_from_slice(&number.to_be_bytes());
        JournalEntry::new(first.id, Pseudonym::from_bytes(pseudonym), first.at, first.until, JournalKind::Erased)
    });
    let archive = Archive(Arc::new([first].into_iter().chain(entries).collect()));
    let (log, _guard) = Log::capture();
    let (builder, _clock) = support::builder(faulty_store.clone());
    let guestbook = builder.erasure_journal(archive).build().unwrap();
    guestbook.ready().await.unwrap();
    // A lookup for each, and what 26 steps and the rest of a start take.
    let asked = faulty_store.asked();
    assert!((USERS..USERS + 100).contains(&asked), "the store was asked {asked} times");
    assert_out(&guestbook, "first").await;
    assert_eq!(login(&guestbook, "other").await, StatusCode::OK);
    let log = log.text();
    for words in ["reading the erasure journal", "compared=10000 of=25001", "compared=20000", "restored=10000 of=25001"]
    {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert_eq!(counts(guestbook.rights().replay_journal().await.unwrap()), [25_001, 0, 0, 0]);
}
