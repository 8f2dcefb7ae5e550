//! Preferences in memory.

use super::{MemoryStore, State};
use crate::{
    error::Result,
    id::UserId,
    model::{preferences::Patch, privacy::AuditNote},
    store::{PreferenceChange, PreferenceStore, StoredPreferences},
    time::Timestamp,
};

impl PreferenceStore for MemoryStore {
    async fn preferences(&self, user: UserId) -> Result<StoredPreferences> {
        Ok(self.state().preferences.get(&user).cloned().unwrap_or_default())
    }

    async fn change_preferences(&self, user: UserId, patch: Patch, expected: Option<u64>) -> Result<PreferenceChange> {
        self.state().change_preferences(user, &patch, expected)
    }

    async fn rectify_preferences(
        &self,
        user: UserId,
        patch: Patch,
        expected: Option<u64>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<PreferenceChange> {
        let mut state = self.state();
        let change = state.change_preferences(user, &patch, expected)?;
        if matches!(change, PreferenceChange::Stored(_)) {
            state.note(&note, now)?;
        }
        Ok(change)
    }
}

impl State {
    fn change_preferences(&mut self, user: UserId, patch: &Patch, expected: Option<u64>) -> Result<PreferenceChange> {
        self.check_not_erased(&user)?;
        let stored = self.preferences.get(&user).cloned().unwrap_or_default();
        let change = stored.change(patch, expected)?;
        if let PreferenceChange::Stored(stored) = &change {
            self.preferences.insert(user, stored.clone());
        }
        Ok(change)
    }
}
