//! From a merge patch to the changes of overrides with the same effect.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Removal, Schema, at, is_replacing, target::without_nulls, with};
use crate::{
    error::{Error, ErrorKind, Result},
    model::preferences::{
        Overrides,
        patch::{Change, Changes, replacing},
    },
};

/// The effective value before and after a patch.
struct Effect<'a> {
    before: &'a Map<String, Value>,
    after: &'a Map<String, Value>,
    /// The value after the patch, as the struct serialises it.
    written: &'a Map<String, Value>,
}

impl<T: Serialize + DeserializeOwned + Default> Schema<T> {
    /// Returns the changes of `overrides`, which are valid, that have the effect of `patch`.
    pub(super) fn changes_of(&self, overrides: &Overrides, patch: &Map<String, Value>) -> Result<Changes> {
        check_form(patch, &mut Vec::new())?;
        let before = self.with_defaults(overrides);
        let after = self.target(&before, &mut Vec::new(), patch);
        let Some(written) = Self::written(after.clone()) else {
            self.report_invalid_value(&self.defaults, patch, &mut Vec::new())?;
            return Err(incompatible());
        };
        if !self.allow_unknown {
            all_known(&written, patch, &mut Vec::new())?;
        }
        let effect = Effect { before: &before, after: &after, written: &written };
        let has_it = |changes: &Changes| {
            Self::written(self.with_defaults(&overrides.changed(changes))).is_some_and(|now| now == written)
        };
        let fine = self.below(&effect, Some(overrides.as_map()), false, patch, &mut Vec::new());
        // Key by key if possible, so that a parallel change of another key is kept; otherwise whole
        // categories.
        if let Some(changes) = fine.filter(has_it) {
            return Ok(changes);
        }
        let categories = patch.keys().map(|key| {
            let (path, value) = ([key.clone()], after.get(key));
            let change = if value == self.defaults.get(key) && !self.stored_defaults.contains(&path.to_vec()) {
                Change::Reset
            } else {
                Change::Set(value.map_or(Value::Null, |value| replacing(value.clone())))
            };
            (key.clone(), change)
        });
        let changes: Changes = categories.collect();
        if has_it(&changes) { Ok(changes) } else { Err(incompatible()) }
    }

    /// Returns the changes below `path`; `None` if only replacing the whole object has the effect.
    /// `is_own` says that the object is not merged with a default.
    fn below(
        &self,
        effect: &Effect<'_>,
        overrides: Option<&Map<String, Value>>,
        is_own: bool,
        patch: &Map<String, Value>,
        path: &mut Vec<String>,
    ) -> Option<Changes> {
        let mut changes = Changes::new();
        for (key, value) in patch {
            path.push(key.clone());
            let change = self.one(effect, overrides.and_then(|map| map.get(key)), is_own, value, path);
            path.pop();
            if let Some(change) = change? {
                changes.insert(key.clone(), change);
            }
        }
        Some(changes)
    }

    /// Returns the change at `path`, if there is one; `None` as for [`below`](Self::below).
    fn one(
        &self,
        effect: &Effect<'_>,
        overridden: Option<&Value>,
        is_own: bool,
        patch: &Value,
        path: &mut Vec<String>,
    ) -> Option<Option<Change>> {
        let default = at(&self.defaults, path).filter(|_| !is_own);
        let Some(after) = at(effect.after, path) else {
            return match (default, self.removable.get(path)) {
                (None, _) => Some(Some(Change::Reset)),
                (Some(_), Some(Removal::Key)) => Some(Some(Change::Set(Value::Null))),
                (Some(_), _) => None,
            };
        };
        let change = match (patch, after) {
            (Value::Object(patch), Value::Object(after)) => {
                let before = at(effect.before, path).and_then(Value::as_object);
                if patch.is_empty() && before.is_some() {
                    return Some(None);
                }
                let is_own_here = is_own || overridden.is_some_and(is_replacing);
                let shows = default.is_some_and(Value::is_object) && !is_own_here;
                let loses = before.is_some_and(|before| {
                    before.keys().any(|key| !after.contains_key(key) && !patch.contains_key(key))
                });
                let is_hidden = shows && overridden.is_some_and(|value| !value.is_object());
                let is_emptied = after.is_empty() && !shows;
                let below = (!loses && !is_hidden && !is_emptied)
                    .then(|| self.below(effect, overridden.and_then(Value::as_object), is_own_here, patch, path));
                match below.flatten() {
                    Some(changes) => Change::Nested(changes),
                    // An unknown key: nothing shows whether it is an empty object.
                    None if is_emptied && at(effect.written, path).is_none() => Change::Reset,
                    None => self.set(effect, default, is_own, after.clone().into(), path),
                }
            }
            (Value::Null, Value::Null) if !is_own && default.is_some_and(|default| !default.is_null()) => {
                Change::Set(Value::Null)
            }
            (Value::Null, after) if default == Some(after) => Change::Reset,
            (_, after) => self.set(effect, default, is_own, after.clone(), path),
        };
        Some(Some(change))
    }

