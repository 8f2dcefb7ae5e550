//! [`DynPreferences`]: what can be done with preferences without knowing their type.

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

/// What the layers need of preferences whose type they do not know.
pub(crate) trait DynPreferences: Send + Sync {
    /// To be turned into what it is.
    fn as_any(&self) -> &dyn Any;

    /// Whether pages cannot do without the browser's colour scheme.
    fn is_scheme_critical(&self) -> bool;

    /// Fills what the user has not set with what was set before they logged in.
    fn adopt(&self, user: UserId, from_session: Overrides) -> BoxFuture<'_, Result<()>>;

    /// What was set elsewhere, checked as if nothing were set here.
    fn check(&self, overrides: &Overrides) -> Result<Patch>;

    /// Stores what was checked, if the version is still the expected one.
    fn store(&self, user: UserId, patch: Patch, expected: u64) -> BoxFuture<'_, Result<()>>;
    /// Applies a patch that corrects what is stored. The version then.
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
        Box::pin(self.correct(user, patch, note, now))
    }
}
