//! The boxed twins of the store traits, so that no type of a user carries a store parameter.

use std::{future::Future, pin::Pin, sync::Arc};

use uuid::Uuid;

use super::{
    Account, ActivityStore, AnalyticsStore, AnonymousBound, AnonymousTotal, Applied, AuditStore, Commit, ConsentStore,
    Counting, CredentialStore, Each, EpochRule, Filed, Loaded, LoadedGuest, MaintenanceStore, OverviewParts,
    PreferenceChange, PreferenceStore, RequestCounts, RequestQuery, RequestStore, RestrictionStore, Revocation,
    RollupCheck, Rotation, Scan, SessionStore, SpaceLeft, Started, Store, StoredPreferences, SubjectStore,
};
use crate::{
    error::Result,
    id::{SessionId, SessionKey, UserId, VisitorId},
    model::{
        activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
        analytics::{ActiveUsers, ActivitySeries, Overview, Period, Zone},
        consent::{ConsentId, ConsentRecord, MergePolicy, Notice, NoticeHash, PurposeId, Standings, Subject},
        preferences::Patch,
        privacy::{
            AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, ErasedActivities, Erasure, ErasureId, HeldClass,
            Hold, PrivacyRequest, Pseudonym, RequestId, Restriction,
        },
        session::{
            Changes, CredentialEpoch, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord,
        },
    },
    time::Timestamp,
};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Declares the object-safe twin of a store trait and implements it for every store.
macro_rules! twin {
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

twin! {
    DynamicActivityStore of ActivityStore:
    append(entries: Arc<[Entry]>, commit: Commit) -> Vec<Option<u64>>;
    history(query: HistoryQuery) -> HistoryPage;
    count(filter: ActivityFilter) -> u64;
    discard(filter: ActivityFilter, limit: usize) -> usize;
    anonymise(filter: ActivityFilter, limit: usize) -> usize;
}

twin! {
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
    purge_expired(now: Timestamp, limit: usize) -> usize;
}

twin! {
    DynamicCredentialStore of CredentialStore:
    credential_epoch(realm: Realm, user: UserId) -> CredentialEpoch;
}

twin! {
    DynamicConsentStore of ConsentStore:
    record_consents(records: Vec<ConsentRecord>) -> Standings;
    consent_history(subject: Subject, limit: usize, before: Option<ConsentId>) -> Vec<ConsentRecord>;
    link_visitor(visitor: VisitorId, user: UserId, policy: MergePolicy, now: Timestamp) -> Standings;
    refusing(purpose: PurposeId, denied: bool, limit: usize) -> Vec<Subject>;
    rebuild_consents() -> u64;
    publish_notice(notice: Notice) -> ();
    notice(hash: NoticeHash) -> Option<Notice>;
    secret() -> [u8; 32];
}

twin! {
    DynamicPreferenceStore of PreferenceStore:
    preferences(user: UserId) -> StoredPreferences;
    change_preferences(user: UserId, patch: Patch, expected: Option<u64>) -> PreferenceChange;
    rectify_preferences(user: UserId, patch: Patch, expected: Option<u64>, note: AuditNote, now: Timestamp)
        -> PreferenceChange;
}

twin! {
    DynamicSubjectStore of SubjectStore:
    strike_out(user: UserId, until: Timestamp, note: AuditNote, now: Timestamp) -> Erasure;
    erase_some(id: ErasureId, limit: usize, activities: ErasedActivities, note: AuditNote, now: Timestamp) -> Erasure;
    unfinished_erasures() -> Vec<Erasure>;
    erasure_of(user: UserId) -> Option<Erasure>;
    readmit(user: UserId, note: AuditNote, now: Timestamp) -> bool;
    users(after: Option<UserId>, limit: usize) -> Vec<UserId>;
    tombstone(pseudonym: Pseudonym) -> Option<Erasure>;
    remember_erasure(erasure: Erasure, note: AuditNote, now: Timestamp) -> Erasure;
    lift_erasure(id: ErasureId, note: AuditNote, now: Timestamp) -> bool;
    restore_tombstones(erasures: Vec<Erasure>, note: AuditNote, now: Timestamp) -> u64;
    journal_since() -> Option<Timestamp>;
    begin_journal(now: Timestamp) -> ();
    forget_erasures(now: Timestamp, limit: usize) -> usize;
    scrub() -> bool;
}

twin! {
    DynamicAuditStore of AuditStore:
    record_audit(note: AuditNote, now: Timestamp) -> AuditHead;
    audit_page(after: u64, limit: usize, subject: Option<UserId>) -> Vec<AuditRow>;
    audit_head() -> AuditHead;
    audit_checkpoint() -> Option<AuditCheckpoint>;
    forget_audit(before: Timestamp, limit: usize, key: AuditKey, now: Timestamp) -> usize;
}

twin! {
    DynamicRestrictionStore of RestrictionStore:
    restrict(user: UserId, restriction: Option<Restriction>, note: AuditNote, now: Timestamp) -> Option<Restriction>;
    restriction_of(user: UserId) -> Option<Restriction>;
    restricted_users(limit: usize) -> Vec<UserId>;
    hold(user: UserId, hold: Hold, note: AuditNote, now: Timestamp) -> ();
    release(user: UserId, class: HeldClass, note: AuditNote, now: Timestamp) -> bool;
    holds_of(user: UserId) -> Vec<Hold>;
}

twin! {
    DynamicRequestStore of RequestStore:
    file_request(request: PrivacyRequest, note: AuditNote, now: Timestamp) -> Filed;
    request(id: RequestId) -> Option<PrivacyRequest>;
    change_request(request: PrivacyRequest, expected: u64, note: AuditNote, now: Timestamp) -> bool;
    requests(query: RequestQuery) -> Vec<PrivacyRequest>;
    count_requests(now: Timestamp) -> RequestCounts;
    forget_requests(closed_before: Timestamp, limit: usize) -> usize;
}

twin! {
    DynamicMaintenanceStore of MaintenanceStore:
    lease(name: &'static str, holder: Uuid, now: Timestamp, until: Timestamp) -> bool;
    give_back_space(limit_pages: usize) -> SpaceLeft;
}

twin! {
    DynamicAnalyticsStore of AnalyticsStore:
    scan(scan: Scan, each: Each) -> ();
    at_most(scan: Scan) -> u64;
    overview(counting: Counting, zone: Zone, limit: usize, wanted: OverviewParts) -> Option<Overview>;
    activity_series(counting: Counting, period: Period, zone: Zone) -> Option<ActivitySeries>;
    active_users_series(counting: Counting, zone: Zone) -> Option<ActiveUsers>;
    roll_up(counting: Counting, now: Timestamp) -> bool;
    check_rollups(counting: Counting) -> RollupCheck;
    forget_rollups() -> ();
}

twin! {
    DynamicStore: DynamicSessionStore, DynamicCredentialStore, DynamicActivityStore, DynamicConsentStore, DynamicPreferenceStore,
        DynamicSubjectStore, DynamicRestrictionStore, DynamicRequestStore, DynamicMaintenanceStore,
        DynamicAuditStore, DynamicAnalyticsStore of Store:
    load_guest(key: SessionKey, realm: Realm, visitor: Option<VisitorId>) -> LoadedGuest;
    account(subject: Subject) -> Account;
}
