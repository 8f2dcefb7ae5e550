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

/// A store of the preferences of users.
///
/// # Contract
///
/// 1. **Changes are merged key by key** into what is stored at that time: parallel changes of
///    different keys are both kept.
/// 2. **A change that has an effect raises the version by one**; a change without effect does not.
/// 3. **Every method is atomic and durable.** A crash of the process does not undo an acknowledged
///    change.
/// 4. **A dropped future** has taken full effect or none.
pub trait PreferenceStore: Send + Sync + 'static {
    /// Returns the overrides of the user. A user who has set nothing has no overrides and version
    /// 0.
    fn preferences(&self, user: UserId) -> impl Future<Output = Result<StoredPreferences>> + Send;

    /// Applies `patch`. With `expected`, only if the version is still this one. On an error nothing
    /// is changed.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](crate::ErrorKind::TooLarge) if the result exceeds the limit of the schema.
    fn change_preferences(
        &self,
        user: UserId,
        patch: Patch,
        expected: Option<u64>,
    ) -> impl Future<Output = Result<PreferenceChange>> + Send;

    /// As [`change_preferences`](Self::change_preferences), for a rectification: stores the audit
    /// note in the same transaction.
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

/// The overrides of a user, with their version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredPreferences {
    /// The preferences that differ from the defaults.
    pub overrides: Overrides,
    /// The number of changes.
    pub version: u64,
}

/// The result of [`PreferenceStore::change_preferences`].
#[derive(Clone, Debug, PartialEq)]
pub enum PreferenceChange {
    /// The change was applied; the stored preferences after it.
    Stored(StoredPreferences),
    /// The version was not the expected one, and nothing was changed; the stored preferences.
    Mismatch(StoredPreferences),
}

impl StoredPreferences {
    /// Returns the result of a change to these preferences, for implementations of a store.
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
