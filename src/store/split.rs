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
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        self.records.append(entries, commit).await
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.records.history(query).await
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.records.count(filter).await
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.records.delete_activities(filter, limit).await
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.records.anonymise(filter, limit).await
    }
}

impl<S: Send + Sync + 'static, R: ConsentStore> ConsentStore for SplitStore<S, R> {
    async fn consents(&self, subject: Subject) -> Result<ConsentStates> {
        self.records.consents(subject).await
    }

    async fn record_consents(&self, records: Vec<ConsentRecord>) -> Result<ConsentStates> {
        self.records.record_consents(records).await
    }

    async fn consent_history(
        &self,
        subject: Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> Result<Vec<ConsentRecord>> {
        self.records.consent_history(subject, limit, before).await
    }

    async fn link_visitor(
        &self,
        visitor: VisitorId,
        user: UserId,
        policy: MergePolicy,
        now: Timestamp,
    ) -> Result<ConsentStates> {
        self.records.link_visitor(visitor, user, policy, now).await
    }

    async fn refusing_subjects(&self, purpose: PurposeId, denied: bool, limit: usize) -> Result<Vec<Subject>> {
        self.records.refusing_subjects(purpose, denied, limit).await
    }

    async fn rebuild_consents(&self) -> Result<u64> {
        self.records.rebuild_consents().await
    }

    async fn publish_notice(&self, notice: Notice) -> Result<()> {
        self.records.publish_notice(notice).await
    }

    async fn notice(&self, hash: NoticeHash) -> Result<Option<Notice>> {
        self.records.notice(hash).await
    }

    async fn signing_secret(&self) -> Result<[u8; 32]> {
        self.records.signing_secret().await
    }
}

impl<S: Send + Sync + 'static, R: PreferenceStore> PreferenceStore for SplitStore<S, R> {
    async fn preferences(&self, user: UserId) -> Result<StoredPreferences> {
        self.records.preferences(user).await
    }

    async fn change_preferences(&self, user: UserId, patch: Patch, expected: Option<u64>) -> Result<PreferenceChange> {
        self.records.change_preferences(user, patch, expected).await
    }

    async fn rectify_preferences(
        &self,
        user: UserId,
        patch: Patch,
        expected: Option<u64>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<PreferenceChange> {
        self.records.rectify_preferences(user, patch, expected, note, now).await
    }
}

impl<S: SessionStore, R: ErasureStore> ErasureStore for SplitStore<S, R> {
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

    async fn unfinished_erasures(&self) -> Result<Vec<Erasure>> {
        self.records.unfinished_erasures().await
    }

    async fn erasure_of(&self, user: UserId) -> Result<Option<Erasure>> {
        self.records.erasure_of(user).await
    }

    async fn lift_erasure(&self, user: UserId, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.records.lift_erasure(user, note, now).await
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>> {
        self.records.users(after, limit).await
    }

    async fn tombstone(&self, pseudonym: Pseudonym) -> Result<Option<Erasure>> {
        self.records.tombstone(pseudonym).await
    }

    async fn restore_erasure(&self, erasure: Erasure, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        let user = erasure.user.clone();
        let mut erasure = self.records.restore_erasure(erasure, note, now).await?;
        if let Some(user) = user {
            erasure.erased.sessions += self.sessions.revoke(Revocation::Erased(user), now).await?;
        }
        Ok(erasure)
    }

    async fn lift_erasure_by_id(&self, id: ErasureId, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.records.lift_erasure_by_id(id, note, now).await
    }

    async fn restore_tombstones(&self, erasures: Vec<Erasure>, note: AuditNote, now: Timestamp) -> Result<u64> {
        self.records.restore_tombstones(erasures, note, now).await
    }

    async fn journal_since(&self) -> Result<Option<Timestamp>> {
        self.records.journal_since().await
    }

    async fn begin_journal(&self, now: Timestamp) -> Result<()> {
        self.records.begin_journal(now).await
    }

    async fn delete_tombstones(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.records.delete_tombstones(now, limit).await
    }

    async fn scrub(&self) -> Result<bool> {
        self.records.scrub().await
    }
}

impl<S: Send + Sync + 'static, R: AuditStore> AuditStore for SplitStore<S, R> {
    async fn record_audit(&self, note: AuditNote, now: Timestamp) -> Result<AuditHead> {
        self.records.record_audit(note, now).await
    }

    async fn audit_page(&self, after: u64, limit: usize, subject: Option<UserId>) -> Result<Vec<AuditRow>> {
        self.records.audit_page(after, limit, subject).await
    }

