//! A store that fails or hangs on demand.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower_guestbook::{
    Error, ErrorKind, Result, SessionId, SessionKey, Timestamp, UserId, VisitorId,
    activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
    consent::{ConsentId, ConsentRecord, ConsentStates, MergePolicy, Notice, NoticeHash, PurposeId, Subject},
    preferences::Patch,
    privacy::{
        AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, ErasedActivities, Erasure, ErasureId, HeldClass,
        LegalHold, PrivacyRequest, Pseudonym, RequestId, Restriction,
    },
    session::{Changes, CredentialEpoch, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord},
    store::{
        ActivityStore, AnalyticsStore, AnonymousBound, AnonymousTotal, Applied, AuditStore, Commit, ConsentStore,
        CredentialStore, EpochRule, ErasureStore, EventVisitor, FiledRequest, Loaded, LoadedContext, MaintenanceStore,
        MemoryStore, PreferenceChange, PreferenceStore, PrivacyRequestStore, Profile, ReclaimedSpace, RequestCounts,
        RequestQuery, RestrictionStore, Revocation, Rotation, Scan, SessionStore, Started, Store, StoredPreferences,
    },
};
use uuid::Uuid;

/// A memory store that fails or hangs on demand, and counts how often it is asked.
#[derive(Clone, Default)]
pub(crate) struct FaultyStore {
    pub(crate) store: Arc<MemoryStore>,
    mood: Arc<Mutex<Fault>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Fault {
    #[default]
    Good,
    Failing,
    Stuck,
    /// What is asked of it is wrong.
    Refusing,
    /// Reads work, writes fail.
    ReadOnly,
}

impl FaultyStore {
    pub(crate) fn set(&self, mood: Fault) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn ask(&self, write: bool) -> Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let mood = *self.mood.lock().unwrap();
        match mood {
            Fault::Good => Ok(()),
            Fault::ReadOnly if !write => Ok(()),
            Fault::Failing | Fault::ReadOnly => Err(Error::new(ErrorKind::Unavailable, "out of order")),
            Fault::Stuck => pending().await,
            Fault::Refusing => Err(Error::new(ErrorKind::InvalidInput, "this is wrong")),
        }
    }
}

impl SessionStore for FaultyStore {
    async fn insert(
        &self,
        key: SessionKey,
        record: SessionRecord,
        cap: SessionCap,
        epoch: EpochRule,
        now: Timestamp,
    ) -> Result<Started> {
        self.ask(true).await?;
        self.store.insert(key, record, cap, epoch, now).await
    }

    async fn load(&self, key: SessionKey, realm: Realm) -> Result<Loaded> {
        self.ask(false).await?;
        self.store.load(key, realm).await
    }

