//! The entity tag of preferences.

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{UserPreferences, overrides, version};
use crate::{engine::profiles::ProfileState, model::preferences::Overrides};

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> UserPreferences<T> {
    /// The entity tag of `value`, which takes effect, and of what it is made of: the same in each process with the same
    /// defaults.
    pub(crate) fn etag(&self, account: &ProfileState, session: Option<&Overrides>, value: &T) -> String {
        // By way of a `Value`, whose keys have an order: those of a hash map have none.
        let json = serde_json::to_value(value).unwrap_or_default();
        let parts = [
            json.to_string(),
            overrides(account).to_json(),
            session.cloned().unwrap_or_default().to_json(),
            serde_json::to_string(self.inner.rules.schema.defaults()).unwrap_or_default(),
        ];
        let digest = parts.iter().fold(Sha256::new(), |digest, part| {
            // With their lengths: no part runs into the next.
            digest.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        });
        let short = digest.finalize().iter().take(8).fold(0u64, |short, byte| short << 8 | u64::from(*byte));
        format!("\"{}-{short:016x}\"", version(account))
    }
}
