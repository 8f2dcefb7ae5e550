//! [`Overrides`]: the preferences that differ from the defaults.

use serde_json::{Map, Value};

use super::patch::{Changes, Patch, REPLACES, apply};
use crate::{
    error::{Error, ErrorKind, Result},
    json::{self, MAX_DEPTH},
};

/// The preferences that a user has set: a JSON object of categories and keys, without those that
/// are at their default.
///
/// Two values have a special meaning:
///
/// - Null removes a value of the default: an entry of a map, the value of an option.
/// - An object with an empty key replaces the object of the default instead of being merged into
///   it, for example another variant of an enum.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::preferences::{Overrides, Schema, StandardPreferences};
///
/// let schema = Schema::<StandardPreferences>::new()?;
/// let dark = schema.merge(&Overrides::default(), &json!({ "theme": "dark", "language": "en" }))?;
/// assert_eq!(dark.to_json(), r#"{"theme":"dark"}"#, "English is the default");
/// assert_eq!(Overrides::from_json(dark.to_json().as_bytes())?, dark);
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Overrides(Map<String, Value>);

impl Overrides {
    /// Parses the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the bytes are not a JSON object.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map(Self).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "stored preferences are not a JSON object").with_source(error)
        })
    }

    /// Returns one JSON object with its keys in byte order.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Returns whether everything is at its default.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value at a path of keys, if it is set.
    pub fn get<K: AsRef<str>>(&self, path: &[K]) -> Option<&Value> {
        let (last, above) = path.split_last()?;
        let mut map = &self.0;
        for key in above {
            map = map.get(key.as_ref())?.as_object()?;
        }
        map.get(last.as_ref())
    }

    /// Returns these overrides with `patch` applied.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the result exceeds the limit of the schema or has more than 100
    /// levels of nesting.
    pub fn with(&self, patch: &Patch) -> Result<Self> {
        let changed = self.changed(&patch.changes);
        if !changed.0.values().all(|value| json::is_within(value, MAX_DEPTH - 1)) {
            return Err(too_deep());
        }
        if changed.to_json().len() > patch.max_bytes {
            return Err(Error::new(ErrorKind::TooLarge, format!("preferences have at most {} bytes", patch.max_bytes)));
        }
        Ok(changed)
    }

    pub(super) fn changed(&self, changes: &Changes) -> Self {
        let mut map = self.0.clone();
        apply(&mut map, changes);
        Self(map)
    }

    /// Returns these overrides with those of `layer` on top.
    pub(super) fn under(&self, layer: &Self) -> Self {
        fn over(target: &mut Map<String, Value>, layer: &Map<String, Value>) {
            for (key, value) in layer {
                match (target.get_mut(key), value) {
                    (Some(Value::Object(target)), Value::Object(layer)) if !layer.contains_key(REPLACES) => {
                        over(target, layer);
                    }
                    _ => {
                        target.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        let mut map = self.0.clone();
        over(&mut map, &layer.0);
        Self(map)
    }

    /// Returns each override that is a value, a null or a replacing object, with its path.
    pub(super) fn leaves(&self) -> Vec<(Vec<String>, &Value)> {
        fn collect<'a>(map: &'a Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Value)>) {
            for (key, value) in map {
                path.push(key.clone());
                match value {
                    Value::Object(inner) if !inner.is_empty() && !inner.contains_key(REPLACES) => {
                        collect(inner, path, found);
                    }
                    value => found.push((path.clone(), value)),
                }
                path.pop();
            }
        }
        let mut found = Vec::new();
        collect(&self.0, &mut Vec::new(), &mut found);
        found
    }

    /// Creates overrides with one value at a path of keys.
    pub(crate) fn of(path: &[String], value: Value) -> Self {
        let nested =
            path.iter().rev().fold(value, |value, key| Value::Object([(key.clone(), value)].into_iter().collect()));
        match nested {
            Value::Object(map) => Self(map),
            _ => Self::default(),
        }
    }

    /// Returns these overrides without the keys of `others`.
    pub(crate) fn without_keys_of(&self, others: &Self) -> Self {
        fn rest(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Map<String, Value> {
            let left = ours.iter().filter_map(|(key, value)| match (value, theirs.get(key)) {
                (value, None) => Some((key.clone(), value.clone())),
                (Value::Object(ours), Some(Value::Object(theirs)))
                    if !ours.contains_key(REPLACES) && !theirs.contains_key(REPLACES) =>
                {
                    let left = rest(ours, theirs);
                    (!left.is_empty()).then(|| (key.clone(), left.into()))
                }
                _ => None,
            });
            left.collect()
        }
        Self(rest(&self.0, &others.0))
    }

    pub(crate) fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Returns the approximate size in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        fn of(value: &Value) -> usize {
            64 + match value {
                Value::String(text) => text.len(),
                Value::Array(values) => values.iter().map(of).sum(),
                Value::Object(map) => map.iter().map(|(key, value)| key.len() + of(value)).sum(),
                _ => 0,
            }
        }
        self.0.iter().map(|(key, value)| key.len() + of(value)).sum()
    }

    pub(super) fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl From<Map<String, Value>> for Overrides {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

impl From<Overrides> for Map<String, Value> {
    fn from(overrides: Overrides) -> Self {
        overrides.0
    }
}

/// The parser could not read deeper values again.
pub(super) fn too_deep() -> Error {
    Error::new(ErrorKind::TooLarge, format!("preferences have at most {MAX_DEPTH} levels of nesting"))
}

/// Redacted: preferences are personal data.
impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides").field("categories", &self.0.len()).finish()
    }
}
