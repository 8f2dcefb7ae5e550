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
    analytics::{ActiveUsers, ActivitySeries, Overview, Period, Zone},
    consent::{ConsentId, ConsentRecord, ConsentStates, MergePolicy, Notice, NoticeHash, PurposeId, Subject},
    delegate_methods,
    preferences::Patch,
    privacy::{
        AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, ErasedActivities, Erasure, ErasureId, HeldClass,
        LegalHold, PrivacyRequest, Pseudonym, RequestId, Restriction,
    },
    session::{Changes, CredentialEpoch, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord},
    store::{
        ActivityStore, AggregateQuery, AnalyticsStore, AnonymousBound, AnonymousTotal, Applied, AuditStore, Commit,
        ConsentStore, CredentialStore, EpochRule, ErasureStore, EventVisitor, FiledRequest, Loaded, LoadedContext,
        MaintenanceStore, MemoryStore, OverviewParts, PreferenceChange, PreferenceStore, PrivacyRequestStore, Profile,
        ReclaimedSpace, RequestCounts, RequestQuery, RestrictionStore, Revocation, RollupCheck, Rotation, Scan,
        SessionStore, Started, Store, StoredPreferences,
    },
    store_methods,
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

/// What the sweeper and the rollup worker call at times of their own: it never fails and is not
/// counted.
const IN_THE_BACKGROUND: [&str; 16] = [
    "delete_expired",
    "unfinished_erasures",
    "delete_tombstones",
    "scrub",
    "delete_audit_entries",
    "privacy_requests",
    "count_requests",
    "delete_requests",
    "acquire_lease",
    "reclaim_space",
    "at_most",
    "overview",
    "activity_series",
    "active_users_series",
    "roll_up",
    "check_rollups",
];

impl FaultyStore {
    pub(crate) fn set(&self, mood: Fault) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn ask(&self, method: &str, write: bool) -> Result<()> {
        if IN_THE_BACKGROUND.contains(&method) {
            return Ok(());
        }
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

impl ActivityStore for FaultyStore {
    store_methods!(ActivityStore, delegate_methods store after ask);
}

impl SessionStore for FaultyStore {
    store_methods!(SessionStore, delegate_methods store after ask);
}

impl CredentialStore for FaultyStore {
    store_methods!(CredentialStore, delegate_methods store after ask);
}

impl ConsentStore for FaultyStore {
    store_methods!(ConsentStore, delegate_methods store after ask);
}

impl PreferenceStore for FaultyStore {
    store_methods!(PreferenceStore, delegate_methods store after ask);
}

impl ErasureStore for FaultyStore {
    store_methods!(ErasureStore sessions, delegate_methods store after ask);
    store_methods!(ErasureStore records, delegate_methods store after ask);
}

impl AuditStore for FaultyStore {
    store_methods!(AuditStore, delegate_methods store after ask);
}

impl RestrictionStore for FaultyStore {
    store_methods!(RestrictionStore, delegate_methods store after ask);
}

impl PrivacyRequestStore for FaultyStore {
    store_methods!(PrivacyRequestStore, delegate_methods store after ask);
}

impl MaintenanceStore for FaultyStore {
    store_methods!(MaintenanceStore, delegate_methods store after ask);
}

impl AnalyticsStore for FaultyStore {
    store_methods!(AnalyticsStore, delegate_methods store after ask);
}

impl Store for FaultyStore {
    store_methods!(Store, delegate_methods store after ask);
}
