//! [`Schema`]: what preferences there are, what they default to, which values are right.

mod change;
mod losses;
mod target;

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use self::losses::{Loss, Losses};
use super::{
    Overrides, Patch,
    overrides::too_deep,
    patch::WHOLE,
    patch::{Change, Changes},
};
use crate::{
    error::{Error, ErrorKind, Result},
    json::{self, MAX_DEPTH},
};

/// The preferences of an application: a struct whose fields are the categories, with `Default` and serde.
///
/// What the struct does not read back is an unknown key and is refused, unless [unknown keys](Self::allow_unknown_keys) are
/// allowed: then it is kept for others who know it.
///
/// # What null does
///
/// A change is a merge patch (RFC 7396) of the value that takes effect. Null removes what the struct can do without: an
/// entry of a map, the value of an option. That is remembered even if the default has such an entry. Every other key, a field
/// that must have a value, is set back to its default by null. To set any key back, use `reset`.
///
/// A patch with one variant of an enum replaces another variant: `{"digest":{"Weekly":{"day":1}}}` needs no
/// `"Daily":null`. That goes for enums as serde writes them by default; of a tagged or untagged enum, remove with null the
/// fields that the new variant does not have.
///
/// ```
/// use std::collections::BTreeMap;
/// use serde::{Deserialize, Serialize};
/// use serde_json::json;
/// use tower_guestbook::preferences::{Overrides, Schema};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// enum Digest { Never, Daily { hour: u8 }, Weekly { day: u8 } }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Mail { digest: Digest, boards: BTreeMap<String, bool>, limit: Option<u32> }
///
/// impl Default for Mail {
///     fn default() -> Self {
///         let boards = ["news", "sport"].map(|board| (board.to_owned(), true));
///         Self { digest: Digest::Daily { hour: 8 }, boards: boards.into(), limit: Some(10) }
///     }
/// }
///
/// let schema = Schema::<Mail>::new()?;
/// let patch = json!({ "digest": { "Weekly": { "day": 1 } }, "boards": { "news": null }, "limit": null });
/// let chosen = schema.merge(&Overrides::default(), &patch)?;
/// let value = schema.effective(&[&chosen]).value;
/// assert_eq!((value.digest, value.limit), (Digest::Weekly { day: 1 }, None));
/// assert_eq!(value.boards.keys().collect::<Vec<_>>(), ["sport"]);
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
///
/// # Numbers
///
/// JSON numbers are kept as integers of 64 bits or as floating-point numbers. An integer that has more bits is refused, and
/// not rounded: send it as text.
#[derive(Clone, Debug)]
pub struct Schema<T> {
    defaults: Map<String, Value>,
    /// What of the defaults can be taken away.
    losses: Losses,
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
            Value::Object(defaults) => Ok(Self {
                losses: losses::of::<T>(&defaults),
                defaults,
                allow_unknown: false,
                max_bytes: 16 * 1024,
                kept: Vec::new(),
                kind: PhantomData,
            }),
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

