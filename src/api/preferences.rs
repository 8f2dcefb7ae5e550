//! Preferences: settings of users with defaults, negotiation and optimistic concurrency.
//!
//! 1. Define a struct with `Default` and serde, whose fields are the categories, or use
//!    [`StandardPreferences`].
//! 2. Pass its [`Schema`] in [`PreferenceRules`] to
//!    [`GuestbookBuilder::preferences`](crate::GuestbookBuilder::preferences).
//! 3. In handlers, [`Preferences`] dereferences to the struct, and [`Preferences::update`] applies
//!    a merge patch.
//! 4. Outside requests, [`UserPreferences`] reads and changes the preferences of any user.
//!
//! Only [`Overrides`] are stored, the values that differ from the defaults. A changed default
//! therefore reaches all users who have not chosen otherwise.
//!
//! # Examples
//!
//! ```
//! use serde_json::json;
//! use tower_guestbook::preferences::{Overrides, Schema, StandardPreferences, Theme};
//!
//! let schema = Schema::<StandardPreferences>::new()?;
//! let patch = json!({ "theme": "dark", "notifications": { "sms": true } });
//! let overrides = schema.merge(&Overrides::default(), &patch)?;
//! assert_eq!(overrides.to_json(), r#"{"notifications":{"sms":true},"theme":"dark"}"#);
//!
//! let effective = schema.effective(&[&overrides]);
//! assert_eq!((effective.value.theme, effective.value.language.as_str()), (Theme::Dark, "en"));
//! assert!(effective.value.notifications.email && effective.value.notifications.sms);
//!
//! // Null resets a key (RFC 7396).
//! let overrides = schema.merge(&overrides, &json!({ "theme": null }))?;
//! assert_eq!(overrides.to_json(), r#"{"notifications":{"sms":true}}"#);
//!
//! // An error names the key, and nothing is applied.
//! let error = schema.merge(&overrides, &json!({ "notifications": { "email": "yes" } })).unwrap_err();
//! assert!(error.to_string().contains("notifications.email"));
//! # Ok::<(), tower_guestbook::Error>(())
//! ```
//!
//! # Failures
//!
//! - **The store is unavailable:** the session layer answers 503 to requests with a session, or
//!   continues ([`OnStoreError`](crate::http::OnStoreError)). Requests that are served have
//!   defaults and negotiated values; a change fails with
//!   [`Unavailable`](crate::ErrorKind::Unavailable).
//! - **A stored value is no longer valid**, because the struct has changed: its default takes
//!   effect, and it is counted in [`UserPreferences::ignored`] and logged.
//! - **Two tabs change the same key:** the last change wins, unless it is conditional
//!   ([`Preferences::update`] with [`EntityTags::if_match`]); then the second one fails with
//!   [`VersionMismatch`](crate::ErrorKind::VersionMismatch).
//! - **The overrides of a user are too large**, by default more than 16 KiB of JSON: the change
//!   fails with [`TooLarge`](crate::ErrorKind::TooLarge).

#[doc(no_inline)]
pub use crate::Preferences;
pub use crate::{
    engine::preferences::{PreferenceRules, UserPreferences, VersionedPreferences},
    model::preferences::*,
};
