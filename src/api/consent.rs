//! Consent: [`Consent`] in a handler, [`Consents`] outside a request, purposes, decisions and their proof.
//!
//! An application declares its [`Purpose`]s once, in a [`Purposes`] registry that checks them. Somebody decides; decisions are
//! only ever added ([`Decision`], [`ConsentRecord`] with its [`Proof`]), and where they stand is a [`ConsentState`] that can be made
//! again from them. What was shown is a [`Notice`], kept by its hash.
//! [`resolve`] says whether a purpose is allowed now, and why: a pure function, whose order of rules is in its docs.
//!
//! ```
//! use std::time::Duration;
//! use tower_guestbook::{
//!     Timestamp,
//!     consent::{Category, DecisionEvent, Decision, Mode, Purpose, PurposeId, Purposes, Regime, Signals, ConsentState, resolve},
//! };
//!
//! let day = Duration::from_secs(24 * 60 * 60);
//! let purposes = Purposes::builder()
//!     .purpose(Purpose::new("session", Category::Necessary))
//!     .purpose(Purpose::new("analytics", Category::Analytics).mode(Mode::OptIn).expiry(180 * day))
//!     .build()?;
//! let analytics = purposes.get(&PurposeId::ANALYTICS).unwrap();
//!
//! let start = Timestamp::from_millis(0);
//! let (quiet, strict) = (Signals::default(), Regime::Strictest);
//! assert!(!resolve(analytics, None, quiet, strict, start).is_allowed(), "unknown means no");
//!
//! let granted = ConsentState::after(analytics, &DecisionEvent::new(Decision::Granted, 1, start));
//! assert!(resolve(analytics, Some(&granted), quiet, strict, start).is_allowed());
//! assert!(!resolve(analytics, Some(&granted), quiet, strict, start.after(180 * day)).is_allowed(), "it has expired");
//!
//! let withdrawn = ConsentState::after(analytics, &DecisionEvent::new(Decision::Withdrawn, 1, start));
//! assert!(!resolve(analytics, Some(&withdrawn), quiet, strict, start).is_allowed());
//! # Ok::<(), tower_guestbook::Error>(())
//! ```

pub use crate::{
    engine::consents::*,
    http::consent::{ConsentRules, GpcSupport, Jurisdictions, UndeclaredCookies},
    model::consent::*,
    request::{Consent, GlobalPrivacyControl},
};