    async fn apply(&self, id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Result<Applied> {
        self.ask(true).await?;
        self.store.apply(id, changes, limits, now).await
    }

    async fn touch(&self, id: SessionId, now: Timestamp) -> Result<bool> {
        self.ask(true).await?;
        self.store.touch(id, now).await
    }

    async fn rotate(
        &self,
        rotation: Rotation,
        limits: SessionLimits,
        cap: SessionCap,
        now: Timestamp,
    ) -> Result<Option<Started>> {
        self.ask(true).await?;
        self.store.rotate(rotation, limits, cap, now).await
    }

    async fn delete(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionKey>> {
        self.ask(true).await?;
        self.store.delete(id, now).await
    }

    async fn list(&self, user: UserId, realm: Option<Realm>, limit: usize, now: Timestamp) -> Result<Vec<SessionHead>> {
        self.ask(false).await?;
        self.store.list(user, realm, limit, now).await
    }

    async fn session_data(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionData>> {
        self.ask(false).await?;
        self.store.session_data(id, now).await
    }

    async fn revoke(&self, revocation: Revocation, now: Timestamp) -> Result<u64> {
        self.ask(true).await?;
        self.store.revoke(revocation, now).await
    }

    async fn trim_anonymous(&self, bound: AnonymousBound, limit: usize) -> Result<AnonymousTotal> {
        self.ask(true).await?;
        self.store.trim_anonymous(bound, limit).await
    }

    async fn delete_expired(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.store.delete_expired(now, limit).await
    }
}

impl CredentialStore for FaultyStore {
    async fn credential_epoch(&self, realm: Realm, user: UserId) -> Result<CredentialEpoch> {
        self.ask(false).await?;
        self.store.credential_epoch(realm, user).await
    }

    async fn raise_credential_epoch(&self, realm: Realm, user: Option<UserId>) -> Result<CredentialEpoch> {
        self.ask(true).await?;
        self.store.raise_credential_epoch(realm, user).await
    }
}

impl ActivityStore for FaultyStore {
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        self.ask(true).await?;
        self.store.append(entries, commit).await
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.ask(false).await?;
        self.store.history(query).await
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.ask(false).await?;
        self.store.count(filter).await
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.ask(true).await?;
        self.store.delete_activities(filter, limit).await
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.ask(true).await?;
        self.store.anonymise(filter, limit).await
    }
}

impl ConsentStore for FaultyStore {
    async fn consents(&self, subject: Subject) -> Result<ConsentStates> {
        self.ask(false).await?;
        self.store.consents(subject).await
    }

    async fn record_consents(&self, records: Vec<ConsentRecord>) -> Result<ConsentStates> {
        self.ask(true).await?;
        self.store.record_consents(records).await
    }

    async fn consent_history(
        &self,
        subject: Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> Result<Vec<ConsentRecord>> {
        self.ask(false).await?;
        self.store.consent_history(subject, limit, before).await
    }

    async fn link_visitor(
        &self,
        visitor: VisitorId,
        user: UserId,
        policy: MergePolicy,
        now: Timestamp,
    ) -> Result<ConsentStates> {
        self.ask(true).await?;
        self.store.link_visitor(visitor, user, policy, now).await
    }

    async fn refusing_subjects(&self, purpose: PurposeId, denied: bool, limit: usize) -> Result<Vec<Subject>> {
        self.ask(false).await?;
        self.store.refusing_subjects(purpose, denied, limit).await
    }

    async fn rebuild_consents(&self) -> Result<u64> {
        self.ask(true).await?;
        self.store.rebuild_consents().await
    }

    async fn publish_notice(&self, notice: Notice) -> Result<()> {
        self.ask(true).await?;
        self.store.publish_notice(notice).await
    }

    async fn notice(&self, hash: NoticeHash) -> Result<Option<Notice>> {
        self.ask(false).await?;
        self.store.notice(hash).await
    }

    /// That it may have to be made first does not make it a write: all but the first caller read
    /// it.
    async fn signing_secret(&self) -> Result<[u8; 32]> {
        self.ask(false).await?;
        self.store.signing_secret().await
    }
}

impl PreferenceStore for FaultyStore {
    async fn preferences(&self, user: UserId) -> Result<StoredPreferences> {
        self.ask(false).await?;
        self.store.preferences(user).await
    }

    async fn change_preferences(&self, user: UserId, patch: Patch, expected: Option<u64>) -> Result<PreferenceChange> {
        self.ask(true).await?;
        self.store.change_preferences(user, patch, expected).await
    }

    async fn rectify_preferences(
        &self,
        user: UserId,
        patch: Patch,
        expected: Option<u64>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<PreferenceChange> {
        self.ask(true).await?;
        self.store.rectify_preferences(user, patch, expected, note, now).await
    }
}

impl ErasureStore for FaultyStore {
    async fn begin_erasure(&self, user: UserId, until: Timestamp, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        self.ask(true).await?;
        self.store.begin_erasure(user, until, note, now).await
    }

    async fn erase_some(
        &self,
        id: ErasureId,
        limit: usize,
        activities: ErasedActivities,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Erasure> {
        self.ask(true).await?;
        self.store.erase_some(id, limit, activities, note, now).await
    }

    async fn unfinished_erasures(&self) -> Result<Vec<Erasure>> {
        // The guestbook asks in the background: nobody's trip.
        self.store.unfinished_erasures().await
    }

    async fn erasure_of(&self, user: UserId) -> Result<Option<Erasure>> {
        self.ask(false).await?;
        self.store.erasure_of(user).await
    }

    async fn lift_erasure(&self, user: UserId, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.ask(true).await?;
        self.store.lift_erasure(user, note, now).await
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>> {
        self.ask(false).await?;
        self.store.users(after, limit).await
    }

    async fn tombstone(&self, pseudonym: Pseudonym) -> Result<Option<Erasure>> {
        self.ask(false).await?;
        self.store.tombstone(pseudonym).await
    }

    async fn restore_erasure(&self, erasure: Erasure, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        self.ask(true).await?;
        self.store.restore_erasure(erasure, note, now).await
    }

    async fn lift_erasure_by_id(&self, id: ErasureId, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.ask(true).await?;
        self.store.lift_erasure_by_id(id, note, now).await
    }

    async fn restore_tombstones(&self, erasures: Vec<Erasure>, note: AuditNote, now: Timestamp) -> Result<u64> {
        self.ask(true).await?;
        self.store.restore_tombstones(erasures, note, now).await
    }

    async fn journal_since(&self) -> Result<Option<Timestamp>> {
        self.ask(false).await?;
        self.store.journal_since().await
    }

    async fn begin_journal(&self, now: Timestamp) -> Result<()> {
        self.ask(true).await?;
        self.store.begin_journal(now).await
    }

    async fn delete_tombstones(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.store.delete_tombstones(now, limit).await
    }

    async fn scrub(&self) -> Result<bool> {
        // The sweeper does this by itself.
        self.store.scrub().await
    }
}

impl AuditStore for FaultyStore {
    async fn record_audit(&self, note: AuditNote, now: Timestamp) -> Result<AuditHead> {
        self.ask(true).await?;
        self.store.record_audit(note, now).await
    }

    async fn audit_page(&self, after: u64, limit: usize, subject: Option<UserId>) -> Result<Vec<AuditRow>> {
        self.ask(false).await?;
        self.store.audit_page(after, limit, subject).await
    }

    async fn audit_head(&self) -> Result<AuditHead> {
        self.ask(false).await?;
        self.store.audit_head().await
    }

    async fn audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        self.ask(false).await?;
        self.store.audit_checkpoint().await
    }

    async fn delete_audit_entries(
        &self,
        before: Timestamp,
        limit: usize,
        key: AuditKey,
        now: Timestamp,
    ) -> Result<usize> {
        // The background does this by itself.
        self.store.delete_audit_entries(before, limit, key, now).await
    }
}

impl RestrictionStore for FaultyStore {
    async fn restrict(
        &self,
        user: UserId,
        restriction: Option<Restriction>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Option<Restriction>> {
        self.ask(true).await?;
        self.store.restrict(user, restriction, note, now).await
    }

    async fn restriction_of(&self, user: UserId) -> Result<Option<Restriction>> {
        self.ask(false).await?;
        self.store.restriction_of(user).await
    }

    async fn restricted_users(&self, limit: usize) -> Result<Vec<UserId>> {
        self.ask(false).await?;
        self.store.restricted_users(limit).await
    }

    async fn place_hold(&self, user: UserId, hold: LegalHold, note: AuditNote, now: Timestamp) -> Result<()> {
        self.ask(true).await?;
        self.store.place_hold(user, hold, note, now).await
    }

    async fn release_hold(&self, user: UserId, class: HeldClass, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.ask(true).await?;
        self.store.release_hold(user, class, note, now).await
    }

    async fn holds_of(&self, user: UserId) -> Result<Vec<LegalHold>> {
        self.ask(false).await?;
        self.store.holds_of(user).await
    }
}

impl PrivacyRequestStore for FaultyStore {
    async fn file_request(&self, request: PrivacyRequest, note: AuditNote, now: Timestamp) -> Result<FiledRequest> {
        self.ask(true).await?;
        self.store.file_request(request, note, now).await
    }

    async fn privacy_request(&self, id: RequestId) -> Result<Option<PrivacyRequest>> {
        self.ask(false).await?;
        self.store.privacy_request(id).await
    }

    async fn change_request(
        &self,
        request: PrivacyRequest,
        expected: u64,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<bool> {
        self.ask(true).await?;
        self.store.change_request(request, expected, note, now).await
    }

    async fn privacy_requests(&self, query: RequestQuery) -> Result<Vec<PrivacyRequest>> {
        // The sweeper does this by itself.
        self.store.privacy_requests(query).await
    }

    async fn count_requests(&self, now: Timestamp) -> Result<RequestCounts> {
        // The sweeper does this by itself.
        self.store.count_requests(now).await
    }

    async fn delete_requests(&self, closed_before: Timestamp, limit: usize) -> Result<usize> {
        // The sweeper does this by itself.
        self.store.delete_requests(closed_before, limit).await
    }
}

/// In the background, too: nobody's trip.
impl MaintenanceStore for FaultyStore {
    async fn acquire_lease(&self, name: &'static str, holder: Uuid, now: Timestamp, until: Timestamp) -> Result<bool> {
        self.store.acquire_lease(name, holder, now, until).await
    }

    async fn reclaim_space(&self, limit_pages: usize) -> Result<ReclaimedSpace> {
        self.store.reclaim_space(limit_pages).await
    }
}

impl AnalyticsStore for FaultyStore {
    async fn at_most(&self, scan: Scan) -> Result<u64> {
        self.store.at_most(scan).await
    }

    async fn scan(&self, scan: Scan, each: EventVisitor) -> Result<()> {
        self.ask(false).await?;
        self.store.scan(scan, each).await
    }
}

/// One trip each, as of a store that answers at once.
impl Store for FaultyStore {
    async fn load_context(&self, key: SessionKey, realm: Realm, visitor: Option<VisitorId>) -> Result<LoadedContext> {
        self.ask(false).await?;
        self.store.load_context(key, realm, visitor).await
    }

    async fn profile(&self, subject: Subject) -> Result<Profile> {
        self.ask(false).await?;
        self.store.profile(subject).await
    }
}
