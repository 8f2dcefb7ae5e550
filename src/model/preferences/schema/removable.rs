//! [`RemovableDefaults`]: the values of the defaults that null removes, found by trial.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{at, with};

/// How a value of the defaults is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// The key is left out: an entry of a map, an option.
    Key,
    /// The value is null: an option in a struct that fills missing fields with its own defaults.
    Null,
}

/// The removable values by path. Values at all other paths are required, and null resets them.
pub(super) type RemovableDefaults = BTreeMap<Vec<String>, Removal>;

/// Tries to remove each value of the defaults.
pub(super) fn of<T: Serialize + DeserializeOwned>(defaults: &Map<String, Value>) -> RemovableDefaults {
    let mut removable = RemovableDefaults::new();
    visit::<T>(defaults, defaults, &mut Vec::new(), &mut removable);
    removable
}

fn visit<T: Serialize + DeserializeOwned>(
    defaults: &Map<String, Value>,
    map: &Map<String, Value>,
    path: &mut Vec<String>,
    removable: &mut RemovableDefaults,
) {
    for (key, value) in map {
        path.push(key.clone());
        let is_removed = |without| {
            let read = serde_json::from_value::<T>(with(defaults.clone(), path, without).into());
            let Ok(Value::Object(written)) = read.and_then(serde_json::to_value) else { return false };
            match at(&written, path) {
                None => true,
                // An option that was null before is unchanged.
                Some(now) => now.is_null() && !value.is_null(),
            }
        };
        let removal =
            if is_removed(None) { Some(Removal::Key) } else { is_removed(Some(Value::Null)).then_some(Removal::Null) };
        if let Some(removal) = removal {
            removable.insert(path.clone(), removal);
        }
        if let Value::Object(inner) = value {
            visit::<T>(defaults, inner, path, removable);
        }
        path.pop();
    }
}
