//! [`Gated`]: a store of activities that takes nothing before a gate is open.

use std::sync::Arc;

use super::{ActivityStore, Commit};
use crate::{
    error::Result,
    gate::Gate,
    model::activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
};

/// For the recorder, which has its own patience: to it a closed gate is a store that is slow, and
/// one that does not open is a store that fails, so that events wait where they always do.
#[derive(Debug)]
pub(crate) struct Gated<S> {
    store: Arc<S>,
    gate: Gate,
}

impl<S> Gated<S> {
    pub(crate) fn new(store: Arc<S>, gate: Gate) -> Self {
        Self { store, gate }
    }
}

impl<S: ActivityStore> ActivityStore for Gated<S> {
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        self.gate.opened().await?;
        self.store.append(entries, commit).await
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.gate.opened().await?;
        self.store.history(query).await
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.gate.opened().await?;
        self.store.count(filter).await
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.gate.opened().await?;
        self.store.delete_activities(filter, limit).await
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.gate.opened().await?;
        self.store.anonymise(filter, limit).await
    }
}
