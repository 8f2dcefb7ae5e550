//! Preferences: [`Preferences`] in a handler, [`UserPreferences`] outside a request, and the schema of both.
//!
//! The schema is a struct of the application's own, with `Default`; its fields are the categories. Only what differs from the
//! defaults is kept ([`Overrides`]), so that a changed default reaches everyone who has not chosen otherwise.
//!
//! ```
//! use serde_json::json;
//! use tower_guestbook::preferences::{Overrides, Schema, StandardPreferences, Theme};
//!
//! let schema = Schema::<StandardPreferences>::new()?;
//! let chosen = schema.merge(&Overrides::default(), &json!({ "theme": "dark", "notifications": { "sms": true } }))?;
//! assert_eq!(chosen.to_json(), r#"{"notifications":{"sms":true},"theme":"dark"}"#);
//!
//! let effective = schema.effective(&[&chosen]);
//! assert_eq!((effective.value.theme, effective.value.language.as_str()), (Theme::Dark, "en"));
//! assert!(effective.value.notifications.email && effective.value.notifications.sms);
//!
//! // Null resets (RFC 7396); what is wrong is named.
//! let chosen = schema.merge(&chosen, &json!({ "theme": null }))?;
//! assert_eq!(chosen.to_json(), r#"{"notifications":{"sms":true}}"#);
//! let error = schema.merge(&chosen, &json!({ "notifications": { "email": "yes" } })).unwrap_err();
//! assert!(error.to_string().contains("notifications.email"));
//! # Ok::<(), tower_guestbook::Error>(())
//! ```

pub use crate::{
    engine::preferences::{PreferenceRules, UserPreferences, VersionedPreferences},
    model::preferences::*,
    request::Preferences,
};