    /// `overrides` with `patch` in them (RFC 7396): see [`Schema`] for what null does; a value that is the default resets. All
    /// of it or nothing.
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
        if !json::is_within(patch, MAX_DEPTH) {
            return Err(too_deep());
        }
        let Value::Object(patch) = patch else {
            return Err(Error::new(ErrorKind::InvalidInput, "preferences are a JSON object"));
        };
        // What is stored may be from before a change of the schema.
        Ok(self.patch_with(self.changes_for(&self.effective_overrides(overrides), patch)?))
    }

    /// The patch that sets the key or the category at `path` back to its default.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if a key of the path is empty, or if the default does not go together with what is set.
    pub fn reset(&self, overrides: &Overrides, path: &str) -> Result<Patch> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(change::bad_key());
        }
        let changes = Change::Reset.at(&path);
        self.read(&self.effective_overrides(overrides).changed(&changes)).map_err(|_| change::not_together())?;
        Ok(self.patch_with(changes))
    }

    /// The patch that sets what is set in `layer`, over `overrides`.
    pub(crate) fn patch_of(&self, overrides: &Overrides, layer: &Overrides) -> Result<Patch> {
        let mut changes = Changes::new();
        let (marked, plain): (Vec<_>, Vec<_>) =
            layer.leaves().into_iter().partition(|(_, value)| value.is_null() || is_whole(value));
        let right = self.effective_overrides(overrides);
        let plain = plain
            .iter()
            .fold(Overrides::default(), |all, (path, value)| all.under(&Overrides::of(path, (*value).clone())));
        let plain: Map<String, Value> = plain.into();
        if !plain.is_empty() {
            changes = self.changes_for(&right, &plain)?;
        }
        for (path, value) in marked {
            let alone = Overrides::of(&path, value.clone());
            if !self.holds(&alone) {
                return Err(change::wrong(&path, "the value is not right"));
            }
            change::join(&mut changes, Change::Put(value.clone()).at(&path));
        }
        self.read(&right.changed(&changes)).map_err(|_| change::not_together())?;
        Ok(self.patch_with(changes))
    }

    fn patch_with(&self, changes: Changes) -> Patch {
        Patch { changes, max_bytes: self.max_bytes }
    }

    /// Those of `overrides` that take effect.
    fn effective_overrides(&self, overrides: &Overrides) -> Overrides {
        if self.read(overrides).is_ok() {
            return overrides.clone();
        }
        overrides.leaves().into_iter().fold(Overrides::default(), |right, (path, leaf)| {
            let with = right.under(&Overrides::of(&path, leaf.clone()));
            if self.read(&with).is_ok() { with } else { right }
        })
    }

    /// `overrides` without those of its values that are not right, or not any more.
    pub(crate) fn right_of(&self, overrides: &Overrides) -> Overrides {
        let each = overrides.leaves().into_iter().map(|(path, value)| Overrides::of(&path, value.clone()));
        each.filter(|leaf| self.holds(leaf)).fold(Overrides::default(), |right, leaf| right.under(&leaf))
    }

    /// What takes effect: the defaults, and over them each of `layers`, the last one last. A stored value that is not right
    /// any more does not count; it is never an error.
    pub fn effective(&self, layers: &[&Overrides]) -> Effective<T> {
        let whole = layers.iter().fold(Overrides::default(), |whole, layer| whole.under(layer));
        if let Ok(value) = self.read(&whole) {
            return Effective { value, ignored: Vec::new() };
        }
        // Each on top of those that are right: of values that do not fit together the first ones count, and all others stay.
        let (mut right, mut value, mut ignored) = (Overrides::default(), T::default(), Vec::new());
        for (path, leaf) in whole.leaves() {
            let with = right.under(&Overrides::of(&path, leaf.clone()));
            match self.read(&with) {
                Ok(read) => (right, value) = (with, read),
                Err(_) => ignored.push(path.join(".")),
            }
        }
        Effective { value, ignored }
    }

    fn read(&self, overrides: &Overrides) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.whole(overrides).into())
    }

    /// The defaults with `overrides` over them.
    fn whole(&self, overrides: &Overrides) -> Map<String, Value> {
        let mut whole = self.defaults.clone();
        self.overlay(&mut whole, overrides.as_map(), &mut Vec::new());
        whole
    }

    fn overlay(&self, target: &mut Map<String, Value>, overrides: &Map<String, Value>, path: &mut Vec<String>) {
        for (key, value) in overrides {
            path.push(key.clone());
            match value {
                Value::Null => match self.losses.get(path) {
                    Some(Loss::Removed) => drop(target.remove(key)),
                    Some(Loss::Null) => drop(target.insert(key.clone(), Value::Null)),
                    // There is nothing to take away any more.
                    None => {}
                },
                Value::Object(inner) if inner.contains_key(WHOLE) => {
                    let mut inner = inner.clone();
                    inner.remove(WHOLE);
                    target.insert(key.clone(), inner.into());
                }
                Value::Object(inner) => {
                    if let Some(Value::Object(target)) = target.get_mut(key) {
                        self.overlay(target, inner, path);
                    } else {
                        let mut own = Map::new();
                        self.overlay(&mut own, inner, path);
                        target.insert(key.clone(), own.into());
                    }
                }
                value => drop(target.insert(key.clone(), value.clone())),
            }
            path.pop();
        }
    }
}

/// Whether an override stands for itself.
fn is_whole(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.contains_key(WHOLE))
}

fn at<'a, K: AsRef<str>>(map: &'a Map<String, Value>, path: &[K]) -> Option<&'a Value> {
    let (last, above) = path.split_last()?;
    let mut map = map;
    for key in above {
        map = map.get(key.as_ref())?.as_object()?;
    }
    map.get(last.as_ref())
}

/// `map` with `value` at a path whose objects are made where there are none; without, if there is no value.
fn with(mut map: Map<String, Value>, path: &[String], value: Option<Value>) -> Map<String, Value> {
    let Some((last, above)) = path.split_last() else { return map };
    let mut inner = &mut map;
    for key in above {
        let next = inner.entry(key.as_str()).or_insert(Value::Null);
        if !next.is_object() {
            *next = Map::new().into();
        }
        let Value::Object(next) = next else { return map };
        inner = next;
    }
    match value {
        Some(value) => inner.insert(last.clone(), value),
        None => inner.remove(last),
    };
    map
}

#[cfg(test)]
mod tests;
