//! [`MaintenanceStore`]: the contract of a store that several processes maintain.

use std::future::Future;

use uuid::Uuid;

use crate::{error::Result, time::Timestamp};

/// A store that grants leases to processes and returns free space.
///
/// # Contract
///
/// 1. **A lease has one holder.** Of callers in any process that ask at the same time, one gets it.
///    Leases with different names are independent.
/// 2. **A lease expires** at its `until`, so a holder that died blocks nobody for longer. To end it
///    earlier, its holder acquires it again until now.
/// 3. **Returning space loses no data.** It may be done at any time, a little at a time.
pub trait MaintenanceStore: Send + Sync + 'static {
    /// Acquires the lease until `until`, if it is free, held by `holder`, or expired at `now`.
    /// Returns `false` if another process holds it.
    fn acquire_lease(
        &self,
        name: &'static str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Returns at most `limit_pages` of free space to the system; 0 only reads how much there is.
    fn reclaim_space(&self, limit_pages: usize) -> impl Future<Output = Result<ReclaimedSpace>> + Send;
}

/// The result of [`MaintenanceStore::reclaim_space`]. A store without pages has zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimedSpace {
    /// Pages that were returned to the system.
    pub freed: u64,
    /// Free pages that the store still has.
    pub left: u64,
}
