//! The boxed twins of the store traits, so that no type of a user carries a store parameter.

use std::{future::Future, pin::Pin, sync::Arc};

use uuid::Uuid;

use super::{
    ActivityStore, AggregateQuery, AnalyticsStore, AnonymousBound, AnonymousTotal, Applied, AuditStore, Commit,
    ConsentStore, CredentialStore, EpochRule, ErasureStore, EventVisitor, FiledRequest, Loaded, LoadedContext,
    MaintenanceStore, OverviewParts, PreferenceChange, PreferenceStore, PrivacyRequestStore, Profile, ReclaimedSpace,
    RequestCounts, RequestQuery, RestrictionStore, Revocation, RollupCheck, Rotation, Scan, SessionStore, Started,
    Store, StoredPreferences,
};
use crate::{
    error::Result,
    id::{SessionId, SessionKey, UserId, VisitorId},
    model::{
        activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
        analytics::{ActiveUsers, ActivitySeries, Overview, Period, Zone},
        consent::{ConsentId, ConsentRecord, ConsentStates, MergePolicy, Notice, NoticeHash, PurposeId, Subject},
        preferences::Patch,
        privacy::{
            AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, ErasedActivities, Erasure, ErasureId, HeldClass,
            LegalHold, PrivacyRequest, Pseudonym, RequestId, Restriction,
        },
        session::{
            Changes, CredentialEpoch, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord,
        },
    },
    time::Timestamp,
};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Declares the object-safe twin of a store trait and implements it for every store.
macro_rules! dyn_store {
    ($twin:ident $(: $($above:ident),+)? of $trait:ident: $($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        pub(crate) trait $twin: $($($above +)+)? Send + Sync {
            $(fn $verb(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>>;)*
        }

        impl<S: $trait> $twin for S {
            $(fn $verb(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>> {
                Box::pin($trait::$verb(self, $($name),*))
            })*
        }
    };
}

dyn_store! {
    DynActivityStore of ActivityStore:
    append(entries: Arc<[Entry]>, commit: Commit) -> Vec<Option<u64>>;
    history(query: HistoryQuery) -> HistoryPage;
    count(filter: ActivityFilter) -> u64;
    delete_activities(filter: ActivityFilter, limit: usize) -> usize;
    anonymise(filter: ActivityFilter, limit: usize) -> usize;
}

dyn_store! {
    DynamicSessionStore of SessionStore:
    insert(key: SessionKey, record: SessionRecord, cap: SessionCap, epoch: EpochRule, now: Timestamp) -> Started;
    load(key: SessionKey, realm: Realm) -> Loaded;
    apply(id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Applied;
    touch(id: SessionId, now: Timestamp) -> bool;
    rotate(rotation: Rotation, limits: SessionLimits, cap: SessionCap, now: Timestamp) -> Option<Started>;
    delete(id: SessionId, now: Timestamp) -> Option<SessionKey>;
    list(user: UserId, realm: Option<Realm>, limit: usize, now: Timestamp) -> Vec<SessionHead>;
    session_data(id: SessionId, now: Timestamp) -> Option<SessionData>;
    revoke(revocation: Revocation, now: Timestamp) -> u64;
    trim_anonymous(bound: AnonymousBound, limit: usize) -> AnonymousTotal;
    delete_expired(now: Timestamp, limit: usize) -> usize;
}

dyn_store! {
    DynamicCredentialStore of CredentialStore:
    credential_epoch(realm: Realm, user: UserId) -> CredentialEpoch;
}

dyn_store! {
    DynamicConsentStore of ConsentStore:
    record_consents(records: Vec<ConsentRecord>) -> ConsentStates;
    consent_history(subject: Subject, limit: usize, before: Option<ConsentId>) -> Vec<ConsentRecord>;
    link_visitor(visitor: VisitorId, user: UserId, policy: MergePolicy, now: Timestamp) -> ConsentStates;
    refusing_subjects(purpose: PurposeId, denied: bool, limit: usize) -> Vec<Subject>;
    rebuild_consents() -> u64;
    publish_notice(notice: Notice) -> ();
    notice(hash: NoticeHash) -> Option<Notice>;
    signing_secret() -> [u8; 32];
}

dyn_store! {
    DynamicPreferenceStore of PreferenceStore:
    preferences(user: UserId) -> StoredPreferences;
    change_preferences(user: UserId, patch: Patch, expected: Option<u64>) -> PreferenceChange;
    rectify_preferences(user: UserId, patch: Patch, expected: Option<u64>, note: AuditNote, now: Timestamp)
        -> PreferenceChange;
}

dyn_store! {
    DynamicSubjectStore of ErasureStore:
    begin_erasure(user: UserId, until: Timestamp, note: AuditNote, now: Timestamp) -> Erasure;
    erase_some(id: ErasureId, limit: usize, activities: ErasedActivities, note: AuditNote, now: Timestamp) -> Erasure;
    unfinished_erasures() -> Vec<Erasure>;
    erasure_of(user: UserId) -> Option<Erasure>;
    lift_erasure(user: UserId, note: AuditNote, now: Timestamp) -> bool;
    users(after: Option<UserId>, limit: usize) -> Vec<UserId>;
    tombstone(pseudonym: Pseudonym) -> Option<Erasure>;
    restore_erasure(erasure: Erasure, note: AuditNote, now: Timestamp) -> Erasure;
    lift_erasure_by_id(id: ErasureId, note: AuditNote, now: Timestamp) -> bool;
    restore_tombstones(erasures: Vec<Erasure>, note: AuditNote, now: Timestamp) -> u64;
    journal_since() -> Option<Timestamp>;
    begin_journal(now: Timestamp) -> ();
    delete_tombstones(now: Timestamp, limit: usize) -> usize;
    scrub() -> bool;
}

dyn_store! {
    DynamicAuditStore of AuditStore:
    record_audit(note: AuditNote, now: Timestamp) -> AuditHead;
    audit_page(after: u64, limit: usize, subject: Option<UserId>) -> Vec<AuditRow>;
    audit_head() -> AuditHead;
    audit_checkpoint() -> Option<AuditCheckpoint>;
    delete_audit_entries(before: Timestamp, limit: usize, key: AuditKey, now: Timestamp) -> usize;
}

dyn_store! {
    DynamicRestrictionStore of RestrictionStore:
    restrict(user: UserId, restriction: Option<Restriction>, note: AuditNote, now: Timestamp) -> Option<Restriction>;
    restriction_of(user: UserId) -> Option<Restriction>;
    restricted_users(limit: usize) -> Vec<UserId>;
    place_hold(user: UserId, hold: LegalHold, note: AuditNote, now: Timestamp) -> ();
    release_hold(user: UserId, class: HeldClass, note: AuditNote, now: Timestamp) -> bool;
    holds_of(user: UserId) -> Vec<LegalHold>;
}

dyn_store! {
    DynamicRequestStore of PrivacyRequestStore:
    file_request(request: PrivacyRequest, note: AuditNote, now: Timestamp) -> FiledRequest;
    privacy_request(id: RequestId) -> Option<PrivacyRequest>;
    change_request(request: PrivacyRequest, expected: u64, note: AuditNote, now: Timestamp) -> bool;
    privacy_requests(query: RequestQuery) -> Vec<PrivacyRequest>;
    count_requests(now: Timestamp) -> RequestCounts;
    delete_requests(closed_before: Timestamp, limit: usize) -> usize;
}

dyn_store! {
    DynamicMaintenanceStore of MaintenanceStore:
    acquire_lease(name: &'static str, holder: Uuid, now: Timestamp, until: Timestamp) -> bool;
    reclaim_space(limit_pages: usize) -> ReclaimedSpace;
}

dyn_store! {
    DynamicAnalyticsStore of AnalyticsStore:
    scan(scan: Scan, each: EventVisitor) -> ();
    at_most(scan: Scan) -> u64;
    overview(counting: AggregateQuery, zone: Zone, limit: usize, wanted: OverviewParts) -> Option<Overview>;
    activity_series(counting: AggregateQuery, period: Period, zone: Zone) -> Option<ActivitySeries>;
    active_users_series(counting: AggregateQuery, zone: Zone) -> Option<ActiveUsers>;
    roll_up(counting: AggregateQuery, now: Timestamp) -> bool;
    check_rollups(counting: AggregateQuery) -> RollupCheck;
    delete_rollups() -> ();
}

dyn_store! {
    DynStore: DynamicSessionStore, DynamicCredentialStore, DynActivityStore, DynamicConsentStore, DynamicPreferenceStore,
        DynamicSubjectStore, DynamicRestrictionStore, DynamicRequestStore, DynamicMaintenanceStore,
        DynamicAuditStore, DynamicAnalyticsStore of Store:
    load_context(key: SessionKey, realm: Realm, visitor: Option<VisitorId>) -> LoadedContext;
    profile(subject: Subject) -> Profile;
}
