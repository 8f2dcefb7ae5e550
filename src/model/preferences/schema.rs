//! [`Schema`]: the keys, defaults and validation of preferences.

mod change;
mod removable;
mod target;

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use self::removable::{RemovableDefaults, Removal};
use super::{
    Overrides, Patch,
    overrides::too_deep,
    patch::{Change, Changes, REPLACES},
};
use crate::{
    error::{Error, ErrorKind, Result},
    json::{self, MAX_DEPTH},
};

/// The schema of an application's preferences: a struct with `Default` and serde, whose fields are
/// the categories.
///
/// A key that the struct does not read back is unknown, and a change of it is refused. With
/// [`allow_unknown_keys`](Self::allow_unknown_keys) it is kept instead, for programs that know it.
///
/// # Null in a patch
///
/// A change is a merge patch (RFC 7396) of the effective value. Null removes an optional value: an
/// entry of a map, the value of an option. The removal is stored even if the default has such an
/// entry. Null resets every other key, a field that must have a value, to its default. To reset any
/// key, use [`reset`](Self::reset).
///
/// A patch with one variant of an enum replaces another variant: `{"digest":{"Weekly":{"day":1}}}`
/// needs no `"Daily":null`. This holds for enums with serde's default representation. For tagged
/// and untagged enums, set the fields that the new variant does not have to null.
///
/// # Examples
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
/// JSON numbers are stored as 64-bit integers or as floating-point numbers. A larger integer is
/// refused instead of rounded: send it as text.
#[derive(Clone, Debug)]
pub struct Schema<T> {
    defaults: Map<String, Value>,
    /// The values of the defaults that null removes.
    removable: RemovableDefaults,
    allow_unknown: bool,
    max_bytes: usize,
    /// The paths where a value is stored even if it is the default.
    stored_defaults: Vec<Vec<String>>,
    kind: PhantomData<fn() -> T>,
}

/// Effective preferences: the defaults with overrides on top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effective<T> {
    /// The value.
    pub value: T,
    /// The keys (`category.key`) whose stored values are no longer valid, so their defaults take
    /// effect.
    pub ignored: Vec<String>,
}

impl<T: Serialize + DeserializeOwned + Default> Schema<T> {
    /// Creates the schema of `T`, with at most 16 KiB of overrides and no unknown keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the default of `T` does not serialise to a JSON object, or
    /// does not deserialise again.
    pub fn new() -> Result<Self> {
        let wrong = |problem: &str| Error::new(ErrorKind::Configuration, problem);
        let defaults = serde_json::to_value(T::default())
            .map_err(|error| wrong("the default preferences do not serialise to JSON").with_source(error))?;
        serde_json::from_value::<T>(defaults.clone()).map_err(|error| {
            wrong("the default preferences do not deserialise from their own JSON").with_source(error)
        })?;
        match defaults {
            Value::Object(defaults) => Ok(Self {
                removable: removable::of::<T>(&defaults),
                defaults,
                allow_unknown: false,
                max_bytes: 16 * 1024,
                stored_defaults: Vec::new(),
                kind: PhantomData,
            }),
            _ => Err(wrong("the type of preferences must be a struct with named fields")),
        }
    }

    /// Keeps keys that `T` does not know, for programs that do, for example during a rolling
    /// update. Default: such keys are refused.
    #[must_use]
    pub fn allow_unknown_keys(mut self) -> Self {
        self.allow_unknown = true;
        self
    }

    /// Limits the overrides of one user, in bytes of JSON. Default: 16,384.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Stores the value at this path even if it is the default. Needed where a negotiated value
    /// applies until the user chooses: choosing the default is a choice, too.
    pub(crate) fn store_default_at(&mut self, path: &str) {
        self.stored_defaults.push(path.split('.').map(str::to_owned).collect());
    }

    /// Returns the defaults as JSON.
    pub fn defaults(&self) -> &Map<String, Value> {
        &self.defaults
    }

    /// Returns `overrides` with a merge patch (RFC 7396) applied, all or nothing.
    ///
    /// A value that equals the default removes the override. See [`Schema`] for null.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], with the key, if a key is unknown or a value is invalid;
    /// [`ErrorKind::TooLarge`] if the result exceeds the limit.
    pub fn merge(&self, overrides: &Overrides, patch: &Value) -> Result<Overrides> {
        overrides.with(&self.patch_over(overrides, patch)?)
    }

    /// Validates `patch` against the defaults, for a store to apply.
    ///
    /// # Errors
    ///
    /// As for [`merge`](Self::merge), except for the size.
    pub fn patch(&self, patch: &Value) -> Result<Patch> {
        self.patch_over(&Overrides::default(), patch)
    }

    /// Validates `patch` together with the current overrides, as some values are valid only in
    /// combination.
    ///
    /// # Errors
    ///
    /// As for [`merge`](Self::merge), except for the size.
    pub fn patch_over(&self, overrides: &Overrides, patch: &Value) -> Result<Patch> {
        if !json::is_within(patch, MAX_DEPTH) {
            return Err(too_deep());
        }
        let Value::Object(patch) = patch else {
            return Err(Error::new(ErrorKind::InvalidInput, "preferences must be a JSON object"));
        };
        // The stored overrides may be older than the schema.
        Ok(self.patch_with(self.changes_of(&self.effective_overrides(overrides), patch)?))
    }

