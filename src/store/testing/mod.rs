//! The conformance suite: what every [`Store`] must pass, ours and yours.
//!
//! Give it a function that makes a fresh, empty store; it runs each case on one of its own and
//! panics with the name of the case that fails. Run it on a multi-threaded runtime, or the parallel
//! cases are not parallel. It takes seconds, never sleeps, and passes its own times to the store.
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
//! [`conformance`] is all of it, for a [`Store`]. A store of one kind only runs
//! [`session_conformance`], [`activity_conformance`], [`consent_conformance`],
//! [`preference_conformance`], [`maintenance_conformance`], [`audit_conformance`] or
//! [`analytics_conformance`]; [`subject_conformance`] needs a whole [`Store`], too.
//!
//! A bug that a backend had is a case that is missing here: add it to the suite, not to the
//! backend's own tests.

mod activities;
mod anonymised;
mod anonymous;
mod audit;
mod cancelled;
mod consents;
mod credentials;
mod ending;
mod excluded;
mod guests;
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
mod rotation;
mod scans;
mod subjects;
mod summed;
mod support;

use std::{future::Future, pin::Pin, sync::Arc};

use self::subjects::tombstones;
use self::support::{
    ABSOLUTE, CAP, IDLE, START, Stored, at, audit_key, changes, data, found, head, new_key, new_visitor, note, set,
    start, start_with, user_id, value,
};
use super::{
    ActivityStore, AnalyticsStore, Applied, AuditStore, ConsentStore, EpochRule, Loaded, MaintenanceStore,
    PreferenceStore, SessionStore, Started, Store,
};
use crate::model::session::Realm;

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
    consent_conformance(&make).await;
    preference_conformance(&make).await;
    maintenance_conformance(&make).await;
    audit_conformance(&make).await;
    analytics_conformance(&make).await;
    run(credential_cases(), &make).await;
    run(guest_cases(), &make).await;
    subject_conformance(&make).await;
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
/// [`PrivacyRequestStore`](super::PrivacyRequestStore), which need a whole [`Store`].
///
/// # Panics
///
/// As [`conformance`].
pub async fn subject_conformance<S, F, Fut>(make: F)
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
    anonymised:
        what_is_anonymised_is_found_by_nothing_that_is_somebodys
        anonymising_takes_the_oldest_in_chunks_and_each_once
        anonymised_events_among_others_do_not_mix_with_them;
    excluded:
        excluded_types_are_left_out_of_every_question
        excluding_what_was_never_stored_excludes_nothing
        types_are_told_apart_however_many_there_are;
}

list! {
    maintenance_cases of MaintenanceStore;
    maintenance:
        a_lease_has_one_holder_until_it_is_over
        a_holder_can_end_a_lease_early
        leases_of_different_names_do_not_mix
        of_parallel_holders_one_wins
        space_is_given_back_up_to_the_limit;
}

list! {
    audit_cases of AuditStore;
    audit:
        entries_are_chained_and_read_back_in_order
        a_page_is_of_one_subject_or_of_all
        parallel_notes_leave_no_gap
        old_entries_go_and_a_checkpoint_stays
        a_trail_that_is_not_intact_is_kept
        what_is_too_long_is_refused_and_leaves_no_gap;
}

list! {
    analytics_cases of AnalyticsStore;
    scans:
        a_scan_shows_each_event_of_the_range_once_in_order
        a_scan_means_what_it_names
        persons_are_left_out_of_all_types_or_of_some
        a_scan_shows_what_it_is_asked_for
        a_scan_ends_when_it_is_told_to
        a_scan_sees_whole_batches_only
        a_scan_that_nobody_waits_for_harms_nobody;
    summed:
        whole_answers_are_what_the_events_say
        series_may_be_of_some_events_only
        what_is_summed_up_follows_the_events
        who_is_left_out_is_left_out_of_what_is_summed_up;
}

list! {
    consent_cases of ConsentStore;
    consents:
        nobody_who_has_decided_nothing_is_known
        what_is_recorded_is_read_back_with_its_proof
        history_comes_in_pages_newest_first
        records_of_two_subjects_or_none_are_refused
        a_taken_id_is_a_conflict_and_nothing_is_stored
        the_projection_is_what_the_records_say
        a_signal_is_recorded_only_if_it_is_news
        an_identical_decision_within_a_day_is_one_record
        parallel_identical_decisions_are_one_record
        subjects_do_not_mix;
    refusals:
        who_refuses_is_found_by_the_purpose_with_linked_visitors
        whatever_is_decided_in_whatever_order_the_last_no_counts
        a_limit_holds_and_shows_that_there_are_more;
    linking:
        a_login_merges_as_the_policy_says
        a_merged_decision_keeps_its_proof
        linking_again_changes_nothing
        linking_again_does_not_undo_what_the_user_decided_since
        link_visitor_ends_the_visitor
        a_decision_in_parallel_with_the_link_is_merged_or_refused
        a_visitor_who_has_decided_nothing_brings_nothing
        a_linked_visitor_stays_with_the_first_account
        a_users_history_has_that_of_linked_visitors
        of_parallel_links_one_wins;
    notices:
        a_notice_is_kept_as_it_is
        a_hash_finds_the_first_notice_with_the_text
        of_parallel_texts_of_one_version_one_is_kept
        a_secret_is_made_once;
    parallel:
        parallel_records_all_survive;
    cancelled:
        decisions_are_stored_whole_or_not_at_all;
}

