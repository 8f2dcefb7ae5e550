//! [`SplitStore`]: sessions here, records there.

mod sessions;

use std::sync::Arc;

use uuid::Uuid;

use super::{
    ActivityStore, AggregateQuery, AnalyticsStore, AuditStore, Commit, ConsentStore, ErasureStore, EventVisitor,
    FiledRequest, MaintenanceStore, OverviewParts, PreferenceChange, PreferenceStore, PrivacyRequestStore, Profile,
    ReclaimedSpace, RequestCounts, RequestQuery, RestrictionStore, Revocation, RollupCheck, Scan, SessionStore, Store,
    StoredPreferences,
};
use crate::{
    error::Result,
    id::{UserId, VisitorId},
    model::{
        activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
        analytics::{ActiveUsers, ActivitySeries, Overview, Period, Zone},
        consent::{ConsentId, ConsentRecord, ConsentStates, MergePolicy, Notice, NoticeHash, PurposeId, Subject},
        preferences::Patch,
        privacy::{
            AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, ErasedActivities, Erasure, ErasureId, HeldClass,
            LegalHold, PrivacyRequest, Pseudonym, RequestId, Restriction,
        },
    },
    time::Timestamp,
};

/// Two stores as one: sessions in the first, everything else in the second. A request that is not
/// cached asks both.
///
/// Epochs of credentials are kept in the second store, and compared at each load as well: a session
/// that should have ended is not served although the first store could not end it, or has forgotten
/// that it did.
///
/// ```
/// use tower_guestbook::{Guestbook, store::{MemoryStore, SplitStore}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let store = SplitStore::new(MemoryStore::new(), MemoryStore::new());
/// let guestbook = Guestbook::builder(store).build()?;
/// # guestbook.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SplitStore<S, R> {
    sessions: S,
    records: R,
}

impl<S: SessionStore, R: ActivityStore> SplitStore<S, R> {
    /// Sessions in `sessions`, everything else in `records`.
    pub fn new(sessions: S, records: R) -> Self {
        Self { sessions, records }
    }
}

impl<S: Send + Sync + 'static, R: ActivityStore> ActivityStore for SplitStore<S, R> {
    store_methods!(ActivityStore, delegate_methods records);
}

impl<S: Send + Sync + 'static, R: ConsentStore> ConsentStore for SplitStore<S, R> {
    store_methods!(ConsentStore, delegate_methods records);
}

impl<S: Send + Sync + 'static, R: PreferenceStore> PreferenceStore for SplitStore<S, R> {
    store_methods!(PreferenceStore, delegate_methods records);
}

impl<S: SessionStore, R: ErasureStore> ErasureStore for SplitStore<S, R> {
    store_methods!(ErasureStore records, delegate_methods records);

    async fn begin_erasure(&self, user: UserId, until: Timestamp, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        let mut erasure = self.records.begin_erasure(user.clone(), until, note, now).await?;
        erasure.erased.sessions += self.sessions.revoke(Revocation::Erased(user), now).await?;
        Ok(erasure)
    }

    async fn erase_some(
        &self,
        id: ErasureId,
        limit: usize,
        activities: ErasedActivities,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Erasure> {
        let unfinished = self.records.unfinished_erasures().await?.into_iter().find(|erasure| erasure.id == id);
        if let Some(user) = unfinished.and_then(|erasure| erasure.user) {
            self.sessions.revoke(Revocation::Erased(user), now).await?;
        }
        self.records.erase_some(id, limit, activities, note, now).await
    }

    async fn restore_erasure(&self, erasure: Erasure, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        let user = erasure.user.clone();
        let mut erasure = self.records.restore_erasure(erasure, note, now).await?;
        if let Some(user) = user {
            erasure.erased.sessions += self.sessions.revoke(Revocation::Erased(user), now).await?;
        }
        Ok(erasure)
    }
}

impl<S: Send + Sync + 'static, R: AuditStore> AuditStore for SplitStore<S, R> {
    store_methods!(AuditStore, delegate_methods records);
}

impl<S: Send + Sync + 'static, R: RestrictionStore> RestrictionStore for SplitStore<S, R> {
    store_methods!(RestrictionStore, delegate_methods records);
}

impl<S: Send + Sync + 'static, R: PrivacyRequestStore> PrivacyRequestStore for SplitStore<S, R> {
    store_methods!(PrivacyRequestStore, delegate_methods records);
}

impl<S: Send + Sync + 'static, R: MaintenanceStore> MaintenanceStore for SplitStore<S, R> {
    store_methods!(MaintenanceStore, delegate_methods records);
}

impl<S: Send + Sync + 'static, R: AnalyticsStore> AnalyticsStore for SplitStore<S, R> {
    store_methods!(AnalyticsStore, delegate_methods records);
}

impl<S: SessionStore, R: Store> Store for SplitStore<S, R> {
    async fn profile(&self, subject: Subject) -> Result<Profile> {
        self.records.profile(subject).await
    }
}
