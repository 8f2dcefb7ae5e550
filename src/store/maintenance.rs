//! [`MaintenanceStore`]: the contract of a store that is looked after by several processes.

use std::future::Future;

use uuid::Uuid;

use crate::{error::Result, time::Timestamp};

/// A store that lets one of several processes look after it at a time, and gives space back.
///
/// # Contract
///
/// 1. **A lease has one holder.** Of callers that ask at the same time, in this process or another
///    on the same store, one gets it. Leases of different names have nothing to do with each other.
/// 2. **A lease ends by itself**, at its `until`: a holder that died keeps nobody waiting for
///    longer. To end it earlier its holder asks for it again until now.
/// 3. **Giving space back loses nothing** and may be done at any time, a little at a time.
pub trait MaintenanceStore: Send + Sync + 'static {
    /// Takes the lease, if it is free, `holder`'s own, or over at `now`, and keeps it until
    /// `until`. `false` if another holds it.
    fn acquire_lease(
        &self,
        name: &'static str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Gives at most `limit_pages` of free space back to the system; 0 only looks how much there
    /// is.
    fn reclaim_space(&self, limit_pages: usize) -> impl Future<Output = Result<ReclaimedSpace>> + Send;
}

/// What [`MaintenanceStore::reclaim_space`] has done. A store without pages has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimedSpace {
    /// Number of pages that were given back.
    pub freed: u64,
    /// Number of free pages that the store still has.
    pub left: u64,
}