    /// Returns the patch that resets the key or category at `path` to its default.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if a key of the path is empty, or if the default is incompatible
    /// with other overrides.
    pub fn reset(&self, overrides: &Overrides, path: &str) -> Result<Patch> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(change::bad_key());
        }
        let changes = Change::Reset.at(&path);
        self.read(&self.effective_overrides(overrides).changed(&changes)).map_err(|_| change::incompatible())?;
        Ok(self.patch_with(changes))
    }

    /// Returns the patch that applies the overrides of `layer` to `overrides`.
    pub(crate) fn patch_from(&self, overrides: &Overrides, layer: &Overrides) -> Result<Patch> {
        let mut changes = Changes::new();
        let (marked, plain): (Vec<_>, Vec<_>) =
            layer.leaves().into_iter().partition(|(_, value)| value.is_null() || is_replacing(value));
        let valid = self.effective_overrides(overrides);
        let plain = plain
            .iter()
            .fold(Overrides::default(), |all, (path, value)| all.under(&Overrides::of(path, (*value).clone())));
        let plain: Map<String, Value> = plain.into();
        if !plain.is_empty() {
            changes = self.changes_of(&valid, &plain)?;
        }
        for (path, value) in marked {
            let alone = Overrides::of(&path, value.clone());
            if !self.is_effective(&alone) {
                return Err(change::wrong(&path, "the value is invalid"));
            }
            change::join(&mut changes, Change::Set(value.clone()).at(&path));
        }
        self.read(&valid.changed(&changes)).map_err(|_| change::incompatible())?;
        Ok(self.patch_with(changes))
    }

    fn patch_with(&self, changes: Changes) -> Patch {
        Patch { changes, max_bytes: self.max_bytes }
    }

    /// Returns those of `overrides` that take effect.
    fn effective_overrides(&self, overrides: &Overrides) -> Overrides {
        if self.read(overrides).is_ok() {
            return overrides.clone();
        }
        overrides.leaves().into_iter().fold(Overrides::default(), |valid, (path, leaf)| {
            let with = valid.under(&Overrides::of(&path, leaf.clone()));
            if self.read(&with).is_ok() { with } else { valid }
        })
    }

    /// Returns `overrides` without invalid values.
    pub(crate) fn valid_part(&self, overrides: &Overrides) -> Overrides {
        let each = overrides.leaves().into_iter().map(|(path, value)| Overrides::of(&path, value.clone()));
        each.filter(|leaf| self.is_effective(leaf)).fold(Overrides::default(), |valid, leaf| valid.under(&leaf))
    }

    /// Returns the effective preferences: the defaults with each of `layers` on top, in this order.
    ///
    /// A stored value that is no longer valid is ignored and reported in [`Effective::ignored`]. It
    /// is never an error.
    ///
    /// ```
    /// use serde_json::json;
    /// use tower_guestbook::preferences::{Overrides, Schema, StandardPreferences, Theme};
    ///
    /// let schema = Schema::<StandardPreferences>::new()?;
    /// let stored = Overrides::from_json(br#"{"theme":"dark","language":7}"#)?;
    /// let effective = schema.effective(&[&stored]);
    /// assert_eq!((effective.value.theme, effective.value.language.as_str()), (Theme::Dark, "en"));
    /// assert_eq!(effective.ignored, ["language"]);
    /// # Ok::<(), tower_guestbook::Error>(())
    /// ```
    pub fn effective(&self, layers: &[&Overrides]) -> Effective<T> {
        let whole = layers.iter().fold(Overrides::default(), |whole, layer| whole.under(layer));
        if let Ok(value) = self.read(&whole) {
            return Effective { value, ignored: Vec::new() };
        }
        // Each on top of the valid ones: of incompatible values the first ones count, and all
        // others stay.
        let (mut valid, mut value, mut ignored) = (Overrides::default(), T::default(), Vec::new());
        for (path, leaf) in whole.leaves() {
            let with = valid.under(&Overrides::of(&path, leaf.clone()));
            match self.read(&with) {
                Ok(read) => (valid, value) = (with, read),
                Err(_) => ignored.push(path.join(".")),
            }
        }
        Effective { value, ignored }
    }

    fn read(&self, overrides: &Overrides) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.with_defaults(overrides).into())
    }

    /// Returns the defaults with `overrides` on top.
    fn with_defaults(&self, overrides: &Overrides) -> Map<String, Value> {
        let mut whole = self.defaults.clone();
        self.overlay(&mut whole, overrides.as_map(), &mut Vec::new());
        whole
    }

    fn overlay(&self, target: &mut Map<String, Value>, overrides: &Map<String, Value>, path: &mut Vec<String>) {
        for (key, value) in overrides {
            path.push(key.clone());
            match value {
                Value::Null => match self.removable.get(path) {
                    Some(Removal::Key) => drop(target.remove(key)),
                    Some(Removal::Null) => drop(target.insert(key.clone(), Value::Null)),
                    // The default has no such value any more.
                    None => {}
                },
                Value::Object(inner) if inner.contains_key(REPLACES) => {
                    let mut inner = inner.clone();
                    inner.remove(REPLACES);
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

/// Returns whether an override replaces the object of the default.
fn is_replacing(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.contains_key(REPLACES))
}

fn at<'a, K: AsRef<str>>(map: &'a Map<String, Value>, path: &[K]) -> Option<&'a Value> {
    let (last, above) = path.split_last()?;
    let mut map = map;
    for key in above {
        map = map.get(key.as_ref())?.as_object()?;
    }
    map.get(last.as_ref())
}

/// Returns `map` with `value` at a path, creating missing objects; without the key if `value` is
/// `None`.
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