    /// Returns the change that sets a value as the struct serialises it.
    fn set(&self, effect: &Effect<'_>, default: Option<&Value>, is_own: bool, value: Value, path: &[String]) -> Change {
        let value = match at(effect.written, path) {
            Some(written) if !self.allow_unknown || !value.is_object() => written.clone(),
            _ => value,
        };
        if default == Some(&value) && !self.stored_defaults.iter().any(|kept| kept.as_slice() == path) {
            Change::Reset
        } else {
            Change::Set(if is_own { value } else { replacing(value) })
        }
    }

    /// Returns whether each of `overrides` is known, valid and effective.
    pub(super) fn is_effective(&self, overrides: &Overrides) -> bool {
        let Some(written) = Self::written(self.with_defaults(overrides)) else { return false };
        overrides.leaves().iter().all(|(path, value)| match (value, at(&written, path)) {
            (Value::Null, now) => self.removable.contains_key(path) && now.is_none_or(Value::is_null),
            (_, now) => now.is_some() || self.allow_unknown,
        })
    }

    /// Reports the first value of a patch that is invalid on its own.
    fn report_invalid_value(
        &self,
        doc: &Map<String, Value>,
        patch: &Map<String, Value>,
        path: &mut Vec<String>,
    ) -> Result<()> {
        for (key, value) in patch {
            path.push(key.clone());
            match value {
                Value::Null => {}
                Value::Object(inner) if !inner.is_empty() && at(doc, path).is_none_or(Value::is_object) => {
                    self.report_invalid_value(doc, inner, path)?;
                }
                Value::Object(_) if at(doc, path).is_some_and(Value::is_object) => {}
                value => {
                    // The message of the parser could repeat the value.
                    let alone = with(doc.clone(), path, Some(without_nulls(value)));
                    let written = Self::written(alone).ok_or_else(|| wrong(path, "the value is invalid"))?;
                    if !self.allow_unknown && at(&written, path).is_none() {
                        return Err(wrong(path, "there is no such preference"));
                    }
                }
            }
            path.pop();
        }
        Ok(())
    }
}

/// Checks that the serialised struct contains everything that `patch` sets.
fn all_known(written: &Map<String, Value>, patch: &Map<String, Value>, path: &mut Vec<String>) -> Result<()> {
    for (key, value) in patch {
        path.push(key.clone());
        match (value, at(written, path)) {
            (Value::Null, _) => {}
            (Value::Object(inner), now) if !inner.is_empty() && now.is_none_or(Value::is_object) => {
                all_known(written, inner, path)?;
            }
            (Value::Object(_), Some(now)) if !now.is_object() => return Err(wrong(path, "the value is invalid")),
            (_, None) => return Err(wrong(path, "there is no such preference")),
            _ => {}
        }
        path.pop();
    }
    Ok(())
}

/// Refuses invalid keys, and numbers that would be rounded.
fn check_form(patch: &Map<String, Value>, path: &mut Vec<String>) -> Result<()> {
    for (key, value) in patch {
        if key.is_empty() || key.len() > 128 || key.contains(char::is_control) {
            return Err(bad_key());
        }
        path.push(key.clone());
        match value {
            Value::Object(inner) => check_form(inner, path)?,
            value if has_rounded(value) => {
                return Err(wrong(path, "an integer has at most 64 bits: send a larger one as text"));
            }
            _ => {}
        }
        path.pop();
    }
    Ok(())
}

/// Returns whether the JSON parser has rounded an integer of more than 64 bits to a floating-point
/// number.
fn has_rounded(value: &Value) -> bool {
    const BEYOND_U64: f64 = 18_446_744_073_709_551_616.0;
    const LOWEST_I64: f64 = -9_223_372_036_854_775_808.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            // The lowest 64-bit integer itself is parsed as an integer.
            number.as_f64().is_some_and(|number| number <= LOWEST_I64 || number >= BEYOND_U64)
        }
        Value::Array(values) => values.iter().any(has_rounded),
        Value::Object(map) => map.values().any(has_rounded),
        _ => false,
    }
}

/// Adds `more` to `changes`, merging changes below the same key.
pub(super) fn join(changes: &mut Changes, more: Changes) {
    for (key, change) in more {
        match (changes.get_mut(&key), change) {
            (Some(Change::Nested(inner)), Change::Nested(more)) => join(inner, more),
            (_, change) => drop(changes.insert(key, change)),
        }
    }
}

pub(super) fn wrong(path: &[String], problem: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{}: {problem}", path.join(".")))
}

pub(super) fn bad_key() -> Error {
    Error::new(ErrorKind::InvalidInput, "a key of preferences has 1 to 128 bytes and no control characters")
}

pub(super) fn incompatible() -> Error {
    Error::new(ErrorKind::InvalidInput, "these preferences are incompatible with each other")
}
