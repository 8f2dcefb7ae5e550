//! The effective value after a merge patch (RFC 7396).

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Removal, Schema, at, with};

/// The meaning of null for a required key of the defaults.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Reset,
    Remove,
}

impl<T: Serialize + DeserializeOwned + Default> Schema<T> {
    /// Returns the object at `path` of `doc` with `patch` applied.
    pub(super) fn target(
        &self,
        doc: &Map<String, Value>,
        path: &mut Vec<String>,
        patch: &Map<String, Value>,
    ) -> Map<String, Value> {
        let before = match path.is_empty() {
            true => doc.clone(),
            false => at(doc, path).and_then(Value::as_object).cloned().unwrap_or_default(),
        };
        let reset = self.merged(doc, before.clone(), path, patch, Nulls::Reset);
        if path.is_empty() {
            return reset;
        }
        let removed =
            patch.values().any(Value::is_null).then(|| self.merged(doc, before.clone(), path, patch, Nulls::Remove));
        let other_variant = Self::other_variant(doc, &before, path, patch);
        for is_strict in [true, false] {
            if !is_strict && !self.allow_unknown {
                break;
            }
            let candidates = [
                (Some(&reset), Nulls::Reset),
                (removed.as_ref(), Nulls::Remove),
                (other_variant.as_ref(), Nulls::Reset),
            ];
            for (candidate, nulls) in candidates {
                let Some(candidate) = candidate else { continue };
                let whole = with(doc.clone(), path, Some(candidate.clone().into()));
                let written = Self::written(whole);
                if written.is_some_and(|written| has_effect(&written, path, patch, nulls, !is_strict)) {
                    return candidate.clone();
                }
            }
        }
        reset
    }

    fn merged(
        &self,
        doc: &Map<String, Value>,
        mut target: Map<String, Value>,
        path: &mut Vec<String>,
        patch: &Map<String, Value>,
        nulls: Nulls,
    ) -> Map<String, Value> {
        for (key, value) in patch {
            path.push(key.clone());
            match value {
                Value::Null => match (at(&self.defaults, path), self.removable.get(path)) {
                    (Some(_), Some(Removal::Null)) => drop(target.insert(key.clone(), Value::Null)),
                    (Some(default), None) if nulls == Nulls::Reset => {
                        target.insert(key.clone(), default.clone());
                    }
                    _ => drop(target.remove(key)),
                },
                Value::Object(inner) => {
                    let inner = self.target(doc, path, inner);
                    target.insert(key.clone(), inner.into());
                }
                value => drop(target.insert(key.clone(), value.clone())),
            }
            path.pop();
        }
        target
    }

    /// Returns the object of another variant if the value at `path` is an enum: an object with the
    /// variant as its only key.
    fn other_variant(
        doc: &Map<String, Value>,
        before: &Map<String, Value>,
        path: &[String],
        patch: &Map<String, Value>,
    ) -> Option<Map<String, Value>> {
        let mut set = patch.iter().filter(|(_, value)| !value.is_null());
        let ((variant, value), None) = (set.next()?, set.next()) else { return None };
        if before.len() != 1 || before.contains_key(variant) {
            return None;
        }
        // A name that no variant has: only an enum reports an unknown variant.
        let probe = Map::from_iter([("\u{1}".to_owned(), Value::Null)]);
        let refused = serde_json::from_value::<T>(with(doc.clone(), path, Some(probe.into())).into()).err()?;
        let is_enum = refused.to_string().starts_with("unknown variant");
        is_enum.then(|| Map::from_iter([(variant.clone(), without_nulls(value))]))
    }

    /// Returns what the struct serialises to after it has deserialised `whole`.
    pub(super) fn written(whole: Map<String, Value>) -> Option<Map<String, Value>> {
        match serde_json::from_value::<T>(whole.into()).and_then(serde_json::to_value).ok()? {
            Value::Object(written) => Some(written),
            _ => None,
        }
    }
}

/// Returns whether the serialised struct shows what `patch` set at `path` and, for
/// [`Nulls::Remove`], not what it removed.
fn has_effect(
    written: &Map<String, Value>,
    path: &[String],
    patch: &Map<String, Value>,
    nulls: Nulls,
    allow_unknown: bool,
) -> bool {
    patch.iter().all(|(key, value)| {
        let path: Vec<String> = path.iter().chain([key]).cloned().collect();
        let now = at(written, &path);
        match value {
            Value::Null => nulls == Nulls::Reset || now.is_none_or(Value::is_null),
            _ if now.is_none() => allow_unknown,
            Value::Object(inner) if inner.is_empty() => now.is_some_and(Value::is_object),
            Value::Object(inner) => has_effect(written, &path, inner, Nulls::Reset, allow_unknown),
            _ => true,
        }
    })
}

/// Returns the result of a merge patch on a missing value.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let left = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(left.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        value => value.clone(),
    }
}
