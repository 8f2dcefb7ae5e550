//! [`Patch`]: a checked change of overrides.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A change of preferences that a [`Schema`](super::Schema) has checked, so that a store can apply it key by key to whatever
/// is stored by then: two tabs that change different keys lose nothing.
#[derive(Clone, PartialEq)]
pub struct Patch {
    pub(super) changes: Changes,
    pub(super) max_bytes: usize,
}

pub(super) type Changes = BTreeMap<String, Change>;

/// What happens to the override of one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// The override goes, and the default takes effect.
    Reset,
    /// The override becomes this: a value, null where the default is taken away, an object that stands for itself.
    Put(Value),
    /// Changes below this key.
    Within(Changes),
}

impl Change {
    /// This change at a path of keys.
    pub(super) fn at(self, path: &[String]) -> Changes {
        let Some((last, above)) = path.split_last() else { return Changes::new() };
        let innermost = Changes::from([(last.clone(), self)]);
        above.iter().rev().fold(innermost, |changes, key| Changes::from([(key.clone(), Self::Within(changes))]))
    }
}

/// Applies `changes` to overrides.
pub(super) fn apply(overrides: &mut Map<String, Value>, changes: &Changes) {
    for (key, change) in changes {
        match change {
            Change::Reset => {
                overrides.remove(key);
            }
            Change::Put(value) => {
                overrides.insert(key.clone(), value.clone());
            }
            Change::Within(changes) => {
                let before = overrides.remove(key);
                let mut inner = match &before {
                    Some(Value::Object(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                apply(&mut inner, changes);
                match before {
                    // Nothing below was set, so nothing is reset there.
                    Some(before) if inner.is_empty() && !before.is_object() => overrides.insert(key.clone(), before),
                    _ if inner.is_empty() => None,
                    _ => overrides.insert(key.clone(), inner.into()),
                };
            }
        }
    }
}

/// An override that stands for itself: nothing of a default shows through.
pub(super) fn whole(value: Value) -> Value {
    match value {
        Value::Object(mut map) => {
            map.insert(WHOLE.into(), Value::Bool(true));
            Value::Object(map)
        }
        value => value,
    }
}

/// Redacted, as [`Overrides`](super::Overrides).
impl std::fmt::Debug for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patch").field("categories", &self.changes.len()).finish()
    }
}

/// The key of an object that stands for itself. No preference has an empty name.
pub(super) const WHOLE: &str = "";
