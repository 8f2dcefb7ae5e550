//! The entity tag of effective preferences.

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{UserPreferences, overrides, version};
use crate::{engine::profiles::ProfileState, model::preferences::Overrides};

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> UserPreferences<T> {
    /// Returns the entity tag of the effective `value` and of everything that it depends on. It is
    /// the same in each process with the same defaults.
    pub(crate) fn etag(&self, profile: &ProfileState, session: Option<&Overrides>, value: &T) -> String {
        // Through a `Value`, whose keys are sorted; those of a hash map are not.
        let json = serde_json::to_value(value).unwrap_or_default();
        let parts = [
            json.to_string(),
            overrides(profile).to_json(),
            session.cloned().unwrap_or_default().to_json(),
            serde_json::to_string(self.inner.rules.schema.defaults()).unwrap_or_default(),
        ];
        let digest = parts.iter().fold(Sha256::new(), |digest, part| {
            // With its length, so that the parts cannot run into each other.
            digest.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        });
        let short = digest.finalize().iter().take(8).fold(0u64, |short, byte| short << 8 | u64::from(*byte));
        format!("\"{}-{short:016x}\"", version(profile))
    }
}
