//! [`Overrides`]: the values that differ from the defaults.

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

/// A change of preferences that a [`Schema`](super::Schema) has checked, so that a store can apply it key by key to whatever
/// is stored by then: two tabs that change different keys lose nothing.
#[derive(Clone, PartialEq)]
pub struct Patch {
    pub(super) changes: Map<String, Value>,
    pub(super) max_bytes: usize,
}

/// Preferences that somebody has set: a JSON object of categories and keys, without those that are at their default.
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
    /// [`ErrorKind::TooLarge`] if they exceed the schema's limit then.
    pub fn with(&self, patch: &Patch) -> Result<Self> {
        let merged = self.merged(&patch.changes);
        if merged.to_json().len() > patch.max_bytes {
            return Err(Error::new(ErrorKind::TooLarge, format!("preferences have at most {} bytes", patch.max_bytes)));
        }
        Ok(merged)
    }

    /// These overrides with `patch` in them, as RFC 7396 says: null removes, objects are merged, everything else replaces.
    /// Objects that become empty are removed.
    pub(super) fn merged(&self, patch: &Map<String, Value>) -> Self {
        let mut map = self.0.clone();
        merge(&mut map, patch);
        Self(map)
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
                (Value::Object(ours), Some(Value::Object(theirs))) => {
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

fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let mut inner = match target.remove(key) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                merge(&mut inner, patch);
                if !inner.is_empty() {
                    target.insert(key.clone(), inner.into());
                }
            }
            value => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Redacted, as [`Overrides`].
impl std::fmt::Debug for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patch").field("categories", &self.changes.len()).finish()
    }
}

/// Redacted: what somebody likes is personal.
impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides").field("categories", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(target: Value, patch: Value) -> Value {
        let (Value::Object(target), Value::Object(patch)) = (target, patch) else { panic!("objects") };
        Value::Object(Overrides(target).merged(&patch).0)
    }

    /// The examples of RFC 7396, Appendix A, that are about objects; an object that becomes empty is left out here.
    #[test]
    fn patches_merge_as_the_rfc_says() {
        for (target, patch, result) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "c" }), json!({ "a": ["b"] }), json!({ "a": ["b"] })),
            (json!({ "a": { "b": "c" } }), json!({ "a": { "b": "d", "c": null } }), json!({ "a": { "b": "d" } })),
            (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
            (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({})),
            (json!({ "a": "text" }), json!({ "a": { "b": 1 } }), json!({ "a": { "b": 1 } })),
        ] {
            assert_eq!(merged(target.clone(), patch.clone()), result, "{target} with {patch}");
        }
    }
}
