//! What most programs import: `use tower_guestbook::prelude::*`.

#[doc(no_inline)]
pub use super::{
    consent::{Category, ConsentRules, Purpose, PurposeId, Purposes},
    preferences::{PreferenceRules, StandardPreferences},
};
#[cfg(feature = "axum")]
#[doc(no_inline)]
pub use crate::CurrentUserId;
#[cfg(feature = "sqlite")]
#[doc(no_inline)]
pub use crate::store::SqliteStore;
#[doc(no_inline)]
pub use crate::{Consent, Error, ErrorKind, Guestbook, Preferences, Session, Tracker, UserId, store::MemoryStore};
