//! [`Overrides`]: the values that differ from the defaults.

use serde_json::{Map, Value};

use super::patch::{Changes, Patch, WHOLE, apply};
use crate::{
    error::{Error, ErrorKind, Result},
    json::{self, MAX_DEPTH},
};

/// Preferences that somebody has set: a JSON object of categories and keys, without those that are at their default.
///
/// Two things are not plain values. A null says that what the default has under this key is taken away: an entry of a map,
/// the value of an option. An object with an empty key stands for itself, and nothing of the default shows through: another
/// variant of an enum, say.
#[derive(Clone, Default, PartialEq)]
pub struct Overrides(Map<String, Value>);

impl Overrides {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the bytes are not a JSON object.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map(Self).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "stored preferences are not a JSON object").with_source(error)
        })
    }

    /// One JSON object, its keys in byte order.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Whether everything is at its default.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at a path of keys, if it is set.
    pub fn get<K: AsRef<str>>(&self, path: &[K]) -> Option<&Value> {
        let (last, above) = path.split_last()?;
        let mut map = &self.0;
        for key in above {
            map = map.get(key.as_ref())?.as_object()?;
        }
        map.get(last.as_ref())
    }

    /// These overrides with `patch` in them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if they exceed the schema's limit then, or have more than 100 levels of nesting.
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

    /// These overrides with those of `layer` over them.
    pub(super) fn under(&self, layer: &Self) -> Self {
        fn over(target: &mut Map<String, Value>, layer: &Map<String, Value>) {
            for (key, value) in layer {
                match (target.get_mut(key), value) {
                    (Some(Value::Object(target)), Value::Object(layer)) if !layer.contains_key(WHOLE) => {
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

    /// Each override that is a value, a null or an object that stands for itself, with its path.
    pub(super) fn leaves(&self) -> Vec<(Vec<String>, &Value)> {
        fn collect<'a>(map: &'a Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Value)>) {
            for (key, value) in map {
                path.push(key.clone());
                match value {
                    Value::Object(inner) if !inner.is_empty() && !inner.contains_key(WHOLE) => {
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

    /// One value at a path of keys.
    pub(crate) fn of(path: &[String], value: Value) -> Self {
        let nested =
            path.iter().rev().fold(value, |value, key| Value::Object([(key.clone(), value)].into_iter().collect()));
        match nested {
            Value::Object(map) => Self(map),
            _ => Self::default(),
        }
    }

    /// These overrides but for the keys that `others` have.
    pub(crate) fn without_those_of(&self, others: &Self) -> Self {
        fn rest(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Map<String, Value> {
            let left = ours.iter().filter_map(|(key, value)| match (value, theirs.get(key)) {
                (value, None) => Some((key.clone(), value.clone())),
                (Value::Object(ours), Some(Value::Object(theirs)))
                    if !ours.contains_key(WHOLE) && !theirs.contains_key(WHOLE) =>
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

    /// How many bytes they take in memory, about.
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

/// More levels could be stored and not be read again.
pub(super) fn too_deep() -> Error {
    Error::new(ErrorKind::TooLarge, format!("preferences have at most {MAX_DEPTH} levels of nesting"))
}

/// Redacted: what somebody likes is personal.
impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides").field("categories", &self.0.len()).finish()
    }
}
