//! What a merge patch (RFC 7396) makes of the value that takes effect.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Loss, Schema, at, with};

/// What null does to a key of the defaults that cannot be taken away by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    SetBack,
    Remove,
}

impl<T: Serialize + DeserializeOwned + Default> Schema<T> {
    /// The object at `path` of `doc` with `patch` in it.
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
        let set_back = self.merged(doc, before.clone(), path, patch, Nulls::SetBack);
        if path.is_empty() {
            return set_back;
        }
        let removed =
            patch.values().any(Value::is_null).then(|| self.merged(doc, before.clone(), path, patch, Nulls::Remove));
        let other_variant = Self::other_variant(doc, &before, path, patch);
        for is_strict in [true, false] {
            if !is_strict && !self.allow_unknown {
                break;
            }
            let candidates = [
                (Some(&set_back), Nulls::SetBack),
                (removed.as_ref(), Nulls::Remove),
                (other_variant.as_ref(), Nulls::SetBack),
            ];
            for (candidate, nulls) in candidates {
                let Some(candidate) = candidate else { continue };
                let whole = with(doc.clone(), path, Some(candidate.clone().into()));
                let written = Self::written(whole);
                if written.is_some_and(|written| took(&written, path, patch, nulls, !is_strict)) {
                    return candidate.clone();
                }
            }
        }
        set_back
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
                Value::Null => match (at(&self.defaults, path), self.losses.get(path)) {
                    (Some(_), Some(Loss::Null)) => drop(target.insert(key.clone(), Value::Null)),
                    (Some(default), None) if nulls == Nulls::SetBack => {
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

    /// The object of another variant, if what stands at `path` is an enum: an object with one key, the variant's.
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
        // A name that no variant has: of all types only an enum says that it knows no such variant.
        let probe = Map::from_iter([("\u{1}".to_owned(), Value::Null)]);
        let refused = serde_json::from_value::<T>(with(doc.clone(), path, Some(probe.into())).into()).err()?;
        let is_enum = refused.to_string().starts_with("unknown variant");
        is_enum.then(|| Map::from_iter([(variant.clone(), without_nulls(value))]))
    }

    /// What the struct writes after it has read `whole`.
    pub(super) fn written(whole: Map<String, Value>) -> Option<Map<String, Value>> {
        match serde_json::from_value::<T>(whole.into()).and_then(serde_json::to_value).ok()? {
            Value::Object(written) => Some(written),
            _ => None,
        }
    }
}

/// Whether what the struct wrote shows what `patch` set at `path`, and for [`Nulls::Remove`] no more what it removed.
fn took(
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
            Value::Null => nulls == Nulls::SetBack || now.is_none_or(Value::is_null),
            _ if now.is_none() => allow_unknown,
            Value::Object(inner) if inner.is_empty() => now.is_some_and(Value::is_object),
            Value::Object(inner) => took(written, &path, inner, Nulls::SetBack, allow_unknown),
            _ => true,
        }
    })
}

/// A value as a merge patch makes it out of nothing.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let left = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(left.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        value => value.clone(),
    }
}
