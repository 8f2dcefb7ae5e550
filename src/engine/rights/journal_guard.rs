//! [`JournalGuard`]: nothing is served before the erasure journal is replayed.

use super::Rights;
use crate::{
    engine::erasure_journal::{DynJournal, OnMissingJournal},
    error::Result,
    gate::Gate,
    model::privacy::JournalEntry,
};

/// The erasure journal, and the gate where requests wait until it is replayed.
pub(crate) struct JournalGuard {
    pub(super) journal: Box<dyn DynJournal>,
    /// What to do when the journal that the store had is missing.
    pub(super) missing: OnMissingJournal,
    pub(super) gate: Gate,
    /// One replay at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl JournalGuard {
    pub(crate) fn new(journal: Box<dyn DynJournal>, missing: OnMissingJournal, gate: Gate) -> Self {
        Self { journal, missing, gate, turn: tokio::sync::Mutex::default() }
    }

    /// Appends an entry, without a timeout: an append that is dropped may be written all the same.
    pub(super) async fn append(&self, entry: JournalEntry) -> Result<()> {
        self.journal.append(entry).await
    }
}

impl Rights {
    /// Waits until the journal is replayed, or until the replay has failed.
    pub(crate) async fn opened(&self) -> Result<()> {
        match &self.inner.config.journal_guard {
            Some(journal_guard) => journal_guard.gate.opened().await,
            None => Ok(()),
        }
    }

    /// Checks that the journal is replayed and that the store answers, apart from sessions.
    pub(crate) async fn health(&self) -> Result<()> {
        let answered = async {
            self.opened().await?;
            self.inner.runtime.store.journal_since().await
        };
        self.inner.runtime.tasks.within(answered).await.map(drop)
    }

    pub(super) fn is_open(&self) -> bool {
        self.inner.config.journal_guard.as_ref().is_none_or(|journal_guard| journal_guard.gate.is_open())
    }

    /// Deletes entries of the journal that are no longer needed.
    pub(super) async fn delete_entries(&self) -> Result<()> {
        if let Some(journal_guard) = &self.inner.config.journal_guard {
            self.inner
                .runtime
                .tasks
                .within(journal_guard.journal.delete_expired(self.inner.runtime.clock.now()))
                .await?;
        }
        Ok(())
    }
}
