//! From a merge patch to the changes of overrides that have its effect.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Loss, Schema, at, is_whole, target::without_nulls, with};
use crate::{
    error::{Error, ErrorKind, Result},
    model::preferences::{
        Overrides,
        patch::{Change, Changes, whole},
    },
};

/// What takes effect before and after a patch.
struct Effect<'a> {
    before: &'a Map<String, Value>,
    after: &'a Map<String, Value>,
    /// As the struct writes it.
    written: &'a Map<String, Value>,
}

impl<T: Serialize + DeserializeOwned + Default> Schema<T> {
    /// The changes of `overrides`, which are right, that have the effect of `patch`.
    pub(super) fn changes_for(&self, overrides: &Overrides, patch: &Map<String, Value>) -> Result<Changes> {
        check_form(patch, &mut Vec::new())?;
        let before = self.whole(overrides);
        let after = self.target(&before, &mut Vec::new(), patch);
        let Some(written) = Self::written(after.clone()) else {
            self.name_the_wrong_one(&self.defaults, patch, &mut Vec::new())?;
            return Err(not_together());
        };
        if !self.allow_unknown {
            all_known(&written, patch, &mut Vec::new())?;
        }
        let effect = Effect { before: &before, after: &after, written: &written };
        let has_it = |changes: &Changes| {
            Self::written(self.whole(&overrides.changed(changes))).is_some_and(|now| now == written)
        };
        let fine = self.below(&effect, Some(overrides.as_map()), false, patch, &mut Vec::new());
        // Key by key where that can be said, so that a parallel change of another key is not lost; else the categories.
        if let Some(changes) = fine.filter(has_it) {
            return Ok(changes);
        }
        let categories = patch.keys().map(|key| {
            let (path, value) = ([key.clone()], after.get(key));
            let change = if value == self.defaults.get(key) && !self.kept.contains(&path.to_vec()) {
                Change::Reset
            } else {
                Change::Put(value.map_or(Value::Null, |value| whole(value.clone())))
            };
            (key.clone(), change)
        });
        let changes: Changes = categories.collect();
        if has_it(&changes) { Ok(changes) } else { Err(not_together()) }
    }

    /// The changes below `path`; `None` if only the object there as a whole can have the effect.
    /// `is_own`: nothing of a default shows through here.
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

