//! [`EventData`]: the JSON object of an event, and its limits.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned, ser};
use serde_json::{Value, value::RawValue};

use super::integers::has_long_integer;
use crate::{
    error::{Error, ErrorKind, Result},
    json::{self, MAX_DEPTH, Refusal, Rules},
};

/// The data of an event: one JSON object, kept as text. Clones share the text.
///
/// # Examples
///
/// ```
/// use tower_guestbook::activity::{EventData, EventLimits};
///
/// let limits = EventLimits::default();
/// let data = EventData::from_json(br#"{ "page": "/prices" }"#, &limits)?;
/// assert_eq!(data.as_json(), r#"{"page":"/prices"}"#);
/// assert_eq!(data.read::<serde_json::Value>()?["page"], "/prices");
///
/// for wrong in ["[1]", "7", "no json", r#"{"a":"nul \u0000"}"#] {
///     assert!(EventData::from_json(wrong.as_bytes(), &limits).is_err(), "{wrong}");
/// }
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EventData(Arc<str>);

/// Limits on the data of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// Maximum size of the JSON, in bytes. Default: 8,192.
    pub bytes: usize,
    /// Maximum nesting, including the object itself. Default: 16; at most 100.
    pub depth: usize,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self { bytes: 8 * 1024, depth: 16 }
    }
}

impl EventData {
    /// Creates data from a value that serializes to a JSON object. Writing stops as soon as a limit
    /// is exceeded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if a limit is exceeded; the error names it.
    /// [`ErrorKind::InvalidInput`] if the value is not an object, cannot be written as JSON, or
    /// contains the character NUL, which some stores cannot keep.
    pub fn new<T: Serialize + ?Sized>(value: &T, limits: &EventLimits) -> Result<Self> {
        let rules = Rules { bytes: limits.bytes, depth: limits.depth, allow_nul: false };
        let text = json::write(value, rules).map_err(|error| refusal(error, limits))?;
        if !text.starts_with('{') {
            return Err(Error::new(ErrorKind::InvalidInput, "event data is a JSON object"));
        }
        Ok(Self(text.into()))
    }

    /// Parses JSON sent by a client. Integers of more than 64 bits are refused, because they would
    /// be rounded.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn from_json(json: &[u8], limits: &EventLimits) -> Result<Self> {
        // White space is removed, so the text may exceed the limit, but not without bound.
        if json.len() > limits.bytes.saturating_mul(2) {
            return Err(too_large(limits));
        }
        let value: Value = serde_json::from_slice(json).map_err(|error| {
            if error.to_string().starts_with("recursion limit") {
                return too_deep(limits);
            }
            Error::new(ErrorKind::InvalidInput, "event data is not JSON").with_source(error)
        })?;
        if has_long_integer(json) {
            let problem = "event data has an integer of more than 64 bits: send it as text";
            return Err(Error::new(ErrorKind::InvalidInput, problem));
        }
        Self::new(&value, limits)
    }

    /// Returns the JSON text, without white space.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Deserializes the data.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongType`] if it is not a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.0)
            .map_err(|error| Error::new(ErrorKind::WrongType, "event data is of another type").with_source(error))
    }

    /// Creates data from text that this crate stored.
    pub(crate) fn from_stored(json: impl Into<Arc<str>>) -> Self {
        Self(json.into())
    }
}

/// Redacted: event data may be personal.
impl std::fmt::Debug for EventData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventData").field("bytes", &self.0.len()).finish()
    }
}

impl Serialize for EventData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

/// For data that this crate wrote itself. Foreign input goes through [`EventData::from_json`].
impl<'de> Deserialize<'de> for EventData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        if !json.get().starts_with('{') {
            return Err(de::Error::custom("event data is a JSON object"));
        }
        Ok(Self(json.get().into()))
    }
}

fn refusal(refusal: Refusal, limits: &EventLimits) -> Error {
    match refusal {
        Refusal::TooLarge => too_large(limits),
        Refusal::TooDeep => too_deep(limits),
        Refusal::Nul => Error::new(ErrorKind::InvalidInput, "event data must not contain the character NUL"),
        Refusal::NotJson(error) => {
            Error::new(ErrorKind::InvalidInput, "event data cannot be written as JSON").with_source(error)
        }
    }
}

fn too_large(limits: &EventLimits) -> Error {
    Error::new(ErrorKind::TooLarge, format!("event data has at most {} bytes", limits.bytes))
}

fn too_deep(limits: &EventLimits) -> Error {
    Error::new(ErrorKind::TooLarge, format!("event data has at most {} levels", limits.depth.min(MAX_DEPTH)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn event_limits_hold_to_the_byte_and_the_level() {
        let limits = EventLimits { bytes: 10, depth: 3 };
        assert!(EventData::new(&json!({ "a": "xx" }), &limits).is_ok());
        let error = EventData::new(&json!({ "a": "xxx" }), &limits).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("10 bytes")), (ErrorKind::TooLarge, true));
        assert!(EventData::new(&json!({ "a": [[]] }), &limits).is_ok());
        let error = EventData::new(&json!({ "a": [[[]]] }), &limits).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("3 levels")), (ErrorKind::TooLarge, true));
    }

    #[test]
    fn new_refuses_ten_thousand_levels_without_recursion() {
        let mut value = json!({});
        for _ in 0..10_000 {
            // Not `json!`, which copies the value level by level.
            value = Value::Object([("a".to_owned(), value)].into_iter().collect());
        }
        let error = EventData::new(&value, &EventLimits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        // Dropping it directly would recurse as deeply.
        while let Value::Object(mut map) = value {
            value = map.remove("a").unwrap_or_default();
        }
        let limits = EventLimits { bytes: 1 << 20, depth: 16 };
        let text = format!("{}{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
        assert_eq!(EventData::from_json(text.as_bytes(), &limits).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn new_checks_raw_json_values() {
        let limits = EventLimits::default();
        let raw = |json: String| RawValue::from_string(json).unwrap();
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for (json, kind) in [
            (deep, ErrorKind::TooLarge),
            (format!("{}{}", "[".repeat(16), "]".repeat(16)), ErrorKind::TooLarge),
            (r#""\u0000""#.to_owned(), ErrorKind::InvalidInput),
            (format!("\"{}\"", "x".repeat(9_000)), ErrorKind::TooLarge),
        ] {
            let error = EventData::new(&std::collections::BTreeMap::from([("a", raw(json))]), &limits).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
        let inner = EventData::new(&raw("{ \"b\":\n 1 }".to_owned()), &limits).unwrap();
        let outer = EventData::new(&std::collections::BTreeMap::from([("a", inner)]), &limits).unwrap();
        assert_eq!(outer.as_json(), r#"{"a":{"b":1}}"#);
    }

    #[test]
    fn new_refuses_a_mebibyte_and_nul_characters() {
        let limits = EventLimits::default();
        let large = json!({ "a": "x".repeat(1 << 20) });
        assert_eq!(EventData::new(&large, &limits).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(
            EventData::from_json(large.to_string().as_bytes(), &limits).unwrap_err().kind(),
            ErrorKind::TooLarge
        );
        for nul in [json!({ "a": "\0" }), json!({ "\0": 1 })] {
            let error = EventData::new(&nul, &limits).unwrap_err();
            assert_eq!((error.kind(), error.to_string().contains("NUL")), (ErrorKind::InvalidInput, true));
        }
    }
}