    async fn audit_head(&self) -> Result<AuditHead> {
        self.records.audit_head().await
    }

    async fn audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        self.records.audit_checkpoint().await
    }

    async fn delete_audit_entries(
        &self,
        before: Timestamp,
        limit: usize,
        key: AuditKey,
        now: Timestamp,
    ) -> Result<usize> {
        self.records.delete_audit_entries(before, limit, key, now).await
    }
}

impl<S: Send + Sync + 'static, R: RestrictionStore> RestrictionStore for SplitStore<S, R> {
    async fn restrict(
        &self,
        user: UserId,
        restriction: Option<Restriction>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Option<Restriction>> {
        self.records.restrict(user, restriction, note, now).await
    }

    async fn restriction_of(&self, user: UserId) -> Result<Option<Restriction>> {
        self.records.restriction_of(user).await
    }

    async fn restricted_users(&self, limit: usize) -> Result<Vec<UserId>> {
        self.records.restricted_users(limit).await
    }

    async fn place_hold(&self, user: UserId, hold: LegalHold, note: AuditNote, now: Timestamp) -> Result<()> {
        self.records.place_hold(user, hold, note, now).await
    }

    async fn release_hold(&self, user: UserId, class: HeldClass, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.records.release_hold(user, class, note, now).await
    }

    async fn holds_of(&self, user: UserId) -> Result<Vec<LegalHold>> {
        self.records.holds_of(user).await
    }
}

impl<S: Send + Sync + 'static, R: PrivacyRequestStore> PrivacyRequestStore for SplitStore<S, R> {
    async fn file_request(&self, request: PrivacyRequest, note: AuditNote, now: Timestamp) -> Result<FiledRequest> {
        self.records.file_request(request, note, now).await
    }

    async fn privacy_request(&self, id: RequestId) -> Result<Option<PrivacyRequest>> {
        self.records.privacy_request(id).await
    }

    async fn change_request(
        &self,
        request: PrivacyRequest,
        expected: u64,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<bool> {
        self.records.change_request(request, expected, note, now).await
    }

    async fn privacy_requests(&self, query: RequestQuery) -> Result<Vec<PrivacyRequest>> {
        self.records.privacy_requests(query).await
    }

    async fn count_requests(&self, now: Timestamp) -> Result<RequestCounts> {
        self.records.count_requests(now).await
    }

    async fn delete_requests(&self, closed_before: Timestamp, limit: usize) -> Result<usize> {
        self.records.delete_requests(closed_before, limit).await
    }
}

impl<S: Send + Sync + 'static, R: MaintenanceStore> MaintenanceStore for SplitStore<S, R> {
    async fn acquire_lease(&self, name: &'static str, holder: Uuid, now: Timestamp, until: Timestamp) -> Result<bool> {
        self.records.acquire_lease(name, holder, now, until).await
    }

    async fn reclaim_space(&self, limit_pages: usize) -> Result<ReclaimedSpace> {
        self.records.reclaim_space(limit_pages).await
    }
}

impl<S: Send + Sync + 'static, R: AnalyticsStore> AnalyticsStore for SplitStore<S, R> {
    async fn at_most(&self, scan: Scan) -> Result<u64> {
        self.records.at_most(scan).await
    }

    async fn scan(&self, scan: Scan, each: EventVisitor) -> Result<()> {
        self.records.scan(scan, each).await
    }

    async fn overview(
        &self,
        counting: AggregateQuery,
        zone: Zone,
        limit: usize,
        wanted: OverviewParts,
    ) -> Result<Option<Overview>> {
        self.records.overview(counting, zone, limit, wanted).await
    }

    async fn activity_series(
        &self,
        counting: AggregateQuery,
        period: Period,
        zone: Zone,
    ) -> Result<Option<ActivitySeries>> {
        self.records.activity_series(counting, period, zone).await
    }

    async fn active_users_series(&self, counting: AggregateQuery, zone: Zone) -> Result<Option<ActiveUsers>> {
        self.records.active_users_series(counting, zone).await
    }

    async fn roll_up(&self, counting: AggregateQuery, now: Timestamp) -> Result<bool> {
        self.records.roll_up(counting, now).await
    }

    async fn check_rollups(&self, counting: AggregateQuery) -> Result<RollupCheck> {
        self.records.check_rollups(counting).await
    }

    async fn delete_rollups(&self) -> Result<()> {
        self.records.delete_rollups().await
    }
}

impl<S: SessionStore, R: Store> Store for SplitStore<S, R> {
    async fn profile(&self, subject: Subject) -> Result<Profile> {
        self.records.profile(subject).await
    }
}