list! {
    credential_cases of Store;
    credentials:
        an_epoch_is_of_one_user_and_realm_and_goes_up
        ending_all_sessions_raises_the_epoch
        an_insert_of_an_epoch_before_is_refused_and_leaves_nothing
        a_login_of_an_epoch_before_leaves_the_session_as_it_was
        a_change_ends_the_others_and_restamps_the_session
        no_session_of_an_epoch_before_outlives_a_change_in_parallel
        an_erased_user_has_no_epoch;
}

list! {
    guest_cases of Store;
    guests:
        a_user_comes_with_decisions_and_preferences
        an_account_may_have_one_part_only
        an_anonymous_session_comes_with_the_account_of_the_visitor
        a_key_that_is_unknown_or_ended_leaves_the_visitor
        an_expired_session_still_names_its_user
        of_nobody_nothing_is_known;
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
        a_list_is_the_users_own_and_newest_first
        data_is_read_by_the_public_id_as_long_as_the_session_lives;
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
        a_rotation_to_its_own_key_replaces_head_and_data
        a_login_takes_the_data_along_and_ends_the_old_session
        a_rotation_needs_the_current_key_and_a_live_session
        a_rotation_that_fails_changes_nothing;
    realms:
        a_key_of_another_realm_is_not_found_live_or_ended
        lists_and_revocations_see_one_realm
        an_erasure_ends_the_sessions_of_every_realm
        a_limit_counts_the_sessions_of_one_realm
        a_rotation_does_not_move_a_session_to_another_realm;
    parallel:
        different_keys_all_survive
        the_same_key_has_one_winner
        writes_follow_a_rotation
        of_parallel_rotations_one_wins
        nothing_survives_a_revocation
        the_cap_holds_in_parallel;
    anonymous:
        the_least_recently_used_anonymous_sessions_end
        bytes_of_anonymous_sessions_are_bounded
        a_trim_of_anonymous_sessions_goes_in_steps_to_a_little_below_the_bound
        what_ends_an_anonymous_session_makes_room
        anonymous_sessions_stay_within_the_bound_when_many_begin_at_once;
    cancelled:
        a_dropped_future_leaves_all_or_nothing;
}

list! {
    subject_cases of Store;
    subjects:
        nothing_of_somebody_who_is_struck_out_is_stored
        sessions_of_somebody_who_is_struck_out_end_at_once
        who_is_struck_out_already_stays_so
        an_erasure_goes_on_in_chunks_until_nothing_is_left
        visitors_who_were_linked_go_along_and_no_others
        a_finished_erasure_names_nobody
        unfinished_erasures_come_the_oldest_first
        who_is_let_in_again_is_stored_again
        finished_erasures_are_forgotten_when_their_time_is_over
        a_store_nobody_reads_is_clean_after_scrubbing
        whatever_the_order_nothing_of_an_erased_user_gets_in;
    anonymised:
        an_erasure_can_leave_rows_of_nobody
        another_process_that_continues_an_erasure_may_use_another_rule
        activities_that_are_held_or_restricted_are_not_anonymised;
    refusals:
        who_is_erased_refuses_nothing_any_more;
    linked_scans:
        a_scan_shows_to_whom_visitors_are_linked_and_leaves_them_out_together;
    audit:
        verbs_note_what_they_did_and_nothing_else
        a_verb_whose_note_is_refused_does_nothing
        an_erasure_takes_payloads_and_leaves_the_chain
        of_somebody_erased_no_name_is_written_down;
    restrictions:
        a_restriction_is_kept_and_lifted
        nothing_is_stored_of_somebody_who_is_restricted
        what_linked_visitors_do_is_not_stored_either
        the_rest_is_as_before_for_somebody_who_is_restricted
        who_is_restricted_is_spared_and_nobody_else
        who_is_struck_out_is_not_restricted;
    holds:
        a_hold_is_kept_and_released
        an_erasure_leaves_what_is_held_and_is_finished_when_it_is_released
        a_hold_that_is_over_holds_nothing
        activities_of_linked_visitors_are_held_with_those_of_the_user
        names_that_others_use_survive_an_erasure_in_two_parts
        who_is_held_is_spared_until_the_hold_is_over;
    requests:
        a_request_is_filed_once_and_read_back
        a_change_is_one_of_what_the_caller_knows
        lists_name_what_they_name
        confirming_an_erasure_restricts_and_cancelling_it_lifts_that
        who_has_confirmed_to_be_erased_stays_restricted
        nobody_who_waits_to_be_erased_slips_out_of_that_in_parallel
        an_erasure_answers_its_request_and_takes_the_name_from_all
        an_erasure_that_leaves_something_answers_in_part
        closed_requests_are_forgotten_when_their_time_is_over
        of_parallel_requests_one_is_filed;
    tombstones:
        every_user_is_named_page_by_page
        a_tombstone_is_found_by_its_pseudonym
        an_erasure_that_is_remembered_is_done_again_as_it_was
        a_finished_erasure_that_is_remembered_keeps_its_user_out
        a_remembered_erasure_must_be_whole_and_of_this_store
        an_erasure_is_lifted_by_its_id_when_it_is_finished
        tombstones_are_restored_in_one_step_and_known_ones_stay
        since_when_there_is_a_journal_is_remembered;
}
