//! [`Patch`]: a validated change of overrides.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A change of preferences that a [`Schema`](super::Schema) has validated.
///
/// A store applies it key by key to the overrides that are stored at that time, so parallel changes
/// of different keys are both kept.
#[derive(Clone, PartialEq)]
pub struct Patch {
    pub(super) changes: Changes,
    pub(super) max_bytes: usize,
}

pub(super) type Changes = BTreeMap<String, Change>;

/// The change of one override.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Removes the override, so the default takes effect.
    Reset,
    /// Sets the override: a value, null to remove the default, or a replacing object.
    Set(Value),
    /// Changes overrides below this key.
    Nested(Changes),
}

impl Change {
    /// Returns the changes that make this change at a path of keys.
    pub(super) fn at(self, path: &[String]) -> Changes {
        let Some((last, above)) = path.split_last() else { return Changes::new() };
        let innermost = Changes::from([(last.clone(), self)]);
        above.iter().rev().fold(innermost, |changes, key| Changes::from([(key.clone(), Self::Nested(changes))]))
    }
}

/// Applies `changes` to overrides.
pub(super) fn apply(overrides: &mut Map<String, Value>, changes: &Changes) {
    for (key, change) in changes {
        match change {
            Change::Reset => {
                overrides.remove(key);
            }
            Change::Set(value) => {
                overrides.insert(key.clone(), value.clone());
            }
            Change::Nested(changes) => {
                let before = overrides.remove(key);
                let mut inner = match &before {
                    Some(Value::Object(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                apply(&mut inner, changes);
                match before {
                    // The override is no object, so there is nothing to reset below it.
                    Some(before) if inner.is_empty() && !before.is_object() => overrides.insert(key.clone(), before),
                    _ if inner.is_empty() => None,
                    _ => overrides.insert(key.clone(), inner.into()),
                };
            }
        }
    }
}

/// Marks an object as replacing the default instead of being merged into it.
pub(super) fn replacing(value: Value) -> Value {
    match value {
        Value::Object(mut map) => {
            map.insert(REPLACES.into(), Value::Bool(true));
            Value::Object(map)
        }
        value => value,
    }
}

/// Redacted: preferences are personal data.
impl std::fmt::Debug for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patch").field("categories", &self.changes.len()).finish()
    }
}

/// The key that marks an object as replacing the default. No preference has an empty name.
pub(super) const REPLACES: &str = "";
