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

    async fn opened(&self, _method: &'static str, _is_write: bool) -> Result<()> {
        self.gate.opened().await
    }
}

impl<S: ActivityStore> ActivityStore for Gated<S> {
    store_methods!(ActivityStore, delegate_methods store after opened);
}
