//! [`PreferenceStore`]: the contract of a store of preferences.

use std::future::Future;

use crate::{
    error::Result,
    id::UserId,
    model::{
        preferences::{Overrides, Patch},
        privacy::AuditNote,
    },
    time::Timestamp,
};

/// A place where users' preferences are kept.
///
/// # Contract
///
/// 1. **Changes are merged key by key**, on what is stored when they arrive: two callers that
///    change different keys both win.
/// 2. **Each change that changes something raises the version by one**; one that changes nothing
///    does not.
/// 3. **Every verb is atomic**, and its answer a promise: a crash of the process does not undo it.
/// 4. **A dropped future** may or may not have had its effect, but never half of it.
pub trait PreferenceStore: Send + Sync + 'static {
    /// What the user has set. A user who has set nothing has no overrides and version 0.
    fn preferences(&self, user: UserId) -> impl Future<Output = Result<StoredPreferences>> + Send;

    /// Applies `patch`, if the version is still the `expected` one, or whatever it is.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](crate::ErrorKind::TooLarge) if the result exceeds the limit of the schema.
    /// Nothing is changed then.
    fn change_preferences(
        &self,
        user: UserId,
        patch: Patch,
        expected: Option<u64>,
    ) -> impl Future<Output = Result<PreferenceChange>> + Send;

    /// As [`change_preferences`](Self::change_preferences), and records that it was a correction:
    /// the note is stored with the change.
    ///
    /// # Errors
    ///
    /// As for [`change_preferences`](Self::change_preferences).
    fn rectify_preferences(
        &self,
        user: UserId,
        patch: Patch,
        expected: Option<u64>,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<PreferenceChange>> + Send;
}

/// What a user has set, and how often it has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredPreferences {
    /// What differs from the defaults.
    pub overrides: Overrides,
    /// How often it has changed.
    pub version: u64,
}

/// What became of [`PreferenceStore::change_preferences`].
#[derive(Clone, Debug, PartialEq)]
pub enum PreferenceChange {
    /// What is stored now.
    Stored(StoredPreferences),
    /// The version was another one; what is stored. Nothing was changed.
    Mismatch(StoredPreferences),
}

impl StoredPreferences {
    /// What a store makes of a change to these preferences.
    ///
    /// # Errors
    ///
    /// As for [`PreferenceStore::change_preferences`].
    pub fn change(self, patch: &Patch, expected: Option<u64>) -> Result<PreferenceChange> {
        if expected.is_some_and(|expected| expected != self.version) {
            return Ok(PreferenceChange::Mismatch(self));
        }
        let overrides = self.overrides.with(patch)?;
        let version = self.version + u64::from(overrides != self.overrides);
        Ok(PreferenceChange::Stored(Self { overrides, version }))
    }
}
