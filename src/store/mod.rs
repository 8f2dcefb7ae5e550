//! Where everything is kept: the contracts [`SessionStore`], [`ActivityStore`], [`ConsentStore`],
//! [`PreferenceStore`] and the others, and the stores.
//!
//! | store | for |
//! |---|---|
#![cfg_attr(feature = "sqlite", doc = "| [`SqliteStore`] | one machine, any number of processes: the default |")]
//! | [`MemoryStore`] | tests and throw-away data; the reference for how a store behaves |
//!
//! A guestbook is built on a [`Store`], which is all of them. Your own store implements all, or
//! those of sessions: a [`SplitStore`] completes it. It is right when the conformance suite
//! `store::testing` (feature `testing`) passes on it.

#[macro_use]
mod methods;
mod activity;
mod aggregate;
mod analytics;
mod anonymous;
mod audit;
pub(crate) mod cache;
mod consent;
mod context;
mod credential;
pub(crate) mod dyn_store;
mod erasure;
mod exclusion;
pub(crate) mod gated;
mod maintenance;
mod memory;
mod preference;
mod request;
mod restriction;
mod split;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

use std::{future::Future, time::Duration};

#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
pub use self::{
    activity::{ActivityStore, Commit},
    aggregate::{AggregateQuery, OverviewParts, RollupCheck},
    analytics::{AnalyticsStore, EventVisitor, Scan, ScannedEvent, ScannedName},
    anonymous::{AnonymousBound, AnonymousTotal},
    audit::AuditStore,
    consent::ConsentStore,
    context::{LoadedContext, Profile, Store},
    credential::{CredentialStore, EpochRule},
    erasure::ErasureStore,
    exclusion::Exclusion,
    maintenance::{MaintenanceStore, ReclaimedSpace},
    memory::MemoryStore,
    preference::{PreferenceChange, PreferenceStore, StoredPreferences},
    request::{FiledRequest, PrivacyRequestStore, RequestCounts, RequestQuery},
    restriction::RestrictionStore,
    split::SplitStore,
};
use crate::{
    error::Result,
    id::{SessionId, SessionKey, UserId},
    model::session::{Changes, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord},
    time::Timestamp,
};

