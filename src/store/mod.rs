//! The stores, and the traits to write your own.
//!
//! A guestbook is built on a [`Store`], which combines all store traits.
//!
//! | store | for |
//! |---|---|
#![cfg_attr(feature = "sqlite", doc = "| [`SqliteStore`] | one machine, any number of processes: the default |")]
//! | [`MemoryStore`] | tests and throw-away data; the reference for how a store behaves |
//!
//! # Your own store
//!
//! Implement all traits, or only [`SessionStore`] and complete it with a [`SplitStore`], which
//! keeps everything else in a second store. Each trait documents its contract. A store is correct
//! when the conformance suite `store::testing` (feature `testing`) passes on it.
//!
//! ```
//! use std::sync::Arc;
//! use tower_guestbook::{
//!     Timestamp, UserId,
//!     activity::{ActivityFilter, Entry, Event, EventId, EventType},
//!     store::{ActivityStore, Commit, MemoryStore},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let store = MemoryStore::new();
//! let mut event = Event::new(EventType::LOGIN, Timestamp::from_millis(0));
//! event.user = Some(UserId::from(7));
//! let entries: Arc<[Entry]> = [Entry { id: EventId { origin: 1, number: 1 }, event }].into();
//!
//! assert_eq!(store.append(entries.clone(), Commit::Durable).await?, [Some(1)]);
//! assert_eq!(store.append(entries, Commit::Durable).await?, [None], "each event once");
//! assert_eq!(store.count(ActivityFilter::new()).await?, 1);
//! # Ok(()) }
//! ```
//!
//! # When a store fails
//!
//! Every method returns an [`Error`](crate::Error) whose [`ErrorKind`](crate::ErrorKind) says what
//! happened: [`Unavailable`](crate::ErrorKind::Unavailable) and
//! [`Timeout`](crate::ErrorKind::Timeout) if a retry may help,
//! [`StorageFull`](crate::ErrorKind::StorageFull) if there is no space, and
//! [`Corrupt`](crate::ErrorKind::Corrupt) if stored data is damaged. The layers decide what a
//! request sees; [`Recorder`](crate::activity::Recorder) retries events.

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

