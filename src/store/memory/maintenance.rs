//! Leases in memory.

use uuid::Uuid;

use super::MemoryStore;
use crate::{
    error::Result,
    store::{MaintenanceStore, ReclaimedSpace},
    time::Timestamp,
};

impl MaintenanceStore for MemoryStore {
    async fn acquire_lease(&self, name: &'static str, holder: Uuid, now: Timestamp, until: Timestamp) -> Result<bool> {
        let mut state = self.state();
        let is_free = state.leases.get(name).is_none_or(|(other, end)| *other == holder || *end <= now);
        if is_free {
            state.leases.insert(name, (holder, until));
        }
        Ok(is_free)
    }

    /// There are no pages.
    async fn reclaim_space(&self, _: usize) -> Result<ReclaimedSpace> {
        Ok(ReclaimedSpace::default())
    }
}
