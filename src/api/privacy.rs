//! The privacy rights of users under the GDPR, and the proof that they were respected.
//!
//! - [`Rights`] exercises the rights of one user: a copy of the data, rectification, erasure,
//!   restriction and objection. It also keeps the users' [requests](PrivacyRequest) and their
//!   deadlines.
//! - [`AuditTrail`] records who did what to whose data, in a chain that shows where it was changed.
//! - [`ErasureJournal`] remembers erasures outside the database, so that they outlive a restored
//!   backup.
//! - [`PersonalData`] adds the tables of the application to each export and each erasure.
//! - [`PrivacyService`](crate::http::PrivacyService) offers the rights over HTTP to the user who is
//!   logged in.
//!
//! Consent is in [`consent`](crate::consent), storage limitation in
//! [`retention`](crate::retention).
//!
//! ```
//! use serde_json::json;
//! use tower_guestbook::{
//!     Guestbook, UserId,
//!     privacy::{RequestKind, RestrictionReason},
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
//! let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
//!
//! let filed = rights.file_request(&ada, RequestKind::Restriction, None).await?;
//! assert!(!filed.is_duplicate);
//! rights.restrict(&ada, RestrictionReason::Accuracy).await?;
//! assert!(!rights.request(filed.request.id).await?.unwrap().is_open(), "the request is answered");
//!
//! let receipt = rights.erase(&ada).await?;
//! assert!(receipt.erasure.finished_at.is_some());
//! assert!(rights.verify_receipt(&receipt).await?);
//! assert!(guestbook.audit().verify(None).await?.is_intact());
//! # Ok(()) }
//! ```
//!
//! # Which method and which endpoint serve which right
//!
//! Paths are those of [`PrivacyService`](crate::http::PrivacyService), below its prefix. A user can
//! also file a request that a person answers, one for each [`RequestKind`]:
//! [`Rights::file_request`], `POST /requests/{kind}`.
//!
//! | GDPR | right | method | endpoint |
//! |---|---|---|---|
//! | 15 | access | [`Rights::export`] | `GET /export` |
//! | 15(1) | information | [`Export`], members `controller` to `retention` | `GET /export` |
//! | 12(3) | answer within a month | [`Rights::requests`] | `GET /requests` |
//! | 15 | audit entries | [`AuditTrail::entries`] | `GET /audit` |
//! | 16 | rectification | [`Rights::rectify`] | `PATCH /rectification` |
//! | 17 | erasure, at once | [`Rights::erase`] | `POST /delete` |
//! | 17 | erasure, confirmed | [`Rights::request_erasure`] | `POST /requests/erasure` |
//! | 17 | its confirmation | [`Rights::confirm_erasure`] | `POST /requests/{id}/confirmation` |
//! | 17 | its cancellation | [`Rights::cancel_erasure`] | `DELETE /requests/{id}` |
//! | 17 | its state | [`Rights::erasure_state`] | `GET /delete?erasure={pseudonym}` |
//! | 17(3) | legal hold | [`Rights::place_hold`] | none: the operator decides |
//! | 18 | restriction | [`Rights::restrict`] | `POST /restriction` |
//! | 18 | its end | [`Rights::lift_restriction`] | `DELETE /restriction` |
//! | 19 | notification of recipients | none: the application knows them | none |
//! | 20 | portability, out | [`Rights::export`] | `GET /export` |
//! | 20 | portability, in | [`Rights::import`] | none: the application receives the file |
//! | 21 | objection | [`Rights::object`] | `POST /objection/{purpose}` |
//! | 21 | its withdrawal | [`Rights::withdraw_objection`] | `DELETE /objection/{purpose}` |
//! | 22 | automated decisions | none: the guestbook makes none | none |
//!
//! # What happens when it fails
//!
//! - **The store does not answer**: the method returns the store's error, and nothing has happened.
//!   An erasure is the exception: it is [pending](crate::ErrorKind::Pending) and is retried until
//!   it is done. See [`Rights`](Rights#when-an-erasure-is-interrupted).
//! - **The user was erased**: each method that would store something returns
//!   [`UserErased`](crate::ErrorKind::UserErased).
//! - **The erasure journal is missing or damaged**: until it is back, a request with a session gets
//!   the answer that [`on_store_error`](crate::GuestbookBuilder::on_store_error) configures.
//! - **The audit trail was changed**: [`AuditTrail::verify`] names the first wrong entry. The trail
//!   goes on.
//!
//! # Which rule is met, and which test shows it
//!
//! Tests are named `module::test` and live in `tests/it`; those marked *unit* stand beside the
//! code. The conformance suite of stores, `store::testing`, covers the rights of Articles 12, 17
//! and 18 for each backend. This is not legal advice.
//!
//! | rule | shown by |
//! |---|---|
//! | GDPR 5(1)(b), purpose limitation | `consent::activity`, unit: `model::consent::purposes` |
//! | 5(1)(c), data minimisation | `activity`, `consent::decisions` |
//! | 5(1)(e), storage limitation | `retention`, `retention::anonymised` |
//! | 5(2), accountability | `privacy::audit::tampering`, unit: `model::privacy::audit::verifier` |
//! | 5(2), proof of erasure | `privacy::export::receipt` |
//! | 6(1), legal basis | unit: `model::consent::resolve` |
//! | 7(1), proof of consent | `consent::notices`, `consent::store` |
//! | 7(3), withdrawal | `consent::instances`, `consent::notices`, `consent::histories` |
//! | 7(4), no bundling | `consent::cookies`, `consent::gate` |
//! | 12(2), facilitated exercise | `privacy::http::doors`, `privacy::http::limits` |
//! | 12(3), one month to answer | `privacy::rights::requests`, unit: `model::privacy::request` |
//! | 15(1), information | `privacy::export::document` |
//! | 15 and 20, access and portability | `app::full_app::rights`, `privacy::export::import` |
//! | 16, rectification | `privacy::rights::correcting`, `preferences` |
//! | 17, erasure | `app::full_app::rights`, `privacy::rights::confirming` |
//! | 17, recital 26, anonymised rows | `privacy::erasure::anonymised`, `privacy::erasure::names` |
//! | 17, erasure and backups | `privacy::erasure::journal` |
//! | 17(3), legal hold | `privacy::rights::holding` |
//! | 18, restriction | `privacy::rights::restricting` |
//! | 21, objection | `privacy::rights::correcting`, `consent::activity` |
//! | 21, objection in figures | `analytics::objections` |
//! | 30, records of processing | `privacy::export::records` |
//! | ePrivacy 5(3), cookies | `consent::cookies` |
//! | Global Privacy Control | `consent::signals` |
//! | CCPA 7025(c)(6), status | `app::full_app::consent` |
//! | shared devices | `consent::login` |

pub use crate::{
    engine::rate::RateLimit,
    engine::{audit::*, erasure_journal::*, rights::*},
    http::privacy::PrivacyRules,
    model::privacy::*,
};