/// A place where sessions are kept.
///
/// # Contract
///
/// A session has one [`SessionId`] for all its life and one [`SessionKey`] at a time. It is
/// **live** at `now` if it is stored and not [expired](SessionHead::is_expired) at `now`.
///
/// 1. **What has ended stays ended.** Only [`insert`](Self::insert) and [`rotate`](Self::rotate)
///    make a session; `apply` and `touch` on one that is not live at `now` change nothing and say
///    so.
/// 2. **Every method is atomic**, also against other processes on the same store: all of it happens
///    or none, and a reader never sees half.
/// 3. **Changes are merged by key**, on what is stored when they arrive ([`Changes::merge`]), never
///    on what the caller had read. Two callers that set different keys both win.
/// 4. **An answer is a promise.** When `insert`, `apply`, `rotate`, `delete` or `revoke` answer
///    with success, a crash of the process does not undo it; what a crash of the machine may undo,
///    the store documents. `touch` promises nothing.
/// 5. **A dropped future** may or may not have had its effect, but never half of it.
/// 6. **A key that has ended is remembered** for at least [`ENDED_MEMORY`]: `load` answers
///    [`Loaded::Ended`], so that a request that was under way while its session was rotated can be
///    told from one with a forged token. The exception is an anonymous session that a
///    [revocation](Self::revoke) or a [trim](Self::trim_anonymous) ended: no other token took its
///    place, so its key becomes [`Loaded::Unknown`] and its client may begin a new session at once.
/// 7. **Realms do not mix.** [`load`](Self::load) answers [`Loaded::OtherRealm`] for a key of
///    another realm, live or ended; caps, lists and revocations see the sessions of one realm,
///    apart from those that name all. The bound on anonymous sessions is that of the store.
/// 8. **Errors** carry an [`ErrorKind`](crate::ErrorKind): `Unavailable` or `Timeout` if trying
///    later may help, never a made-up "no such session".
///
/// Time is an argument; a store never asks the clock.
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new session under `key`, and ends others of the same user and realm if `cap` or
    /// `epoch` says so.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if the key or the id is taken,
    /// [`SessionLimit`](crate::ErrorKind::SessionLimit) if `cap` refuses,
    /// [`CredentialsChanged`](crate::ErrorKind::CredentialsChanged) if `epoch` refuses. Nothing is
    /// stored then.
    fn insert(
        &self,
        key: SessionKey,
        record: SessionRecord,
        cap: SessionCap,
        epoch: EpochRule,
        now: Timestamp,
    ) -> impl Future<Output = Result<Started>> + Send;

    /// What is stored under `key` for `realm`, expired or not: the caller judges.
    fn load(&self, key: SessionKey, realm: Realm) -> impl Future<Output = Result<Loaded>> + Send;

    /// Merges `changes` into the data of the live session `id`. A rotation meanwhile does not
    /// matter.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](crate::ErrorKind::TooLarge) if the merged data exceeds `limits`. Nothing is
    /// changed then.
    fn apply(
        &self,
        id: SessionId,
        changes: Changes,
        limits: SessionLimits,
        now: Timestamp,
    ) -> impl Future<Output = Result<Applied>> + Send;

    /// Sets `last_seen` of the live session `id` to `now` if it is earlier. `false` if the session
    /// is not live.
    fn touch(&self, id: SessionId, now: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Gives a live session a new key, and with a head of another id a new identity (a login).
    ///
    /// The stored data with `rotation.changes` in it goes along. The old key is over when this
    /// answers, unless it is the new one, too: then the session stays under it, and only its head
    /// and data are replaced. `None` if the session is not live, is of another realm than the new head, or its
    /// key is no longer the one the caller knows.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert) and [`apply`](Self::apply). The old session is as it was
    /// then.
    fn rotate(
        &self,
        rotation: Rotation,
        limits: SessionLimits,
        cap: SessionCap,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Started>>> + Send;

    /// Ends the session `id`, whatever its key is now. The key, or `None` if nothing was stored.
    fn delete(&self, id: SessionId, now: Timestamp) -> impl Future<Output = Result<Option<SessionKey>>> + Send;

    /// The live sessions of `user` in `realm`, or in every realm if it is `None`, at most `limit`,
    /// the last seen first.
    fn list(
        &self,
        user: UserId,
        realm: Option<Realm>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<SessionHead>>> + Send;

    /// What the live session `id` holds, whatever its key is; `None` if it is not live. It is no
    /// use of the session.
    fn session_data(&self, id: SessionId, now: Timestamp) -> impl Future<Output = Result<Option<SessionData>>> + Send;

    /// Ends the sessions that `revocation` names. How many there were.
    fn revoke(&self, revocation: Revocation, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;

    /// If anonymous sessions exceed `bound`, ends the least recently used of them (by `last_seen`,
    /// then by when they were stored) until they are within [`bound.low()`](AnonymousBound::low);
    /// at most `limit`, and never the last one. Returns what is stored then. Their keys are not
    /// remembered.
    ///
    /// It is called after each few anonymous sessions, so a store keeps count and does not look at
    /// all sessions.
    fn trim_anonymous(
        &self,
        bound: AnonymousBound,
        limit: usize,
    ) -> impl Future<Output = Result<AnonymousTotal>> + Send;

    /// Removes at most `limit` sessions that are expired at `now`, and the memory of keys that
    /// ended longer than [`ENDED_MEMORY`] ago. How many sessions were removed: less than `limit`
    /// means that none is left.
    fn delete_expired(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// How long at least a store remembers a key that was rotated, deleted or revoked.
pub const ENDED_MEMORY: Duration = Duration::from_secs(60);

/// What [`SessionStore::load`] found under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "the large one is the usual answer, and is moved on at once")]
pub enum Loaded {
    /// A session, perhaps expired.
    Found(SessionRecord),
    /// A key that was valid until a moment ago: its session got another key, or was ended.
    Ended {
        /// Whether somebody was logged in.
        logged_in: bool,
    },
    /// A key of another realm: the caller treats it as one that nobody knows, and lets it be.
    OtherRealm,
    /// A key that nobody knows.
    Unknown,
}

/// The result of [`SessionStore::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The changes are stored.
    Merged {
        /// The key that the session has now; a rotation may have been faster.
        key: SessionKey,
        /// The session as it is now.
        record: SessionRecord,
    },
    /// An [expected](Changes::expect) value was another one; the session as it is.
    Mismatch(SessionRecord),
    /// The session is not live. Nothing was changed.
    Ended,
}

/// A session that [`SessionStore::insert`] or [`SessionStore::rotate`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The session as it is stored now.
    pub record: SessionRecord,
    /// The sessions that ended to make room under the cap, or because the credentials changed.
    pub ended: Vec<SessionId>,
}

/// A change of key, see [`SessionStore::rotate`].
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Which session.
    pub id: SessionId,
    /// The key that the caller presented.
    pub key: SessionKey,
    /// The key from now on; the same as `key` to keep it.
    pub new_key: SessionKey,
    /// The head from now on. With another id the old session has ended and a new one begins with
    /// its data.
    pub head: SessionHead,
    /// Changes to the data that belong to the same step.
    pub changes: Changes,
    /// What to do about the epoch of the head.
    pub epoch: EpochRule,
}

/// Which sessions to end, see [`SessionStore::revoke`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One session, if it is that user's and of that realm.
    One(Realm, UserId, SessionId),
    /// All sessions of a user in a realm but one.
    Others(Realm, UserId, SessionId),
    /// All sessions of a user in a realm. A [`CredentialStore`] raises the user's epoch in the same
    /// step.
    User(Realm, UserId),
    /// All sessions of a realm, anonymous ones too. A [`CredentialStore`] raises everybody's epoch
    /// in the same step.
    All(Realm),
    /// All sessions of a user in every realm, because the user is erased. A [`CredentialStore`]
    /// forgets the user's epochs in the same step.
    Erased(UserId),
}

impl Revocation {
    pub(crate) fn matches(&self, head: &SessionHead) -> bool {
        let is_of = |realm: &Realm, user: &UserId| head.realm == *realm && head.user.as_ref() == Some(user);
        match self {
            Self::One(realm, user, id) => is_of(realm, user) && head.id == *id,
            Self::Others(realm, user, keep) => is_of(realm, user) && head.id != *keep,
            Self::User(realm, user) => is_of(realm, user),
            Self::All(realm) => head.realm == *realm,
            Self::Erased(user) => head.user.as_ref() == Some(user),
        }
    }
}
