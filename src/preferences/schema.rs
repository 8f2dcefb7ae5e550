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
        overrides.with(&self.patch(patch)?)
    }

    /// `patch`, checked, for a store to apply.
    ///
    /// # Errors
    ///
    /// As for [`merge`](Self::merge), the size aside.
    pub fn patch(&self, patch: &Value) -> Result<Patch> {
        let Value::Object(patch) = patch else {
            return Err(Error::new(ErrorKind::InvalidInput, "preferences are a JSON object"));
        };
        let mut changes = Map::new();
        self.check(patch, &mut Vec::new(), &mut changes)?;
        Ok(Patch { changes, max_bytes: self.max_bytes })
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

    /// Checks each value of `patch` by itself, so that the wrong one can be named, and writes it as `T` would.
    fn check(
        &self,
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
                    self.check(inner, path, &mut inner_checked)?;
                    checked.insert(key.clone(), inner_checked.into());
                }
                // A category of which nothing is to be changed (RFC 7396).
                Value::Object(_) if default.is_some_and(Value::is_object) => {}
                value => {
                    let value = self.check_leaf(path, value)?;
                    let is_at_default = default == Some(&value) && !self.kept.contains(path);
                    let value = if is_at_default { Value::Null } else { value };
                    checked.insert(key.clone(), value);
                }
            }
            path.pop();
        }
        Ok(())
    }

    fn check_leaf(&self, path: &[String], value: &Value) -> Result<Value> {
        let wrong = |problem: &str| Error::new(ErrorKind::InvalidInput, format!("{}: {problem}", path.join(".")));
        if path.iter().any(|key| key.is_empty() || key.len() > 128 || key.contains(char::is_control)) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a key of preferences has 1 to 128 bytes, none of them a control",
            ));
        }
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        // The parser's own words may repeat the value.
        let read = self.read(&nested(&parts, value.clone())).map_err(|_| wrong("the value is not right"))?;
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::preferences::{StandardPreferences, Theme};

    fn schema() -> Schema<StandardPreferences> {
        Schema::new().unwrap()
    }

    #[test]
    fn only_what_differs_from_the_defaults_is_kept() {
        let schema = schema();
        let whole = serde_json::to_value(StandardPreferences::default()).unwrap();
        assert!(schema.merge(&Overrides::default(), &whole).unwrap().is_empty());
        let dark = schema.merge(&Overrides::default(), &json!({ "theme": "dark" })).unwrap();
        assert!(schema.merge(&dark, &json!({ "theme": "light" })).unwrap().is_empty());
        let both = schema.merge(&dark, &json!({ "privacy": { "profile_public": true } })).unwrap();
        assert_eq!(schema.merge(&both, &json!({ "privacy": null })).unwrap(), dark);
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_of_the_patch_is_kept() {
        let schema = schema();
        for (patch, key) in [
            (json!({ "theme": "needle" }), "theme"),
            (json!({ "theme": "dark", "language": 7 }), "language"),
            (json!({ "language": "not a tag" }), "language"),
            (json!({ "notifications": true }), "notifications"),
            (json!({ "notifications": { "email": "needle" } }), "notifications.email"),
            (json!({ "notifications": { "needle_key": true } }), "notifications.needle_key"),
            (json!({ "colour": "red" }), "colour"),
            (json!({ "colour": { "of": "needle" } }), "colour.of"),
            (json!([]), "JSON object"),
        ] {
            let error = schema.merge(&Overrides::default(), &patch).unwrap_err();
            let text = error.to_string();
            assert!(error.kind() == ErrorKind::InvalidInput && text.contains(key), "{text}");
            assert!(!text.replace("needle_key", "").contains("needle"), "no value: {text}");
        }
        let large = json!({ "colour": "x".repeat(20_000) });
        let error = schema.allow_unknown_keys().merge(&Overrides::default(), &large).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn unknown_keys_are_kept_where_they_are_allowed_and_change_nothing() {
        let schema = schema().allow_unknown_keys();
        let kept = schema.merge(&Overrides::default(), &json!({ "new": { "key": [1] }, "theme": "dark" })).unwrap();
        assert_eq!(kept.get(&["new", "key"]), Some(&json!([1])));
        let effective = schema.effective(&[&kept]);
        assert_eq!((effective.value.theme, effective.ignored.len()), (Theme::Dark, 0));
    }

    #[test]
    fn stored_values_that_are_not_right_any_more_fall_back_to_their_default() {
        let stored = br#"{"theme":"sepia","language":"eo","notifications":{"email":"maybe","sms":true}}"#;
        let effective = schema().effective(&[&Overrides::from_json(stored).unwrap()]);
        assert_eq!(effective.ignored, ["notifications.email", "theme"]);
        assert_eq!((effective.value.theme, effective.value.language.as_str()), (Theme::Light, "eo"));
        assert!(effective.value.notifications.email && effective.value.notifications.sms);
    }

    #[test]
    fn the_last_layer_wins_key_by_key() {
        let schema = schema();
        let layer = |patch| schema.merge(&Overrides::default(), &patch).unwrap();
        let negotiated = layer(json!({ "language": "fr", "theme": "dark" }));
        let user = layer(json!({ "language": "eo" }));
        let value = schema.effective(&[&negotiated, &user]).value;
        assert_eq!((value.language.as_str(), value.theme), ("eo", Theme::Dark));
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Odd {
        maybe: Option<u32>,
        free: BTreeMap<String, u32>,
        list: Vec<u32>,
    }

    #[test]
    fn nulls_and_empty_objects_are_good_defaults() {
        let schema = Schema::<Odd>::new().unwrap();
        assert_eq!(schema.effective(&[]).value, Odd::default());
        let set =
            schema.merge(&Overrides::default(), &json!({ "maybe": 7, "free": { "a": 1 }, "list": [1, 2] })).unwrap();
        let value = schema.effective(&[&set]).value;
        assert_eq!((value.maybe, value.free.get("a"), value.list.as_slice()), (Some(7), Some(&1), [1, 2].as_slice()));
        assert!(schema.merge(&set, &json!({ "maybe": null, "free": { "a": null }, "list": [] })).unwrap().is_empty());
        assert!(Schema::<u32>::new().is_err() && Schema::<Vec<u32>>::new().is_err());
    }

    fn patch() -> impl Strategy<Value = Value> {
        let theme = prop_oneof![Just(json!(null)), Just(json!("dark")), Just(json!("light")), Just(json!("system"))];
        let flag = || prop_oneof![Just(json!(null)), Just(json!(true)), Just(json!(false))];
        let part = prop_oneof![
            theme.prop_map(|theme| json!({ "theme": theme })),
            flag().prop_map(|flag| json!({ "notifications": { "email": flag } })),
            flag().prop_map(|flag| json!({ "notifications": { "sms": flag } })),
            Just(json!({ "notifications": null })),
        ];
        part
    }

    proptest! {
        #[test]
        fn patches_of_different_keys_lose_nothing_in_any_order(patches in prop::collection::vec(patch(), 0..12)) {
            let schema = schema();
            let mut chosen = Overrides::default();
            let mut expected = StandardPreferences::default();
            for patch in &patches {
                chosen = schema.merge(&chosen, patch).unwrap();
                // Written straight from the words: null is the default, everything else the value.
                if let Some(theme) = patch.get("theme") {
                    expected.theme = serde_json::from_value(theme.clone()).unwrap_or_default();
                }
                match patch.get("notifications") {
                    Some(Value::Null) => expected.notifications = Default::default(),
                    Some(part) => {
                        if let Some(flag) = part.get("email") {
                            expected.notifications.email = flag.as_bool().unwrap_or(true);
                        }
                        if let Some(flag) = part.get("sms") {
                            expected.notifications.sms = flag.as_bool().unwrap_or(false);
                        }
                    }
                    None => {}
                }
                let effective = schema.effective(&[&chosen]);
                prop_assert_eq!(&effective.value, &expected);
                let again = Overrides::from_json(chosen.to_json().as_bytes()).unwrap();
                prop_assert_eq!(again, chosen.clone());
            }
        }
    }
}
