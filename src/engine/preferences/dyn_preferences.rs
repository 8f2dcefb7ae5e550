//! [`DynPreferences`]: preferences without their type.

use std::any::Any;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::UserPreferences;
use crate::{
    error::Result,
    id::UserId,
    model::{
        preferences::{Overrides, Patch},
        privacy::AuditNote,
    },
    store::dyn_store::BoxFuture,
    time::Timestamp,
};

/// The operations on preferences that do not depend on their type.
pub(crate) trait DynPreferences: Send + Sync {
    /// Returns the value for downcasting.
    fn as_any(&self) -> &dyn Any;

    /// Returns whether the colour scheme is a critical client hint.
    fn is_scheme_critical(&self) -> bool;

    /// Stores preferences that were set before the login, for the keys that the user has not set.
    fn adopt(&self, user: UserId, from_session: Overrides) -> BoxFuture<'_, Result<()>>;

    /// Validates overrides from elsewhere against the defaults.
    fn check(&self, overrides: &Overrides) -> Result<Patch>;

    /// Stores a validated patch if the version is still the expected one.
    fn store(&self, user: UserId, patch: Patch, expected: u64) -> BoxFuture<'_, Result<()>>;

    /// Applies a patch that rectifies stored preferences, and returns the new version.
    fn rectify(&self, user: UserId, patch: Value, note: AuditNote, now: Timestamp) -> BoxFuture<'_, Result<u64>>;
}

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> DynPreferences for UserPreferences<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_scheme_critical(&self) -> bool {
        self.inner.rules.is_scheme_critical
    }

    fn adopt(&self, user: UserId, from_session: Overrides) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.fill(user, from_session))
    }

    fn check(&self, overrides: &Overrides) -> Result<Patch> {
        self.inner.rules.schema.patch_from(&Overrides::default(), overrides)
    }

    fn store(&self, user: UserId, patch: Patch, expected: u64) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.change(&user, patch, Some(expected)).await.map(drop) })
    }

    fn rectify(&self, user: UserId, patch: Value, note: AuditNote, now: Timestamp) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.rectify_stored(user, patch, note, now))
    }
}
