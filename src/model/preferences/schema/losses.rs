//! What of the defaults can be taken away, found by trying.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{at, with};

/// How a value of the defaults is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Its key is left out: an entry of a map, an option.
    Removed,
    /// It is null: an option of a struct that fills what is missing with its own default.
    Null,
}

/// By path. What is missing here always has a value: null sets it back.
pub(super) type Losses = BTreeMap<Vec<String>, Loss>;

/// Tries each value of the defaults.
pub(super) fn of<T: Serialize + DeserializeOwned>(defaults: &Map<String, Value>) -> Losses {
    let mut losses = Losses::new();
    visit::<T>(defaults, defaults, &mut Vec::new(), &mut losses);
    losses
}

fn visit<T: Serialize + DeserializeOwned>(
    defaults: &Map<String, Value>,
    map: &Map<String, Value>,
    path: &mut Vec<String>,
    losses: &mut Losses,
) {
    for (key, value) in map {
        path.push(key.clone());
        let is_gone = |without| {
            let read = serde_json::from_value::<T>(with(defaults.clone(), path, without).into());
            let Ok(Value::Object(written)) = read.and_then(serde_json::to_value) else { return false };
            match at(&written, path) {
                None => true,
                // An option that was null is as it was.
                Some(now) => now.is_null() && !value.is_null(),
            }
        };
        let loss = if is_gone(None) { Some(Loss::Removed) } else { is_gone(Some(Value::Null)).then_some(Loss::Null) };
        if let Some(loss) = loss {
            losses.insert(path.clone(), loss);
        }
        if let Value::Object(inner) = value {
            visit::<T>(defaults, inner, path, losses);
        }
        path.pop();
    }
}
