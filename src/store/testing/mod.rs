//! The conformance suite: the contract of every [`Store`], as tests.
//!
//! Pass a function that creates an empty store. The suite runs each case on a new store, and panics
//! with the name of the case that fails. Use a multi-threaded runtime; otherwise the parallel cases
//! are not parallel. It takes seconds, never sleeps, and passes its own times to the store.
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
//! [`conformance`] runs all cases, for a [`Store`]. A store of one kind runs only
//! [`session_conformance`], [`activity_conformance`], [`consent_conformance`],
//! [`preference_conformance`], [`maintenance_conformance`], [`audit_conformance`] or
//! [`analytics_conformance`]. [`privacy_conformance`] needs a complete [`Store`], too.
//!
//! If you find a bug in a store, add a case to this suite rather than to the tests of that store.

mod activities;
mod anonymised;
mod anonymous;
mod audit;
mod cancelled;
mod consents;
mod contexts;
mod credentials;
mod ending;
mod erasures;
mod excluded;
mod holds;
mod linked_scans;
mod linking;
mod maintenance;
mod notices;
mod parallel;
mod preferences;
mod realms;
mod records;
mod refusals;
mod requests;
mod restrictions;
mod rollups;
mod rotation;
mod scans;
mod support;

use std::{future::Future, pin::Pin, sync::Arc};

use self::erasures::tombstones;
use self::support::{
    ABSOLUTE, CAP, IDLE, START, Stored, at, audit_key, changes, data, found, head, new_key, new_visitor, note, set,
    start, start_with, user_id, value,
};
use super::{
    ActivityStore, AnalyticsStore, Applied, AuditStore, ConsentStore, EpochRule, Loaded, MaintenanceStore,
    PreferenceStore, SessionStore, Started, Store,
};
use crate::model::session::Realm;

/// Runs every case of the suite, each on a new store made by `make`.
///
/// # Panics
///
/// If a case fails. The name of the case is printed before the panic.
pub async fn conformance<S, F, Fut>(make: F)
where
    S: Store,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    session_conformance(&make).await;
    activity_conformance(&make).await;
    consent_conformance(&make).await;
    preference_conformance(&make).await;
    maintenance_conformance(&make).await;
    audit_conformance(&make).await;
    analytics_conformance(&make).await;
    run(credential_cases(), &make).await;
    run(guest_cases(), &make).await;
    privacy_conformance(&make).await;
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

/// Runs the cases for [`ConsentStore`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn consent_conformance<S, F, Fut>(make: F)
where
    S: ConsentStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(consent_cases(), make).await;
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

/// Runs the cases for [`ErasureStore`](super::ErasureStore),
/// [`RestrictionStore`](super::RestrictionStore) and
/// [`PrivacyRequestStore`](super::PrivacyRequestStore), which need a complete [`Store`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn privacy_conformance<S, F, Fut>(make: F)
where
    S: Store,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(subject_cases(), make).await;
}

/// Runs the cases for [`MaintenanceStore`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn maintenance_conformance<S, F, Fut>(make: F)
where
    S: MaintenanceStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(maintenance_cases(), make).await;
}

/// Runs the cases for [`AuditStore`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn audit_conformance<S, F, Fut>(make: F)
where
    S: AuditStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(audit_cases(), make).await;
}

/// Runs the cases for [`AnalyticsStore`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn analytics_conformance<S, F, Fut>(make: F)
where
    S: AnalyticsStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    run(analytics_cases(), make).await;
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

/// Prints the name of the case when it panics.
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

/// Lists cases by the names of their functions.
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
        append_stores_events_unchanged
        append_stores_each_event_once
        append_ignores_a_deleted_event
        append_never_reuses_a_sequence
        history_returns_each_event_once_in_order
        history_pages_are_stable_under_writes_and_deletions
        activity_filter_combinations_match
        delete_activities_deletes_the_oldest_in_chunks
        history_is_correct_over_many_blocks
        append_keeps_all_parallel_batches;
    anonymised:
        anonymised_events_match_no_person
        anonymise_handles_the_oldest_in_chunks_and_each_once
        anonymise_leaves_other_events_unchanged;
    excluded:
        except_types_excludes_in_every_method
        except_types_ignores_unknown_types
        event_types_are_distinct_however_many;
}

