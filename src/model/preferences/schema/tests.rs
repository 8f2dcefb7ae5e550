//! Patches and stored values under a schema.

mod together;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::model::preferences::{StandardPreferences, Theme};

fn schema() -> Schema<StandardPreferences> {
    Schema::new().unwrap()
}

#[test]
fn merge_keeps_only_what_differs_from_the_defaults() {
    let schema = schema();
    let whole = serde_json::to_value(StandardPreferences::default()).unwrap();
    assert!(schema.merge(&Overrides::default(), &whole).unwrap().is_empty());
    let dark = schema.merge(&Overrides::default(), &json!({ "theme": "dark" })).unwrap();
    assert!(schema.merge(&dark, &json!({ "theme": "light" })).unwrap().is_empty());
    let both = schema.merge(&dark, &json!({ "privacy": { "profile_public": true } })).unwrap();
    assert_eq!(schema.merge(&both, &json!({ "privacy": null })).unwrap(), dark);
}

#[test]
fn merge_names_the_invalid_key_and_applies_nothing() {
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
fn allow_unknown_keys_keeps_unknown_keys_without_effect() {
    let schema = schema().allow_unknown_keys();
    let kept = schema.merge(&Overrides::default(), &json!({ "new": { "key": [1] }, "theme": "dark" })).unwrap();
    assert_eq!(kept.get(&["new", "key"]), Some(&json!([1])));
    let effective = schema.effective(&[&kept]);
    assert_eq!((effective.value.theme, effective.ignored.len()), (Theme::Dark, 0));
}

#[test]
fn effective_ignores_stored_values_that_are_no_longer_valid() {
    let stored = br#"{"theme":"sepia","language":"eo","notifications":{"email":"maybe","sms":true}}"#;
    let effective = schema().effective(&[&Overrides::from_json(stored).unwrap()]);
    assert_eq!(effective.ignored, ["notifications.email", "theme"]);
    assert_eq!((effective.value.theme, effective.value.language.as_str()), (Theme::Light, "eo"));
    assert!(effective.value.notifications.email && effective.value.notifications.sms);
}

#[test]
fn effective_takes_each_key_from_the_last_layer() {
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
fn schema_accepts_null_and_empty_objects_as_defaults() {
    let schema = Schema::<Odd>::new().unwrap();
    assert_eq!(schema.effective(&[]).value, Odd::default());
    let set = schema.merge(&Overrides::default(), &json!({ "maybe": 7, "free": { "a": 1 }, "list": [1, 2] })).unwrap();
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
    fn merge_of_patches_in_any_order_loses_no_key(patches in prop::collection::vec(patch(), 0..12)) {
        let schema = schema();
        let mut chosen = Overrides::default();
        let mut expected = StandardPreferences::default();
        for patch in &patches {
            chosen = schema.merge(&chosen, patch).unwrap();
            // Derived from the documentation: null is the default, everything else the value.
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
