//! The conformance suite: what every [`Store`] must pass, ours and yours.
//!
//! Give it a function that makes a fresh, empty store; it runs each case on one of its own and panics with the name
//! of the case that fails. Run it on a multi-threaded runtime, or the parallel cases are not parallel. It takes
//! seconds, never sleeps, and passes its own times to the store.
//!
//! ```
//! use tower_guestbook::store::{MemoryStore, testing::conformance};
//!
//! # fn main() {
//! // In your crate: #[tokio::test(flavor = "multi_thread")]
//! let runtime = tokio::runtime::Runtime::new().unwrap();
//! runtime.block_on(conformance(async || MemoryStore::new()));
//! # }
//! ```
//!
//! A store of one kind only runs [`session_conformance`] or [`activity_conformance`]. Preferences have
//! [`preference_conformance`], which every store that keeps them runs beside the others.
//!
//! A bug that a backend had is a case that is missing here: add it to the suite, not to the backend's own tests.

mod activities;
mod cancelled;
mod ending;
mod parallel;
mod preferences;
mod records;
mod rotation;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use super::{ActivityStore, Applied, Loaded, PreferenceStore, Rotation, SessionStore, Started, Store};
use crate::{
    error::Result,
    id::{SessionId, SessionKey, SessionToken, UserId},
    session::{Changes, Lifetime, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord},
    time::Timestamp,
};

/// Runs every case of the suite, each on a store that `make` makes.
///
/// # Panics
///
/// If a case fails; the message before the panic names it.
pub async fn conformance<S, F, Fut>(make: F)
where
    S: Store,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    session_conformance(&make).await;
    activity_conformance(&make).await;
}

/// Runs the cases for [`SessionStore`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn session_conformance<S, F, Fut>(make: F)
where
    S: SessionStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(session_cases(), make).await;
}

/// Runs the cases for [`ActivityStore`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn activity_conformance<S, F, Fut>(make: F)
where
    S: ActivityStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(activity_cases(), make).await;
}

/// Runs the cases for [`PreferenceStore`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn preference_conformance<S, F, Fut>(make: F)
where
    S: PreferenceStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(preference_cases(), make).await;
}

async fn run<S, F, Fut>(cases: Vec<(&'static str, Case<S>)>, make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    for (name, case) in cases {
        let named = Named(name);
        case(Arc::new(make().await)).await;
        std::mem::drop(named);
    }
}

/// Says which case it was when one panics.
struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(case = self.0, "the store does not conform");
            eprintln!("store conformance: the case `{}` failed", self.0);
        }
    }
}

type Case<S> = fn(Arc<S>) -> Pin<Box<dyn Future<Output = ()>>>;

/// Lists cases by the name of their function.
macro_rules! list {
    ($list:ident of $trait:ident; $($module:ident: $($case:ident)*;)*) => {
        fn $list<S: $trait>() -> Vec<(&'static str, Case<S>)> {
            vec![$($((stringify!($case), |store| Box::pin($module::$case(store))),)*)*]
        }
    };
}

list! {
    activity_cases of ActivityStore;
    activities:
        what_is_appended_is_read_back
        an_event_is_stored_once_however_often_it_comes
        a_discarded_event_does_not_come_back
        sequences_go_up_and_are_not_reused
        pages_show_everything_once_in_order
        pages_hold_while_others_write_and_delete
        filters_name_what_they_name
        discarding_takes_the_oldest_in_chunks
        history_is_long_and_still_right
        parallel_batches_all_arrive;
}

list! {
    preference_cases of PreferenceStore;
    preferences:
        a_user_who_has_set_nothing_has_no_overrides
        preferences_are_merged_by_key_and_belong_to_one_user
        a_version_goes_up_with_each_change_and_can_be_asked_for
        too_many_preferences_are_refused_and_nothing_is_changed
        parallel_changes_of_different_keys_all_survive
        of_parallel_changes_of_one_version_one_wins;
}

