//! [`Changes`]: what a request did to the data, key by key, so that a store can merge it with what others did.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::data::{SessionData, SessionLimits, decode, encode};
use crate::error::{Error, ErrorKind, Result};

/// Changes to session data, by key. Keys that are not named stay as they are in the store.
///
/// ```
/// use tower_guestbook::session::{Changes, Merge, SessionData, SessionLimits};
///
/// let mut changes = Changes::default();
/// changes.set("theme", &"dark")?;
/// changes.remove("cart");
///
/// let stored = SessionData::from_json(br#"{"cart":[1],"language":"eo"}"#)?;
/// let Merge::Merged(data) = changes.merge(&stored, &SessionLimits::default())? else { unreachable!() };
/// assert_eq!(data.to_json(), r#"{"language":"eo","theme":"dark"}"#);
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Changes {
    clear: bool,
    entries: BTreeMap<Box<str>, Option<Arc<str>>>,
    expected: BTreeMap<Box<str>, Option<Arc<str>>>,
}

/// The result of [`Changes::merge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The data with the changes in it.
    Merged(SessionData),
    /// A key did not have the value that [`Changes::expect`] asked for; nothing is changed.
    Mismatch,
}

impl Changes {
    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the value cannot be written
    /// as JSON, [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) if it has more than 100 levels
    /// of nesting.
    pub fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<()> {
        self.entries.insert(key.into(), Some(encode(value)?.into()));
        Ok(())
    }

    /// Removes `key`; that it is absent is no error.
    pub fn remove(&mut self, key: &str) {
        self.entries.insert(key.into(), None);
    }

    /// Removes every key, also those that the store has and this request never saw.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.clear = true;
    }

    /// Lets the changes take effect only if `key` still has the value that it has in `seen`, or is
    /// absent as it is there.
    pub fn expect(&mut self, key: &str, seen: &SessionData) {
        self.expected.insert(key.into(), seen.shared(key).cloned());
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        !self.clear && self.entries.is_empty()
    }

    /// Returns the value under `key` in `data` with these changes applied.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongType`](crate::ErrorKind::WrongType), naming the key, if the value is not a
    /// `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str, data: Option<&SessionData>) -> Result<Option<T>> {
        let json = match self.entries.get(key) {
            Some(changed) => changed.as_deref(),
            None if self.clear => None,
            None => data.and_then(|data| data.raw(key)),
        };
        json.map(|json| decode(key, json)).transpose()
    }

    /// `data` with these changes in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) if the result exceeds `limits`.
    pub fn merge(&self, data: &SessionData, limits: &SessionLimits) -> Result<Merge> {
        if self.expected.iter().any(|(key, value)| data.shared(key) != value.as_ref()) {
            return Ok(Merge::Mismatch);
        }
        let mut merged = if self.clear { SessionData::default() } else { data.clone() };
        for (key, value) in &self.entries {
            match value {
                Some(json) => merged.set(key.clone(), json.clone()),
                None => merged.unset(key),
            }
        }
        limits.check(&merged)?;
        Ok(Merge::Merged(merged))
    }

    /// Lets these changes begin with a [`clear`](Self::clear).
    pub(crate) fn replace_all(&mut self) {
        self.clear = true;
    }

    /// Whether they begin with a [`clear`](Self::clear).
    pub(crate) fn clears(&self) -> bool {
        self.clear
    }

    /// Removes the values that are set here under keys that begin with `prefix`, and returns them
    /// in byte order of their keys.
    pub(crate) fn take_set(&mut self, prefix: &str) -> Vec<(String, String)> {
        let set = self.entries.iter().filter(|(_, value)| value.is_some());
        let wanted: Vec<_> = set.map(|(key, _)| key.clone()).filter(|key| key.starts_with(prefix)).collect();
        let value = |key: Box<str>| Some((key.to_string(), self.entries.remove(&key)??.to_string()));
        wanted.into_iter().filter_map(value).collect()
    }

    /// The keys that a reader finds who sees `data` through these changes, in byte order.
    pub(crate) fn keys(&self, data: Option<&SessionData>) -> Vec<String> {
        let stored = data.filter(|_| !self.clear).into_iter().flat_map(SessionData::keys);
        let mut keys: Vec<_> = stored.filter(|key| !self.entries.contains_key(*key)).map(String::from).collect();
        let set = self.entries.iter().filter(|(_, value)| value.is_some());
        keys.extend(set.map(|(key, _)| key.to_string()));
        keys.sort_unstable();
        keys
    }

    /// The data of a new session that begins with these changes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) if it exceeds `limits`.
    pub(crate) fn resolve(&self, limits: &SessionLimits) -> Result<SessionData> {
        match self.merge(&SessionData::default(), limits)? {
            Merge::Merged(data) => Ok(data),
            Merge::Mismatch => Err(Error::new(ErrorKind::Conflict, "a new session has no values to expect")),
        }
    }
}

/// Redacted: session data is personal.
impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").field("clear", &self.clear).field("keys", &self.entries.len()).finish()
    }
}
