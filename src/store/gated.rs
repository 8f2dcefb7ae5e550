//! [`Gated`]: a store of activities behind a gate.

use std::sync::Arc;

use super::{ActivityStore, Commit};
use crate::{
    error::Result,
    gate::Gate,
    model::activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
};

/// The store of the recorder, which has its own timeouts and retries: a closed gate is a slow store
/// to it, and a gate that never opens a failing store. So events wait in the recorder's queue.
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
