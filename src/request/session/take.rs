//! One-time values: read and removed in one step of the store.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Current, READ, Session, UPDATE_ATTEMPTS, check_key};
use crate::{
    error::{Error, ErrorKind, Result},
    model::session::{Changes, decode},
    store::Applied,
};

impl Session {
    /// Removes `key` and returns its value, atomically against all other requests: of parallel
    /// requests exactly one gets the value. Use it for values that may be used once, such as the
    /// state of an OAuth login. `None` if the key is absent.
    ///
    /// Other pending changes are stored with it. If the store does not answer in time, the value
    /// may be gone.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update). If the value is not a `T`, it stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{Result, Session};
    ///
    /// async fn callback(session: Session, state: &str) -> Result<bool> {
    ///     let expected: Option<String> = session.take("oauth_state").await?;
    ///     Ok(expected.as_deref() == Some(state))
    /// }
    /// # let _ = callback;
    /// ```
    pub async fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        check_key(key)?;
        let mut taken = None;
        self.update_any(key, |value: Option<Box<RawValue>>| {
            taken = value.map(|json| decode(key, json.get())).transpose()?;
            Ok(None)
        })
        .await?;
        Ok(taken)
    }

    /// Removes the keys that begin with `prefix` and returns them with their values as JSON, in
    /// byte order. Each is returned to one of all parallel requests. The store is asked only if
    /// this request sees such a key in it.
    pub(in crate::request) async fn take_all(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        self.context.mark(READ);
        let mut taken = self.take_stored(prefix).await?;
        let mut state = self.context.state();
        taken.extend(state.changes.take_set(prefix));
        taken.sort();
        Ok(taken)
    }

    async fn take_stored(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        for _ in 0..UPDATE_ATTEMPTS {
            let current = {
                let state = self.context.state();
                // What this request has cleared is not visible to it.
                state.current.clone().filter(|_| !state.changes.clears())
            };
            let Some(current) = current else { return Ok(Vec::new()) };
            let Current { key: session_key, record } = &current;
            let value = |key: &str| Some((key.to_owned(), record.data.raw(key)?.to_owned()));
            let stored: Vec<_> = record.data.keys().filter(|key| key.starts_with(prefix)).filter_map(value).collect();
            if stored.is_empty() {
                return Ok(stored);
            }
            let mut changes = Changes::default();
            for (key, _) in &stored {
                changes.expect(key, &record.data);
                changes.remove(key);
            }
            let id = record.head.id;
            match self.context.sessions().apply(*session_key, record, changes, self.context.address()).await? {
                Applied::Merged { record, .. } => {
                    self.context.adopt(id, record);
                    return Ok(stored);
                }
                Applied::Mismatch(record) => self.context.adopt(id, record),
                Applied::Ended => return Err(self.context.session_ended(&current).await),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "parallel requests kept changing the same session keys"))
    }
}
