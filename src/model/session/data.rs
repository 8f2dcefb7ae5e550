//! [`SessionData`]: a map from keys to JSON values, kept as text until a type is asked for.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind, Result},
    json::{self, MAX_DEPTH, Refusal, Rules},
};

/// The data of a session: keys and JSON values. A clone shares the values.
///
/// ```
/// use tower_guestbook::session::SessionData;
///
/// let data = SessionData::from_json(br#"{"cart":[1,2],"theme":"dark"}"#)?;
/// assert_eq!(data.get::<Vec<u32>>("cart")?, Some(vec![1, 2]));
/// assert_eq!(data.get::<String>("absent")?, None);
/// assert!(data.get::<bool>("theme").unwrap_err().to_string().contains("theme"));
/// assert_eq!(data.to_json(), r#"{"cart":[1,2],"theme":"dark"}"#);
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionData {
    entries: BTreeMap<Box<str>, Arc<str>>,
    bytes: usize,
}

impl SessionData {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the bytes are not a JSON object.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let entries: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(json).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "stored session data is not a JSON object").with_source(error)
        })?;
        let mut data = Self::default();
        for (key, value) in entries {
            data.set(key.as_ref().into(), value.get().into());
        }
        Ok(data)
    }

    /// One JSON object, its keys in byte order.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.bytes + 6 * self.entries.len() + 2);
        json.push('{');
        for (key, value) in &self.entries {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&serde_json::to_string(key).expect("a string is JSON"));
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        json
    }

    /// The value under `key`, read as `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongType`], naming the key, if the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.raw(key).map(|json| decode(key, json)).transpose()
    }

    /// The JSON text under `key`.
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|value| &**value)
    }

    /// The keys, in byte order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(|key| &**key)
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of all keys and of the JSON text of all values: what [`SessionLimits`] counts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn shared(&self, key: &str) -> Option<&Arc<str>> {
        self.entries.get(key)
    }

    pub(super) fn set(&mut self, key: Box<str>, json: Arc<str>) {
        self.bytes += key.len() + json.len();
        let length = key.len();
        if let Some(old) = self.entries.insert(key, json) {
            self.bytes -= length + old.len();
        }
    }

    pub(super) fn unset(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= key.len() + old.len();
        }
    }
}

/// Redacted: session data is personal.
impl std::fmt::Debug for SessionData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionData").field("keys", &self.len()).field("bytes", &self.bytes).finish()
    }
}

/// How much one session may hold. Beside that, a value has at most 100 levels of nesting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Bytes of all keys and JSON values together. Default: 65,536.
    pub bytes: usize,
    /// Number of keys. Default: 256.
    pub keys: usize,
    /// Bytes of one key. Default: 128.
    pub key_bytes: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, keys: 256, key_bytes: 128 }
    }
}

impl SessionLimits {
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`], with the limit, if `data` exceeds one.
    pub(super) fn check(&self, data: &SessionData) -> Result<()> {
        let problem = if data.bytes > self.bytes {
            format!("session data has at most {} bytes", self.bytes)
        } else if data.len() > self.keys {
            format!("session data has at most {} keys", self.keys)
        } else if data.keys().any(|key| key.len() > self.key_bytes) {
            format!("a session key has at most {} bytes", self.key_bytes)
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::TooLarge, problem))
    }
}

/// The JSON text of a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let rules = Rules { bytes: usize::MAX, depth: MAX_DEPTH, allow_nul: true };
    json::write(value, rules).map_err(|refusal| match refusal {
        Refusal::TooDeep => {
            Error::new(ErrorKind::TooLarge, format!("a session value has at most {MAX_DEPTH} levels of nesting"))
        }
        Refusal::NotJson(error) => {
            Error::new(ErrorKind::InvalidInput, "the value cannot be written as JSON").with_source(error)
        }
        Refusal::TooLarge | Refusal::Nul => Error::new(ErrorKind::Internal, "a rule was applied that does not exist"),
    })
}

pub(crate) fn decode<T: DeserializeOwned>(key: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        Error::new(ErrorKind::WrongType, format!("the session value {key:?} is of another type")).with_source(error)
    })
}