list! {
    maintenance_cases of MaintenanceStore;
    maintenance:
        acquire_lease_has_one_holder_until_expiry
        acquire_lease_can_end_a_lease_early
        acquire_lease_separates_names
        acquire_lease_has_one_winner_in_parallel
        reclaim_space_respects_the_limit;
}

list! {
    audit_cases of AuditStore;
    audit:
        record_audit_chains_entries_in_order
        audit_page_filters_by_subject
        record_audit_has_no_gaps_in_parallel
        delete_audit_entries_leaves_a_checkpoint
        delete_audit_entries_keeps_a_damaged_trail
        record_audit_refuses_large_payloads_without_a_gap;
}

list! {
    analytics_cases of AnalyticsStore;
    scans:
        scan_returns_each_event_once_in_order
        scan_conditions_match
        scan_excludes_people_by_type
        scan_returns_requested_properties
        scan_ends_on_break
        scan_sees_whole_batches
        dropped_scan_blocks_nobody;
    rollups:
        aggregate_answers_equal_the_events
        activity_series_of_one_property_equals_the_events
        rollups_follow_changes_of_events
        rollups_respect_exclusions;
}

list! {
    consent_cases of ConsentStore;
    consents:
        consents_of_an_unknown_subject_are_empty
        record_consents_stores_records_with_their_proof
        consent_history_returns_pages_newest_first
        record_consents_requires_one_subject
        record_consents_refuses_a_taken_id_as_a_whole
        consents_equal_the_records
        record_consents_ignores_a_repeated_signal
        record_consents_ignores_an_identical_decision_within_a_day
        record_consents_ignores_parallel_identical_decisions
        consents_of_subjects_are_separate;
    refusals:
        refusing_subjects_includes_linked_visitors
        refusing_subjects_follows_the_last_decision
        refusing_subjects_respects_the_limit;
    linking:
        link_visitor_merges_by_policy
        link_visitor_keeps_the_proof
        link_visitor_is_idempotent
        link_visitor_again_keeps_later_decisions
        link_visitor_ends_the_visitor
        link_visitor_merges_or_refuses_parallel_decisions
        link_visitor_without_decisions_changes_nothing
        link_visitor_keeps_the_first_user
        consent_history_includes_linked_visitors
        link_visitor_has_one_winner_in_parallel;
    notices:
        publish_notice_stores_the_text_unchanged
        notice_returns_the_first_with_the_text
        publish_notice_keeps_one_of_parallel_texts
        signing_secret_is_created_once;
    parallel:
        record_consents_keeps_all_parallel_records;
    cancelled:
        dropped_consent_futures_are_atomic;
}

list! {
    credential_cases of Store;
    credentials:
        raise_credential_epoch_is_per_user_and_realm
        revoke_of_all_sessions_raises_the_epoch
        insert_refuses_an_outdated_epoch
        rotate_refuses_an_outdated_epoch_and_changes_nothing
        rotate_with_raise_ends_other_sessions
        raise_credential_epoch_ends_parallel_logins
        credential_epoch_of_an_erased_user_is_zero;
}

list! {
    guest_cases of Store;
    contexts:
        load_context_returns_consent_and_preferences_of_the_user
        profile_may_have_one_part_only
        load_context_returns_the_profile_of_the_visitor
        load_context_with_an_unknown_key_returns_the_visitor
        load_context_of_an_expired_session_names_its_user
        load_context_without_subject_is_empty;
}

list! {
    preference_cases of PreferenceStore;
    preferences:
        preferences_of_an_unknown_user_are_empty
        change_preferences_merges_by_key_per_user
        change_preferences_checks_the_expected_version
        change_preferences_refuses_too_much_and_changes_nothing
        change_preferences_keeps_parallel_changes_of_different_keys
        change_preferences_has_one_winner_per_version;
}

