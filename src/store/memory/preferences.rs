//! Preferences in memory.

use super::MemoryStore;
use crate::{
    error::Result,
    id::UserId,
    preferences::Patch,
    store::{PreferenceChange, PreferenceStore, StoredPreferences},
};

impl PreferenceStore for MemoryStore {
    async fn preferences(&self, user: UserId) -> Result<StoredPreferences> {
        Ok(self.state().preferences.get(&user).cloned().unwrap_or_default())
    }

    async fn change_preferences(&self, user: UserId, patch: Patch, expected: Option<u64>) -> Result<PreferenceChange> {
        let mut state = self.state();
        state.check_not_struck_out(&user)?;
        let stored = state.preferences.get(&user).cloned().unwrap_or_default();
        let change = stored.change(&patch, expected)?;
        if let PreferenceChange::Stored(stored) = &change {
            state.preferences.insert(user, stored.clone());
        }
        Ok(change)
    }
}
