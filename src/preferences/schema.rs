//! [`Schema`]: what preferences there are, what they default to, which values are right.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Overrides, Patch};
use crate::error::{Error, ErrorKind, Result};

/// The preferences of an application: a struct whose fields are the categories, with `Default` and serde.
///
/// What the struct does not read back is an unknown key and is refused, unless [unknown keys](Self::allow_unknown_keys) are
/// allowed: then it is kept for others who know it.
#[derive(Clone, Debug)]
pub struct Schema<T> {
    defaults: Map<String, Value>,
    allow_unknown: bool,
    max_bytes: usize,
    /// Where a value is kept even if it is the default.
    kept: Vec<Vec<String>>,
    kind: PhantomData<fn() -> T>,
}

/// Preferences as they take effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effective<T> {
    /// The value: defaults, with what is set in them.
    pub value: T,
    /// The keys whose stored values are no longer right, and are at their default instead: `category.key`.
    pub ignored: Vec<String>,
}

impl<T: Serialize + DeserializeOwned + Default> Schema<T> {
    /// The schema of `T`, with at most 16 KiB of overrides and no unknown keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the default of `T` is no JSON object, or cannot be read back.
    pub fn new() -> Result<Self> {
        let wrong = |problem: &str| Error::new(ErrorKind::Configuration, problem);
        let defaults = serde_json::to_value(T::default())
            .map_err(|error| wrong("the default preferences cannot be written as JSON").with_source(error))?;
        serde_json::from_value::<T>(defaults.clone())
            .map_err(|error| wrong("the default preferences cannot be read back").with_source(error))?;
        match defaults {
            Value::Object(defaults) => {
                Ok(Self { defaults, allow_unknown: false, max_bytes: 16 * 1024, kept: Vec::new(), kind: PhantomData })
            }
            _ => Err(wrong("preferences are a struct with named fields")),
        }
    }

    /// Keeps keys that `T` does not know, for others who do: an older program, say, beside a newer one.
    #[must_use]
    pub fn allow_unknown_keys(mut self) -> Self {
        self.allow_unknown = true;
        self
    }

    /// How many bytes the overrides of one user may take, as JSON. Default: 16,384.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Keeps the value at this path even if it is the default: where something else takes effect as long as nobody has chosen,
    /// who chooses the default has chosen.
    pub(crate) fn keep(&mut self, path: &str) {
        self.kept.push(path.split('.').map(str::to_owned).collect());
    }

    /// The defaults, as JSON.
    pub fn defaults(&self) -> &Map<String, Value> {
        &self.defaults
    }

    /// `overrides` with `patch` in them (RFC 7396): null resets a key or a category, a value that is the default resets as
    /// well. All of it or nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], naming the key, if it is unknown or its value is not right;
    /// [`ErrorKind::TooLarge`] if the overrides exceed the limit.
    pub fn merge(&self, overrides: &Overrides, patch: &Value) -> Result<Overrides> {
        overrides.with(&self.patch_over(overrides, patch)?)
    }

    /// `patch`, checked as if nothing were set, for a store to apply.
    ///
    /// # Errors
    ///
    /// As for [`merge`](Self::merge), the size aside.
    pub fn patch(&self, patch: &Value) -> Result<Patch> {
        self.patch_over(&Overrides::default(), patch)
    }

    /// `patch`, checked together with what is set already: values may be right, or wrong, only together.
    ///
    /// # Errors
    ///
    /// As for [`merge`](Self::merge), the size aside.
    pub fn patch_over(&self, overrides: &Overrides, patch: &Value) -> Result<Patch> {
        let Value::Object(patch) = patch else {
            return Err(Error::new(ErrorKind::InvalidInput, "preferences are a JSON object"));
        };
        // What is stored may be from before a change of the schema.
        let right = self.effective_overrides(overrides);
        let whole = right.merged(patch);
        let fits = self.read(whole.as_map()).is_ok();
        let nothing = Overrides::default();
        let mut changes = Map::new();
        self.check(if fits { &whole } else { &nothing }, patch, &mut Vec::new(), &mut changes)?;
        if !fits {
            return Err(Error::new(ErrorKind::InvalidInput, "these preferences do not go together"));
        }
        Ok(Patch { changes, max_bytes: self.max_bytes })
    }

    /// Those of `overrides` that take effect.
    fn effective_overrides(&self, overrides: &Overrides) -> Overrides {
        if self.read(overrides.as_map()).is_ok() {
            return overrides.clone();
        }
        let leaves = leaves(overrides.as_map()).map(|(path, value)| nested(&path, value.clone()));
        leaves.fold(Overrides::default(), |right, leaf| {
            let with = right.merged(&leaf);
            if self.read(with.as_map()).is_ok() { with } else { right }
        })
    }

    /// `overrides` without those of its values that are not right, or not any more.
    pub(crate) fn right_of(&self, overrides: &Overrides) -> Overrides {
        let each = leaves(overrides.as_map()).map(|(path, value)| nested(&path, value.clone()));
        let right = each.filter(|leaf| self.patch(&Value::Object(leaf.clone())).is_ok());
        right.fold(Overrides::default(), |right, leaf| right.merged(&leaf))
    }