list! {
    session_cases of SessionStore;
    records:
        what_is_inserted_is_loaded
        a_taken_key_or_id_is_a_conflict
        changes_are_merged_by_key
        a_clear_removes_what_others_wrote
        an_expected_value_must_hold
        limits_hold_and_leave_the_data_alone
        a_list_is_the_users_own_and_newest_first;
    ending:
        a_deleted_session_does_not_come_back
        a_revoked_user_has_no_session_left
        revocations_name_what_they_end
        an_idle_session_ends_to_the_millisecond
        an_absolute_end_holds_to_the_millisecond
        a_touch_goes_forward_only
        an_ended_key_is_remembered_for_a_minute
        purging_takes_the_expired_in_chunks
        the_cap_ends_the_oldest
        the_cap_refuses
        huge_lifetimes_do_not_overflow;
    rotation:
        a_rotation_moves_everything_to_the_new_key
        a_login_takes_the_data_along_and_ends_the_old_session
        a_rotation_needs_the_current_key_and_a_live_session
        a_rotation_that_fails_changes_nothing;
    parallel:
        different_keys_all_survive
        the_same_key_has_one_winner
        writes_follow_a_rotation
        of_parallel_rotations_one_wins
        nothing_survives_a_revocation
        the_cap_holds_in_parallel;
    cancelled:
        a_dropped_future_leaves_all_or_nothing;
}

/// A moment far from zero.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const CAP: SessionCap = SessionCap { max: 1_000, on_limit: crate::session::OnSessionLimit::EndOldest };
const IDLE: Duration = Duration::from_secs(1_800);
const ABSOLUTE: Duration = Duration::from_secs(43_200);

fn at(millis: u64) -> Timestamp {
    START.after(Duration::from_millis(millis))
}

fn new_key() -> SessionKey {
    SessionToken::generate().expect("the system has random bytes").key()
}

fn head(user: Option<&str>, now: Timestamp) -> SessionHead {
    let id = SessionId::generate(now).expect("the system has random bytes");
    let mut head = SessionHead::new(id, now, Lifetime::new(IDLE, ABSOLUTE));
    head.user = user.map(user_id);
    head.authenticated_at = user.map(|_| now);
    head
}

fn user_id(name: &str) -> UserId {
    UserId::try_from(name).expect("a short name is a user id")
}

fn changes(values: &[(&str, &str)]) -> Changes {
    let mut changes = Changes::default();
    for (key, value) in values {
        changes.set(key, value).expect("text is JSON");
    }
    changes
}

fn data(values: &[(&str, &str)]) -> SessionData {
    let json: serde_json::Map<_, _> = values.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    SessionData::from_json(serde_json::Value::Object(json).to_string().as_bytes()).expect("this is an object")
}

/// A session that is stored.
#[derive(Clone)]
struct Stored {
    key: SessionKey,
    record: SessionRecord,
}

impl Stored {
    fn id(&self) -> SessionId {
        self.record.head.id
    }

    /// The rotation of this session to a new key, with `head`.
    fn to(&self, head: SessionHead, changes: Changes) -> Rotation {
        Rotation { id: self.id(), key: self.key, new_key: new_key(), head, changes }
    }
}

async fn start<S: SessionStore>(store: &S, user: Option<&str>, now: Timestamp) -> Stored {
    start_with(store, SessionRecord { head: head(user, now), data: data(&[]) }, now).await
}

async fn start_with<S: SessionStore>(store: &S, record: SessionRecord, now: Timestamp) -> Stored {
    let key = new_key();
    let started = store.insert(key, record.clone(), CAP, now).await.expect("a new session is stored");
    assert_eq!(started, Started { record: record.clone(), ended: Vec::new() });
    Stored { key, record }
}

async fn set<S: SessionStore>(store: &S, id: SessionId, values: &[(&str, &str)], now: Timestamp) -> Result<Applied> {
    store.apply(id, changes(values), SessionLimits::default(), now).await
}

async fn found<S: SessionStore>(store: &S, key: SessionKey) -> Option<SessionRecord> {
    match store.load(key).await.expect("the store can be read") {
        Loaded::Found(record) => Some(record),
        Loaded::Ended | Loaded::Unknown => None,
    }
}

async fn value<S: SessionStore>(store: &S, key: SessionKey, name: &str) -> Option<String> {
    found(store, key).await.and_then(|record| record.data.get(name).expect("it was written as text"))
}