    /// The change at `path`, if there is any; `None` as for [`below`](Self::below).
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
            return match (default, self.losses.get(path)) {
                (None, _) => Some(Some(Change::Reset)),
                (Some(_), Some(Loss::Removed)) => Some(Some(Change::Put(Value::Null))),
                (Some(_), _) => None,
            };
        };
        let change = match (patch, after) {
            (Value::Object(patch), Value::Object(after)) => {
                let before = at(effect.before, path).and_then(Value::as_object);
                if patch.is_empty() && before.is_some() {
                    return Some(None);
                }
                let is_own_here = is_own || overridden.is_some_and(is_whole);
                let shows = default.is_some_and(Value::is_object) && !is_own_here;
                let loses = before.is_some_and(|before| {
                    before.keys().any(|key| !after.contains_key(key) && !patch.contains_key(key))
                });
                let is_hidden = shows && overridden.is_some_and(|value| !value.is_object());
                let is_emptied = after.is_empty() && !shows;
                let below = (!loses && !is_hidden && !is_emptied)
                    .then(|| self.below(effect, overridden.and_then(Value::as_object), is_own_here, patch, path));
                match below.flatten() {
                    Some(changes) => Change::Within(changes),
                    // Nobody knows it, so nothing says that it is empty.
                    None if is_emptied && at(effect.written, path).is_none() => Change::Reset,
                    None => self.put(effect, default, is_own, after.clone().into(), path),
                }
            }
            (Value::Null, Value::Null) if !is_own && default.is_some_and(|default| !default.is_null()) => {
                Change::Put(Value::Null)
            }
            (Value::Null, after) if default == Some(after) => Change::Reset,
            (_, after) => self.put(effect, default, is_own, after.clone(), path),
        };
        Some(Some(change))
    }

    /// Puts a value as the struct would write it.
    fn put(&self, effect: &Effect<'_>, default: Option<&Value>, is_own: bool, value: Value, path: &[String]) -> Change {
        let value = match at(effect.written, path) {
            Some(written) if !self.allow_unknown || !value.is_object() => written.clone(),
            _ => value,
        };
        if default == Some(&value) && !self.kept.iter().any(|kept| kept.as_slice() == path) {
            Change::Reset
        } else {
            Change::Put(if is_own { value } else { whole(value) })
        }
    }

    /// Whether each of `overrides` is right and known, and has its effect.
    pub(super) fn holds(&self, overrides: &Overrides) -> bool {
        let Some(written) = Self::written(self.whole(overrides)) else { return false };
        overrides.leaves().iter().all(|(path, value)| match (value, at(&written, path)) {
            (Value::Null, now) => self.losses.contains_key(path) && now.is_none_or(Value::is_null),
            (_, now) => now.is_some() || self.allow_unknown,
        })
    }

    /// The first value of a patch that is wrong even alone.
    fn name_the_wrong_one(
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
                    self.name_the_wrong_one(doc, inner, path)?;
                }
                Value::Object(_) if at(doc, path).is_some_and(Value::is_object) => {}
                value => {
                    // The parser's own words may repeat the value.
                    let alone = with(doc.clone(), path, Some(without_nulls(value)));
                    let written = Self::written(alone).ok_or_else(|| wrong(path, "the value is not right"))?;
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

/// Whether the struct has written everything that `patch` sets.
fn all_known(written: &Map<String, Value>, patch: &Map<String, Value>, path: &mut Vec<String>) -> Result<()> {
    for (key, value) in patch {
        path.push(key.clone());
        match (value, at(written, path)) {
            (Value::Null, _) => {}
            (Value::Object(inner), now) if !inner.is_empty() && now.is_none_or(Value::is_object) => {
                all_known(written, inner, path)?;
            }
            (Value::Object(_), Some(now)) if !now.is_object() => return Err(wrong(path, "the value is not right")),
            (_, None) => return Err(wrong(path, "there is no such preference")),
            _ => {}
        }
        path.pop();
    }
    Ok(())
}

/// Refuses keys that are none, and numbers that would be rounded.
fn check_form(patch: &Map<String, Value>, path: &mut Vec<String>) -> Result<()> {
    for (key, value) in patch {
        if key.is_empty() || key.len() > 128 || key.contains(char::is_control) {
            return Err(bad_key());
        }
        path.push(key.clone());
        match value {
            Value::Object(inner) => check_form(inner, path)?,
            value if has_rounded(value) => {
                return Err(wrong(path, "an integer has at most 64 bits: a longer one is sent as text"));
            }
            _ => {}
        }
        path.pop();
    }
    Ok(())
}

/// Whether there is an integer of more than 64 bits, of which the JSON parser has made the nearest floating-point number.
fn has_rounded(value: &Value) -> bool {
    const BEYOND_U64: f64 = 18_446_744_073_709_551_616.0;
    const LOWEST_I64: f64 = -9_223_372_036_854_775_808.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            // The lowest of 64 bits itself comes as an integer.
            number.as_f64().is_some_and(|number| number <= LOWEST_I64 || number >= BEYOND_U64)
        }
        Value::Array(values) => values.iter().any(has_rounded),
        Value::Object(map) => map.values().any(has_rounded),
        _ => false,
    }
}

/// Adds `more` to `changes`; what is below the same key comes together.
pub(super) fn join(changes: &mut Changes, more: Changes) {
    for (key, change) in more {
        match (changes.get_mut(&key), change) {
            (Some(Change::Within(inner)), Change::Within(more)) => join(inner, more),
            (_, change) => drop(changes.insert(key, change)),
        }
    }
}

pub(super) fn wrong(path: &[String], problem: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{}: {problem}", path.join(".")))
}

pub(super) fn bad_key() -> Error {
    Error::new(ErrorKind::InvalidInput, "a key of preferences has 1 to 128 bytes, none of them a control")
}

pub(super) fn not_together() -> Error {
    Error::new(ErrorKind::InvalidInput, "these preferences do not go together")
}
