//! Consent: purposes, notices, decisions and their proof (GDPR, Articles 6, 7 and 21).
//!
//! 1. Declare each [`Purpose`] in a [`Purposes`] registry, and give it a [`Notice`]: the text that
//!    people agree to.
//! 2. Pass both in [`ConsentRules`] to
//!    [`GuestbookBuilder::consent`](crate::GuestbookBuilder::consent).
//! 3. In handlers, [`Consent::allows`] says whether a purpose is allowed, and [`Consent::prompt`]
//!    and [`Consent::decide`] make a consent banner. There is an [example of a whole
//!    banner](Consent#examples).
//! 4. [`ConsentLayer`](crate::http::ConsentLayer) blocks the cookies of purposes that are not
//!    allowed, and [`RequireConsent`](crate::http::RequireConsent) refuses requests without
//!    consent.
//! 5. Outside requests, [`Consents`] records decisions and proves them: history, notices, receipts.
//!
//! Decisions are only ever added, as a [`ConsentRecord`] with its [`Proof`]. The current
//! [`ConsentState`] is derived from them, and [`resolve`] derives the [`Verdict`] from that: a pure
//! function, whose documentation lists its rules in order.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use tower_guestbook::{
//!     Guestbook, UserId,
//!     consent::{
//!         Category, Choices, ConsentRules, DecisionContext, DecisionMethod, Jurisdiction, Notice, Purpose, PurposeId,
//!         Purposes, Subject,
//!     },
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let analytics =
//!     Purpose::new(PurposeId::ANALYTICS, Category::Analytics).expiry(Duration::from_secs(180 * 86_400));
//! let rules = ConsentRules::new(Purposes::builder().purpose(analytics).build()?)
//!     .notice(Notice::new(PurposeId::ANALYTICS, 1, "en", "We count which pages are read.")?);
//! let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
//! let consents = guestbook.consents().expect("consent is configured");
//!
//! // Show the prompt, and record the answer with the snapshot of what was shown.
//! let ada = Subject::User(UserId::try_from("ada")?);
//! let prompt = consents.prompt(Some(&ada), "en", &Jurisdiction::default()).await?;
//! assert_eq!(prompt.purposes[0].notice.as_ref().unwrap().text(), "We count which pages are read.");
//! let yes = Choices::new(DecisionMethod::Custom).grant(PurposeId::ANALYTICS).notice(prompt.snapshot);
//! consents.decide(&ada, yes, &DecisionContext::default()).await?;
//!
//! // The record proves which text Ada agreed to.
//! let record = &consents.history(&ada, 1, None).await?[0];
//! let notice = consents.notice(record.proof.notice.unwrap()).await?.unwrap();
//! assert_eq!((notice.version(), notice.language()), (1, "en"));
//! # Ok(()) }
//! ```
//!
//! # Failures
//!
//! - **The store is unavailable:** the session layer answers 503 to requests with a session, or
//!   continues ([`OnStoreError`](crate::http::OnStoreError)). Requests that are served have
//!   necessary purposes only ([`Reason::Unavailable`]), no cookie is removed from browsers, and
//!   gates answer 503. A decision fails and is not recorded.
//! - **A notice has changed since the prompt:** a grant fails with
//!   [`Conflict`](crate::ErrorKind::Conflict); get a new prompt. A refusal is always recorded.
//! - **Too many decisions of visitors:** they fail with
//!   [`RateLimited`](crate::ErrorKind::RateLimited); withdrawals never do.
//! - **A purpose is not declared:** it is never allowed, and
//!   [`build`](crate::GuestbookBuilder::build) fails if a notice or a rule names it.

#[doc(no_inline)]
pub use crate::Consent;
pub use crate::{
    engine::consents::*,
    http::consent::{ConsentRules, GpcSupport, Jurisdictions, UndeclaredCookies},
    model::consent::*,
    request::GlobalPrivacyControl,
};
