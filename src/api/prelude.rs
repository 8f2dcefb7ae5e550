//! What most programs import: `use tower_guestbook::prelude::*`.
//!
//! `Result` is not in it, since it would hide the one of std: import
//! [`tower_guestbook::Result`](crate::Result) where handlers return it.

#[doc(no_inline)]
pub use super::{
    consent::{Category, ConsentRules, Notice, Purpose, PurposeId, Purposes},
    preferences::{PreferenceRules, Schema, StandardPreferences},
};
#[cfg(feature = "axum")]
#[doc(no_inline)]
pub use crate::CurrentUserId;
#[cfg(feature = "sqlite")]
#[doc(no_inline)]
pub use crate::store::SqliteStore;
#[doc(no_inline)]
pub use crate::{
    Consent, CurrentUser, Error, ErrorKind, Guestbook, Preferences, Session, Tracker, UserId, store::MemoryStore,
};