    /// What takes effect: the defaults, and over them each of `layers`, the last one last. A stored value that is not right
    /// any more does not count; it is never an error.
    pub fn effective(&self, layers: &[&Overrides]) -> Effective<T> {
        let whole = layers.iter().fold(Overrides::default(), |whole, layer| whole.merged(layer.as_map()));
        if let Ok(value) = self.read(whole.as_map()) {
            return Effective { value, ignored: Vec::new() };
        }
        // Each on top of those that are right: of values that do not fit together the first ones count, and all others stay.
        let (mut right, mut value, mut ignored) = (Overrides::default(), T::default(), Vec::new());
        for (path, leaf) in leaves(whole.as_map()) {
            let with = right.merged(&nested(&path, leaf.clone()));
            match self.read(with.as_map()) {
                Ok(read) => (right, value) = (with, read),
                Err(_) => ignored.push(path.join(".")),
            }
        }
        Effective { value, ignored }
    }

    /// Checks each value of `patch` on top of `base`, so that the wrong one can be named, and writes it as `T` would.
    fn check(
        &self,
        base: &Overrides,
        patch: &Map<String, Value>,
        path: &mut Vec<String>,
        checked: &mut Map<String, Value>,
    ) -> Result<()> {
        for (key, value) in patch {
            path.push(key.clone());
            let default = at(&self.defaults, path);
            match value {
                Value::Null => {
                    checked.insert(key.clone(), Value::Null);
                }
                // A category, or an unknown one; a value that is itself an object of any keys has no object as default.
                Value::Object(inner) if default.is_none_or(Value::is_object) && !inner.is_empty() => {
                    let mut inner_checked = Map::new();
                    self.check(base, inner, path, &mut inner_checked)?;
                    checked.insert(key.clone(), inner_checked.into());
                }
                // A category of which nothing is to be changed (RFC 7396).
                Value::Object(_) if default.is_some_and(Value::is_object) => {}
                value => {
                    let value = self.check_leaf(base, path, value)?;
                    let is_at_default = default == Some(&value) && !self.kept.contains(path);
                    let value = if is_at_default { Value::Null } else { value };
                    checked.insert(key.clone(), value);
                }
            }
            path.pop();
        }
        Ok(())
    }

    fn check_leaf(&self, base: &Overrides, path: &[String], value: &Value) -> Result<Value> {
        let wrong = |problem: &str| Error::new(ErrorKind::InvalidInput, format!("{}: {problem}", path.join(".")));
        if path.iter().any(|key| key.is_empty() || key.len() > 128 || key.contains(char::is_control)) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a key of preferences has 1 to 128 bytes, none of them a control",
            ));
        }
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        // The parser's own words may repeat the value.
        let with = base.merged(&nested(&parts, value.clone()));
        let read = self.read(with.as_map()).map_err(|_| wrong("the value is not right"))?;
        let written = serde_json::to_value(read)
            .map_err(|error| Error::new(ErrorKind::Internal, "preferences can be written").with_source(error))?;
        match written.as_object().and_then(|written| at(written, path)) {
            // An object that is empty, or is when its nulls are gone, was left out, and the default is there.
            Some(written) if value.is_object() && !written.is_object() => Err(wrong("the value is not right")),
            Some(written) => Ok(written.clone()),
            None if self.allow_unknown => Ok(value.clone()),
            None => Err(wrong("there is no such preference")),
        }
    }

    fn read(&self, overrides: &Map<String, Value>) -> Result<T, serde_json::Error> {
        let whole = Overrides::default().merged(&self.defaults).merged(overrides);
        serde_json::from_value(Value::Object(with_empty(&self.defaults, whole.as_map())))
    }
}

/// `map` with the empty objects of `defaults` that a merge leaves out.
fn with_empty(defaults: &Map<String, Value>, map: &Map<String, Value>) -> Map<String, Value> {
    let mut map = map.clone();
    for (key, default) in defaults {
        match (default, map.get(key)) {
            (Value::Object(default), Some(Value::Object(inner))) => {
                let inner = with_empty(default, inner);
                map.insert(key.clone(), inner.into());
            }
            // An empty object, or a null that a merge takes for a removal.
            (default, None) => {
                map.insert(key.clone(), default.clone());
            }
            _ => {}
        }
    }
    map
}

fn at<'a>(map: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (last, above) = path.split_last()?;
    let mut map = map;
    for key in above {
        map = map.get(key)?.as_object()?;
    }
    map.get(last)
}

fn nested(path: &[&str], value: Value) -> Map<String, Value> {
    let mut value = value;
    for key in path.iter().rev() {
        value = Value::Object([((*key).to_owned(), value)].into_iter().collect());
    }
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// All values that are not objects, with their paths.
fn leaves(map: &Map<String, Value>) -> impl Iterator<Item = (Vec<&str>, &Value)> {
    fn collect<'a>(map: &'a Map<String, Value>, path: &[&'a str], found: &mut Vec<(Vec<&'a str>, &'a Value)>) {
        for (key, value) in map {
            let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            match value {
                Value::Object(inner) if !inner.is_empty() => collect(inner, &path, found),
                value => found.push((path, value)),
            }
        }
    }
    let mut found = Vec::new();
    collect(map, &[], &mut found);
    found.into_iter()
}

#[cfg(test)]
mod tests;
