//! What most programs import: `use tower_guestbook::prelude::*`.

pub use super::{
    consent::{Category, ConsentRules, Purpose, PurposeId, Purposes},
    preferences::{PreferenceRules, StandardPreferences},
};
#[cfg(feature = "axum")]
pub use crate::CurrentUserId;
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteStore;
pub use crate::{Consent, Error, ErrorKind, Guestbook, Preferences, Session, Tracker, UserId, store::MemoryStore};