list! {
    session_cases of SessionStore;
    records:
        load_returns_the_inserted_session
        insert_refuses_a_taken_key_or_id
        apply_merges_by_key
        apply_clear_removes_parallel_changes
        apply_checks_expected_values
        apply_beyond_limits_changes_nothing
        list_returns_sessions_of_the_user_newest_first
        session_data_returns_data_while_live;
    ending:
        delete_is_final
        revoke_of_a_user_leaves_no_session
        revoke_ends_exactly_the_named_sessions
        idle_timeout_ends_to_the_millisecond
        absolute_timeout_ends_to_the_millisecond
        touch_never_moves_last_seen_back
        load_remembers_ended_keys_for_a_minute
        delete_expired_works_in_chunks
        insert_with_cap_ends_the_oldest
        insert_with_cap_refuses
        insert_accepts_huge_lifetimes;
    rotation:
        rotate_moves_the_session_to_the_new_key
        rotate_to_the_same_key_replaces_head_and_data
        rotate_with_a_new_id_keeps_data_and_ends_the_old_session
        rotate_requires_the_current_key_and_a_live_session
        failed_rotate_changes_nothing;
    realms:
        load_reports_a_key_of_another_realm
        list_and_revoke_are_per_realm
        begin_erasure_ends_sessions_of_every_realm
        insert_with_cap_counts_one_realm
        rotate_never_changes_the_realm;
    parallel:
        apply_keeps_parallel_changes_of_different_keys
        apply_with_expected_value_has_one_winner
        apply_follows_a_parallel_rotation
        rotate_has_one_winner_in_parallel
        revoke_ends_parallel_sessions
        insert_with_cap_holds_in_parallel;
    anonymous:
        trim_anonymous_ends_the_least_recently_used
        trim_anonymous_bounds_bytes
        trim_anonymous_works_in_steps_to_below_the_limit
        anonymous_total_counts_every_end_of_a_session
        trim_anonymous_holds_the_limit_in_parallel;
    cancelled:
        dropped_session_futures_are_atomic;
}

list! {
    subject_cases of Store;
    erasures:
        begin_erasure_refuses_all_writes
        begin_erasure_ends_sessions
        begin_erasure_is_idempotent
        erase_some_works_in_chunks_until_finished
        erase_some_includes_linked_visitors_only
        finished_erasure_names_nobody
        unfinished_erasures_are_sorted_by_age
        lift_erasure_allows_new_data
        delete_tombstones_deletes_expired_erasures
        scrub_succeeds_without_readers
        begin_erasure_refuses_parallel_writes;
    anonymised:
        erase_some_can_anonymise_events
        erase_some_may_change_its_mode_between_steps
        anonymise_skips_held_and_restricted_activities;
    refusals:
        refusing_subjects_excludes_erased_users;
    linked_scans:
        scan_returns_linked_users_and_excludes_them_together;
    audit:
        methods_record_notes_only_for_changes
        methods_change_nothing_if_their_note_is_refused
        erase_some_deletes_payloads_and_keeps_the_chain
        record_audit_stores_no_payload_of_an_erased_user;
    restrictions:
        restrict_stores_and_lifts
        append_stores_nothing_of_restricted_users
        append_stores_nothing_of_linked_visitors_of_restricted_users
        restricted_users_keep_sessions_and_preferences
        except_restricted_excludes_only_restricted_users
        begin_erasure_supersedes_a_restriction;
    holds:
        place_hold_and_release_hold
        erase_some_keeps_held_data_until_release
        expired_hold_does_not_stop_erasure
        hold_covers_activities_of_linked_visitors
        erase_some_keeps_names_that_others_use
        except_restricted_excludes_held_activities_until_expiry;
    requests:
        file_request_returns_the_open_request
        change_request_checks_the_version
        privacy_requests_filter_and_page
        change_request_confirming_erasure_restricts
        restrict_cannot_lift_a_pending_erasure
        restrict_cannot_lift_a_pending_erasure_in_parallel
        erase_some_answers_the_request_and_removes_the_name
        erase_some_with_holds_answers_in_part
        delete_requests_deletes_old_closed_requests
        file_request_files_one_in_parallel;
    tombstones:
        users_returns_every_user_in_pages
        tombstone_finds_an_erasure_by_pseudonym
        restore_erasure_repeats_the_erasure
        restore_erasure_of_a_finished_erasure_refuses_writes
        restore_erasure_checks_the_erasure
        lift_erasure_by_id_requires_a_finished_erasure
        restore_tombstones_is_atomic_and_keeps_known_ones
        journal_since_keeps_the_first_time;
}
