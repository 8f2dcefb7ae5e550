//! Rectification of preferences (GDPR, Article 16).

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Edit, UserPreferences, edit::SplitEdit, mismatch, overrides};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{consent::Subject, privacy::AuditNote},
    store::PreferenceChange,
    time::Timestamp,
};

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> UserPreferences<T> {
    /// Applies a patch and stores the audit note in the same transaction. Returns the new version.
    pub(super) async fn rectify_stored(
        &self,
        user: UserId,
        patch: Value,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<u64> {
        let profile = self.load(&user).await?;
        let SplitEdit { patch, decisions } =
            self.split(Edit::Patch(&patch), &overrides(&profile), &profile, self.verdict_inputs())?;
        if !decisions.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a decision about consent cannot be rectified: make a new decision",
            ));
        }
        let (store, profiles) = (self.inner.runtime.store.clone(), self.inner.profiles.clone());
        let change = async move {
            let changed = store.rectify_preferences(user.clone(), patch, None, note, now).await;
            profiles.evict(&Subject::User(user));
            changed
        };
        match self.inner.runtime.tasks.finish(change).await? {
            PreferenceChange::Stored(stored) => Ok(stored.version),
            PreferenceChange::Mismatch(_) => Err(mismatch()),
        }
    }
}