/// A store of sessions.
///
/// # Contract
///
/// A session has one [`SessionId`] for all its life and one [`SessionKey`] at a time. It is
/// **live** at `now` if it is stored and not [expired](SessionHead::is_expired) at `now`.
///
/// 1. **An ended session stays ended.** Only [`insert`](Self::insert) and [`rotate`](Self::rotate)
///    create a session. `apply` and `touch` on a session that is not live at `now` change nothing
///    and report that.
/// 2. **Every method is atomic**, also with respect to other processes on the same store.
/// 3. **Changes are merged key by key** into the data stored when they arrive ([`Changes::merge`]),
///    not into what the caller has read. Two callers that set different keys are both successful.
/// 4. **An acknowledged write is durable.** A crash of the process does not undo a successful
///    `insert`, `apply`, `rotate`, `delete` or `revoke`. The store documents what a crash of the
///    machine may undo. `touch` is not durable.
/// 5. **A dropped future** has taken full effect or none.
/// 6. **An ended key is remembered** for at least [`ENDED_MEMORY`]: `load` returns
///    [`Loaded::Ended`], so that a request in flight while its session was rotated differs from one
///    with a forged token. The exception is an anonymous session that ended by
///    [revocation](Self::revoke) or [trimming](Self::trim_anonymous): no other token replaced it,
///    so its key becomes [`Loaded::Unknown`] and its client may begin a new session at once.
/// 7. **Realms are separate.** [`load`](Self::load) returns [`Loaded::OtherRealm`] for a key of
///    another realm, live or ended. Caps, lists and revocations apply to the sessions of one realm,
///    except for those that name all realms. The limit on anonymous sessions applies to the whole
///    store.
/// 8. **Errors** have an [`ErrorKind`](crate::ErrorKind): `Unavailable` or `Timeout` if a retry may
///    help, and never "no such session" instead.
///
/// Time is an argument; a store never reads the clock.
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new session under `key`, and ends other sessions of the same user and realm if
    /// `cap` or `epoch` requires it.
    ///
    /// # Errors
    ///
    /// Nothing is stored in these cases:
    ///
    /// - [`Conflict`](crate::ErrorKind::Conflict): the key or the id is taken.
    /// - [`SessionLimit`](crate::ErrorKind::SessionLimit): `cap` refuses.
    /// - [`CredentialsChanged`](crate::ErrorKind::CredentialsChanged): `epoch` refuses.
    fn insert(
        &self,
        key: SessionKey,
        record: SessionRecord,
        cap: SessionCap,
        epoch: EpochRule,
        now: Timestamp,
    ) -> impl Future<Output = Result<Started>> + Send;

    /// Returns the session under `key` for `realm`, expired or not. The caller decides about
    /// expiry.
    fn load(&self, key: SessionKey, realm: Realm) -> impl Future<Output = Result<Loaded>> + Send;

    /// Merges `changes` into the data of the live session `id`, whatever its key is now.
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

    /// Sets `last_seen` of the live session `id` to `now`, unless it is later already. Returns
    /// `false` if the session is not live.
    fn touch(&self, id: SessionId, now: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Gives a live session a new key, and with a head of another id a new identity (a login).
    ///
    /// The stored data is kept, merged with `rotation.changes`. The old key ends, unless the new
    /// key is the same: then only head and data are replaced. Returns `None` if the session is not
    /// live, is of another realm than the new head, or has another key than the caller knows.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert) and [`apply`](Self::apply). The old session is unchanged
    /// then.
    fn rotate(
        &self,
        rotation: Rotation,
        limits: SessionLimits,
        cap: SessionCap,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Started>>> + Send;

    /// Ends the session `id`, whatever its key is now. Returns the key; `None` if nothing was
    /// stored.
    fn delete(&self, id: SessionId, now: Timestamp) -> impl Future<Output = Result<Option<SessionKey>>> + Send;

    /// Returns the live sessions of `user` in `realm`, or in every realm if it is `None`: at most
    /// `limit`, the last seen first.
    fn list(
        &self,
        user: UserId,
        realm: Option<Realm>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<SessionHead>>> + Send;

    /// Returns the data of the live session `id`, whatever its key is; `None` if it is not live.
    /// This does not count as a use of the session.
    fn session_data(&self, id: SessionId, now: Timestamp) -> impl Future<Output = Result<Option<SessionData>>> + Send;

    /// Ends the sessions that `revocation` selects, and returns their number.
    fn revoke(&self, revocation: Revocation, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;

    /// If anonymous sessions exceed `bound`, ends the least recently used ones (by `last_seen`,
    /// then by insertion) until they are within [`bound.low()`](AnonymousBound::low): at most
    /// `limit`, and never the last one. Returns what is stored then. Their keys are not remembered.
    ///
    /// It is called after every few anonymous sessions, so a store keeps count instead of reading
    /// all sessions.
    fn trim_anonymous(
        &self,
        bound: AnonymousBound,
        limit: usize,
    ) -> impl Future<Output = Result<AnonymousTotal>> + Send;

    /// Deletes at most `limit` sessions that are expired at `now`, and keys that ended longer than
    /// [`ENDED_MEMORY`] ago. Returns the number of sessions; fewer than `limit` means that none is
    /// left.
    fn delete_expired(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// The minimum time for which a store remembers a key that was rotated, deleted or revoked: 60
/// seconds.
pub const ENDED_MEMORY: Duration = Duration::from_secs(60);

/// The result of [`SessionStore::load`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "the large one is the usual answer, and is moved on at once")]
pub enum Loaded {
    /// A session, possibly expired.
    Found(SessionRecord),
    /// A key that ended recently: its session got another key, or was ended.
    Ended {
        /// Whether a user was logged in.
        logged_in: bool,
    },
    /// A key of another realm. The caller treats it as unknown and leaves it alone.
    OtherRealm,
    /// An unknown key.
    Unknown,
}

/// The result of [`SessionStore::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The changes are stored.
    Merged {
        /// The current key of the session, which a parallel rotation may have changed.
        key: SessionKey,
        /// The session after the changes.
        record: SessionRecord,
    },
    /// An [expected](Changes::expect) value differs. This is the session as it is.
    Mismatch(SessionRecord),
    /// The session is not live. Nothing was changed.
    Ended,
}

/// A session created by [`SessionStore::insert`] or [`SessionStore::rotate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The stored session.
    pub record: SessionRecord,
    /// The sessions that ended because of the cap or a change of credentials.
    pub ended: Vec<SessionId>,
}

/// A change of a session's key, see [`SessionStore::rotate`].
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Id of the session.
    pub id: SessionId,
    /// The key that the caller presented.
    pub key: SessionKey,
    /// The new key; the same as `key` to keep it.
    pub new_key: SessionKey,
    /// The new head. With another id, the old session ends and a new one begins with its data.
    pub head: SessionHead,
    /// Changes to the data in the same transaction.
    pub changes: Changes,
    /// The rule for the epoch of the head.
    pub epoch: EpochRule,
}

/// The sessions to end, see [`SessionStore::revoke`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One session, if it belongs to this user and realm.
    One(Realm, UserId, SessionId),
    /// All sessions of a user in a realm except one.
    Others(Realm, UserId, SessionId),
    /// All sessions of a user in a realm. A [`CredentialStore`] raises the user's epoch in the same
    /// transaction.
    User(Realm, UserId),
    /// All sessions of a realm, including anonymous ones. A [`CredentialStore`] raises the epoch of
    /// the realm in the same transaction.
    All(Realm),
    /// All sessions of a user in every realm, because the user is erased. A [`CredentialStore`]
    /// deletes the user's epochs in the same transaction.
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
