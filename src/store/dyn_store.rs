//! The store traits with boxed futures, so that no type of a user carries a store parameter.

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

macro_rules! boxed_declarations {
    (; $($access:ident $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $method(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>>;)*
    };
}

macro_rules! boxed_calls {
    ($trait:ident; $($access:ident $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $method(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>> {
            Box::pin($trait::$method(self, $($name),*))
        })*
    };
}

/// An [`ActivityStore`] behind a pointer.
pub(crate) trait DynActivityStore: Send + Sync {
    store_methods!(ActivityStore, boxed_declarations);
}

impl<S: ActivityStore> DynActivityStore for S {
    store_methods!(ActivityStore, boxed_calls ActivityStore);
}

/// A [`Store`] behind a pointer.
#[allow(dead_code, reason = "the lists of methods are complete")]
pub(crate) trait DynStore: DynActivityStore {
    store_methods!(SessionStore, boxed_declarations);
    store_methods!(CredentialStore, boxed_declarations);
    store_methods!(ConsentStore, boxed_declarations);
    store_methods!(PreferenceStore, boxed_declarations);
    store_methods!(ErasureStore sessions, boxed_declarations);
    store_methods!(ErasureStore records, boxed_declarations);
    store_methods!(AuditStore, boxed_declarations);
    store_methods!(RestrictionStore, boxed_declarations);
    store_methods!(PrivacyRequestStore, boxed_declarations);
    store_methods!(MaintenanceStore, boxed_declarations);
    store_methods!(AnalyticsStore, boxed_declarations);
    store_methods!(Store, boxed_declarations);
}

impl<S: Store> DynStore for S {
    store_methods!(SessionStore, boxed_calls SessionStore);
    store_methods!(CredentialStore, boxed_calls CredentialStore);
    store_methods!(ConsentStore, boxed_calls ConsentStore);
    store_methods!(PreferenceStore, boxed_calls PreferenceStore);
    store_methods!(ErasureStore sessions, boxed_calls ErasureStore);
    store_methods!(ErasureStore records, boxed_calls ErasureStore);
    store_methods!(AuditStore, boxed_calls AuditStore);
    store_methods!(RestrictionStore, boxed_calls RestrictionStore);
    store_methods!(PrivacyRequestStore, boxed_calls PrivacyRequestStore);
    store_methods!(MaintenanceStore, boxed_calls MaintenanceStore);
    store_methods!(AnalyticsStore, boxed_calls AnalyticsStore);
    store_methods!(Store, boxed_calls Store);
}
