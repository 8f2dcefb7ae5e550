//! Privacy rights (GDPR, Articles 12 to 22): [`Rights`], the [`AuditTrail`] and the [`ErasureJournal`].
//!
//! # Which rule is met by what, and which test shows it
//!
//! Tests are named `module::test` and live in `tests/it`; those marked *unit* stand beside the code. Not legal advice.
//!
//! | rule | met by | shown by |
//! |---|---|---|
//! | GDPR 5(1)(b), purpose | [`Purposes`](crate::consent::Purposes), checked in `build()`; events fall under one ([`ConsentRules::event_purpose`](crate::consent::ConsentRules::event_purpose)) | `consent::activity::each_type_of_event_can_have_a_purpose_of_its_own`, unit: `model::consent::registry` |
//! | 5(1)(c), minimisation | [`RequestTrace`](crate::activity::RequestTrace), [`TruncatedAddress`](crate::client::TruncatedAddress) | `activity`, `consent::decisions::a_record_has_what_it_takes_to_prove_it_and_no_more` |
//! | 5(1)(e), storage limitation | [`Retention`](crate::retention::Retention): finite by default, most specific rule wins; [`Keep::Anonymise`](crate::retention::Keep) anonymises | `retention`, `retention::anonymised` |
//! | 5(2), accountability | [`AuditTrail`](crate::privacy::AuditTrail): a chain that says where it was changed; [`AuditVerifier`] | `privacy::audit::tampering`, unit: `model::privacy::audit::verify` |
//! | 6(1), legal basis | [`LegalBasis`](crate::consent::LegalBasis); what is not based on consent passes without it, until an objection | unit: `model::consent::resolve::no_combination_breaks_a_promise` |
//! | 7(1), proof | [`ConsentRecord`](crate::consent::ConsentRecord) with the hash of the [`Notice`](crate::consent::Notice) that was shown; records are only added | `consent::notices::a_grant_needs_the_notice_that_was_shown_and_is_current`, `consent::store`, conformance suite |
//! | 7(3), withdrawal | [`Consent::withdraw`](crate::Consent::withdraw): one call, obeyed by the next request, elsewhere within `cache_age`; needs no notice | `consent::instances::a_withdrawal_is_obeyed_here_at_once_and_there_within_the_cache_age`, `consent::notices::a_no_counts_however_old_the_form_is_that_says_it`, `consent::histories::whatever_anybody_does_the_last_no_holds` |
//! | 7(4), no bundling | what is optional is left out and the page is served; only [`require_consent`](crate::Guestbook::require_consent) refuses | `consent::cookies::before_anybody_agrees_only_exempt_cookies_pass`, `consent::gate` |
//! | 12, a month to answer | [`PrivacyRequest`]: due by the calendar, extended once; [`Rights::file`](crate::privacy::Rights::file) | `privacy::rights::requests`, unit: `model::privacy::request`, conformance suite |
//! | 15, 20, access and portability | [`Rights::export`](crate::privacy::Rights::export), [`PersonalData`](crate::privacy::PersonalData) | `app::full_app::rights` |
//! | 15(1), information | [`Export`](crate::privacy::Export): purposes with their standing, periods, controller | `privacy::export::document::a_document_says_who_is_responsible_for_what_and_how_long_it_is_kept` |
//! | 20, taking along | [`Rights::import`](crate::privacy::Rights::import) into an empty account | `privacy::export::import::an_export_is_taken_over_by_an_empty_account_of_the_sqlite_store` |
//! | 16, rectification | [`Rights::rectify`](crate::privacy::Rights::rectify), [`UserPreferences::update`](crate::preferences::UserPreferences::update); what happened is not rectified | `privacy::rights::correcting`, `preferences` |
//! | 17, erasure | [`Rights::erase`](crate::privacy::Rights::erase): a tombstone first; [`Rights::request_erasure`](crate::privacy::Rights::request_erasure): confirmed, with a grace | `app::full_app::rights`, `privacy::rights::confirming`, conformance suite |
//! | 17, recital 26, rows of nobody | [`ErasedActivities`]: nothing that singles out, links or names; what is left to weigh | `privacy::erasure::anonymised`, `privacy::erasure::names`, conformance suite |
//! | 17(3), what must be kept | [`Rights::hold`](crate::privacy::Rights::hold): by class, and the receipt says so | `privacy::rights::holding`, conformance suite |
//! | 5(2), 17, proof of erasure | [`ErasureReceipt`](crate::privacy::ErasureReceipt): signed, names nobody | `privacy::export::receipt::a_receipt_is_read_from_json_and_holds_until_any_member_is_changed` |
//! | 17, erasure and backups | [`ErasureJournal`](crate::privacy::ErasureJournal): a restored backup is erased again before anybody is served | `privacy::erasure::journal` |
//! | 18, restriction | [`Rights::restrict`](crate::privacy::Rights::restrict) | `privacy::rights::restricting`, conformance suite |
//! | 12(2), easy to exercise | [`PrivacyService`](crate::http::PrivacyService): each right over HTTP, for whoever is logged in, limited per user | `privacy::http::doors`, `privacy::http::limits` |
//! | 21, objection | [`Rights::object`](crate::privacy::Rights::object), [`Decision::Objected`](crate::consent::Decision), [`Mode::ExemptWithObjection`](crate::consent::Mode) | `privacy::rights::correcting::an_objection_beats_what_was_granted`, `consent::activity::whoever_objected_is_not_recorded_on_the_way_out_or_in`; what was recorded before is not looked at: `analytics::objections` |
//! | 30, records of processing | [`Guestbook::processing_records`](crate::Guestbook::processing_records) | `privacy::export::records::each_purpose_appears_with_retention_and_recipients` |
//! | ePrivacy 5(3), cookies | [`ConsentLayer`](crate::http::ConsentLayer): both ways | `consent::cookies` |
//! | Global Privacy Control | `Sec-GPC` exactly `1`; [`GpcSupport`](crate::consent::GpcSupport); sticks to an account | `consent::signals` |
//! | CCPA 7025(c)(6), status | [`Consent::global_privacy_control`](crate::Consent::global_privacy_control) | `app::full_app::consent` |
//! | shared devices | events before a login never become the account's | `consent::login::what_a_visitor_did_without_agreeing_never_becomes_the_accounts` |

pub use crate::{
    engine::rate::RateLimit,
    engine::{audit::*, erasure_journal::*, rights::*},
    http::privacy::PrivacyRules,
    model::privacy::*,
};
