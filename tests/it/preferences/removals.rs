//! Null removes values of the defaults; large integers are refused.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower_guestbook::{
    Guestbook,
    preferences::{Overrides, Schema},
    store::Store,
};

use super::{Browser, Likes, app_of, model::merge_patch, rules_of, stored, user};
use crate::support::{builder, faulty_store::FaultyStore};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Digest {
    Never,
    Daily { hour: u8 },
    Weekly { day: u8, hour: Option<u8> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Signature {
    Name { first: String, last: String },
    Text { text: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mail {
    digest: Digest,
    boards: BTreeMap<String, bool>,
    limit: Option<u32>,
    signature: Signature,
    filters: Option<BTreeMap<String, Digest>>,
    free: Value,
    from: String,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            digest: Digest::Daily { hour: 8 },
            boards: ["news", "sport"].map(|board| (board.to_owned(), true)).into(),
            limit: Some(10),
            signature: Signature::Name { first: "Ada".into(), last: "L.".into() },
            filters: Some([("spam".to_owned(), Digest::Never)].into()),
            free: json!({ "a": 1 }),
            from: "here".into(),
        }
    }
}

/// Fills missing values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Filling {
    limit: Option<u32>,
    inner: Option<Inner>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    a: u8,
    b: u8,
}

impl Default for Filling {
    fn default() -> Self {
        Self { limit: Some(10), inner: Some(Inner { a: 1, b: 2 }) }
    }
}

fn guestbook<T: Likes>(store: impl Store) -> Guestbook {
    builder(store).0.preferences(rules_of::<T>()).build().unwrap()
}

/// Each patch, what it changes in the value, or the key that the answer says is wrong.
fn steps() -> Vec<(Value, Result<Value, &'static str>)> {
    let weekly = json!({ "Weekly": { "day": 1, "hour": null } });
    vec![
        (json!({ "digest": { "Weekly": { "day": 1 } } }), Ok(json!({ "digest": weekly }))),
        (
            json!({ "digest": { "Weekly": { "hour": 7 } } }),
            Ok(json!({ "digest": { "Weekly": { "day": 1, "hour": 7 } } })),
        ),
        (json!({ "digest": { "Weekly": { "hour": null } } }), Ok(json!({ "digest": weekly }))),
        (json!({ "digest": { "Weekly": { "day": null } } }), Err("incompatible")),
        (json!({ "digest": { "Weekly": { "day": "x" } } }), Err("digest.Weekly.day")),
        (json!({ "digest": { "Hourly": {} } }), Err("digest")),
        (json!({ "digest": { "Daily": { "hour": 9 } } }), Ok(json!({ "digest": { "Daily": { "hour": 9 } } }))),
        (json!({ "digest": "Never" }), Ok(json!({ "digest": "Never" }))),
        (json!({ "digest": { "Daily": null, "Weekly": { "day": 1 } } }), Ok(json!({ "digest": weekly }))),
        (json!({ "digest": null }), Ok(json!({ "digest": { "Daily": { "hour": 8 } } }))),
        (json!({ "digest": { "Daily": null, "Weekly": { "day": 1 } } }), Ok(json!({ "digest": weekly }))),
        (json!({ "boards": { "news": null } }), Ok(json!({ "boards": { "sport": true } }))),
        (json!({ "boards": { "chess": true } }), Ok(json!({ "boards": { "chess": true, "sport": true } }))),
        (json!({ "boards": { "sport": null, "chess": null } }), Ok(json!({ "boards": {} }))),
        (json!({ "boards": { "news": false } }), Ok(json!({ "boards": { "news": false } }))),
        (json!({ "boards": null }), Ok(json!({ "boards": { "news": true, "sport": true } }))),
        (json!({ "limit": null }), Ok(json!({ "limit": null }))),
        (json!({ "limit": 10 }), Ok(json!({ "limit": 10 }))),
        (json!({ "signature": { "kind": "text", "text": "A." } }), Err("signature")),
        (
            json!({ "signature": { "kind": "text", "text": "A.", "first": null, "last": null } }),
            Ok(json!({ "signature": { "kind": "text", "text": "A." } })),
        ),
        (json!({ "filters": null }), Ok(json!({ "filters": null }))),
        (json!({ "filters": { "ads": "Never" } }), Ok(json!({ "filters": { "ads": "Never" } }))),
        (
            json!({ "filters": { "ads": { "Daily": { "hour": 1 } }, "spam": { "Daily": { "hour": 2 } } } }),
            Ok(json!({ "filters": { "ads": { "Daily": { "hour": 1 } }, "spam": { "Daily": { "hour": 2 } } } })),
        ),
        (
            json!({ "filters": { "ads": null, "spam": { "Weekly": { "day": 3 } } } }),
            Ok(json!({ "filters": { "spam": { "Weekly": { "day": 3, "hour": null } } } })),
        ),
        (json!({ "filters": { "spam": null } }), Ok(json!({ "filters": {} }))),
        (json!({ "free": { "a": null, "b": [1, null] } }), Ok(json!({ "free": { "b": [1, null] } }))),
        (json!({ "free": null }), Ok(json!({ "free": null }))),
        (json!({ "from": "there" }), Ok(json!({ "from": "there" }))),
        (json!({ "from": null }), Ok(json!({ "from": "here" }))),
    ]
}

#[tokio::test]
async fn null_removes_defaults_in_maps_options_and_enums() {
    let store = FaultyStore::default();
    let guestbook = guestbook::<Mail>(store.clone());
    let app = app_of::<Mail>(&guestbook);
    for is_user in [true, false] {
        let mut browser = Browser::new(&app);
        if is_user {
            browser.login("ada").await;
        }
        let mut model = serde_json::to_value(Mail::default()).unwrap();
        for (patch, result) in steps() {
            let answer = browser.patch(patch.clone()).await;
            match result {
                Ok(changed) => {
                    for (key, value) in changed.as_object().unwrap() {
                        model[key] = value.clone();
                    }
                    assert_eq!((answer.status, answer.json()), (StatusCode::OK, model.clone()), "{patch}");
                }
                Err(named) => {
                    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{patch}: {}", answer.body);
                    assert!(answer.body.contains(named), "{patch}: {}", answer.body);
                }
            }
            assert_eq!(browser.value().await, model, "after {patch}");
        }
        for path in ["digest", "signature", "filters", "free", "boards"] {
            browser.reset(path).await;
        }
        assert_eq!(browser.value().await, serde_json::to_value(Mail::default()).unwrap());
    }
    assert_eq!(stored(&store, "ada").await.0, json!({}));
}

#[tokio::test]
async fn null_removes_an_option_with_a_serde_default_and_reset_restores_it() {
    let guestbook = guestbook::<Filling>(FaultyStore::default());
    let mut ada = Browser::of(&app_of::<Filling>(&guestbook), "ada").await;
    assert_eq!(ada.set(json!({ "limit": null, "inner": null })).await, json!({ "limit": null, "inner": null }));
    let filled = json!({ "limit": null, "inner": { "a": 5, "b": 6 } });
    assert_eq!(ada.set(json!({ "inner": { "a": 5, "b": 6 } })).await, filled);
    assert_eq!(ada.reset("limit").await, json!({ "limit": 10, "inner": { "a": 5, "b": 6 } }));
    assert_eq!(ada.reset("inner").await, json!({ "limit": 10, "inner": { "a": 1, "b": 2 } }));
}

#[tokio::test]
async fn login_moves_removals_to_the_user() {
    let store = FaultyStore::default();
    let guestbook = guestbook::<Mail>(store.clone());
    let app = app_of::<Mail>(&guestbook);
    let service = guestbook.preferences::<Mail>().unwrap();
    service.update(&user("ada"), &json!({ "limit": 3, "boards": { "chess": true } }), None).await.unwrap();
    let mut stranger = Browser::new(&app);
    stranger
        .set(
            json!({ "limit": null, "boards": { "news": null }, "digest": { "Weekly": { "day": 1 } }, "from": "there" }),
        )
        .await;
    stranger.login("ada").await;
    let value = stranger.value().await;
    assert_eq!(value["limit"], json!(3), "the account has it");
    assert_eq!(value["boards"], json!({ "chess": true, "sport": true }));
    assert_eq!(value["digest"], json!({ "Weekly": { "day": 1, "hour": null } }));
    assert_eq!(value["from"], "there");
}

#[tokio::test]
async fn removals_are_exported_and_imported() {
    let old = guestbook::<Mail>(FaultyStore::default());
    let (ada, patch) = (user("ada"), json!({ "boards": { "news": null }, "digest": { "Weekly": { "day": 1 } } }));
    let value = old.preferences::<Mail>().unwrap().update(&ada, &patch, None).await.unwrap().value;
    let mut export = old.rights().export(&ada).await.unwrap();
    let mut document = Vec::new();
    while let Some(part) = export.next().await {
        document.extend_from_slice(&part.unwrap());
    }
    let new = guestbook::<Mail>(FaultyStore::default());
    assert!(new.rights().import(&ada, &document).await.unwrap().preferences);
    assert_eq!(new.preferences::<Mail>().unwrap().get(&ada).await.unwrap().value, value);
}

#[tokio::test]
async fn chosen_variant_survives_a_new_default_variant() {
    /// The same, with another default.
    #[derive(Clone, Serialize, Deserialize)]
    struct Later {
        digest: Digest,
        boards: BTreeMap<String, bool>,
    }
    impl Default for Later {
        fn default() -> Self {
            Self { digest: Digest::Never, boards: [("sport".to_owned(), true), ("chess".to_owned(), true)].into() }
        }
    }
    let store = FaultyStore::default();
    let mut ada = Browser::of(&app_of::<Mail>(&guestbook::<Mail>(store.clone())), "ada").await;
    ada.set(json!({ "boards": { "news": null }, "digest": { "Weekly": { "day": 1 } } })).await;
    let mut ada = ada.at(&app_of::<Later>(&guestbook::<Later>(store)));
    let weekly = json!({ "Weekly": { "day": 1, "hour": null } });
    assert_eq!(ada.value().await, json!({ "digest": weekly, "boards": { "chess": true, "sport": true } }));
}

#[tokio::test]
async fn parallel_removals_of_different_entries_are_all_kept() {
    let schema = Schema::<Mail>::new().unwrap();
    let nothing = Overrides::default();
    let news = schema.patch_over(&nothing, &json!({ "boards": { "news": null } })).unwrap();
    let sport = schema.patch_over(&nothing, &json!({ "boards": { "sport": null, "chess": true } })).unwrap();
    let both = nothing.with(&news).unwrap().with(&sport).unwrap();
    assert_eq!(both, nothing.with(&sport).unwrap().with(&news).unwrap());
    assert_eq!(schema.effective(&[&both]).value.boards, [("chess".to_owned(), true)].into());
}

#[tokio::test]
async fn integers_of_more_than_64_bits_are_refused() {
    let store = FaultyStore::default();
    let guestbook = guestbook::<Mail>(store.clone());
    let mut ada = Browser::of(&app_of::<Mail>(&guestbook), "ada").await;
    for wrong in ["123456789012345678901234567890", "18446744073709551616", "-9223372036854775809", "[{\"a\":1e30}]"] {
        let patch: Value = serde_json::from_str(&format!("{{\"free\":{{\"deep\":{wrong}}}}}")).unwrap();
        let answer = ada.patch(patch).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.body.contains("free.deep") && answer.body.contains("64 bits"), "{}", answer.body);
    }
    assert_eq!(stored(&store, "ada").await, (json!({}), 0));
    for right in ["18446744073709551615", "-9223372036854775808", "0.1", "1e15", "\"123456789012345678901234567890\""] {
        let patch: Value = serde_json::from_str(&format!("{{\"free\":{right}}}")).unwrap();
        assert_eq!(ada.set(patch.clone()).await["free"].to_string(), patch["free"].to_string());
    }
}

/// One free value.
#[derive(Clone, Serialize, Deserialize)]
struct Free {
    free: Value,
}

impl Default for Free {
    fn default() -> Self {
        Self { free: json!({ "a": "b", "b": "c", "list": ["b"], "inner": { "b": "c" }, "text": "text", "e": null }) }
    }
}

/// The examples of RFC 7396, Appendix A, that are about objects.
#[test]
fn free_json_value_follows_rfc_7396() {
    let schema = Schema::<Free>::new().unwrap();
    let default = json!(Free::default().free);
    for patch in [
        json!({ "a": "c" }),
        json!({ "b": "c" }),
        json!({ "a": null }),
        json!({ "list": "c" }),
        json!({ "a": ["b"] }),
        json!({ "inner": { "b": "d", "c": null } }),
        json!({ "list": [1, { "a": null }] }),
        json!(["c", "d"]),
        json!("text"),
        json!(null),
        json!({ "e": null, "a": 1 }),
        json!({ "new": { "bb": { "ccc": null } } }),
        json!({ "text": { "b": 1 } }),
        json!({ "inner": { "b": null } }),
        json!({ "inner": {}, "text": {} }),
    ] {
        let mut expected = default.clone();
        merge_patch(&mut expected, &patch);
        let chosen = schema.merge(&Overrides::default(), &json!({ "free": patch })).unwrap();
        assert_eq!(schema.effective(&[&chosen]).value.free, expected, "{patch}: {}", chosen.to_json());
    }
}

/// Names of boards; the default has some of them.
fn boards() -> impl Strategy<Value = Value> {
    let entry = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool)];
    let some = prop::collection::btree_map(prop::sample::select(vec!["news", "sport", "chess", "go"]), entry, 0..4);
    some.prop_map(|entries| json!(entries))
}

fn digest() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("Never")),
        (0..24u8).prop_map(|hour| json!({ "Daily": { "hour": hour }, "Weekly": null })),
        (0..7u8).prop_map(|day| json!({ "Weekly": { "day": day, "hour": null }, "Daily": null })),
        (0..7u8, 0..24u8).prop_map(|(day, hour)| json!({ "Weekly": { "day": day, "hour": hour }, "Daily": null })),
    ]
}

fn patch() -> impl Strategy<Value = Value> {
    let limit = prop_oneof![Just(Value::Null), (0..12u32).prop_map(|limit| json!(limit))];
    let free = prop_oneof![
        Just(Value::Null),
        boards(),
        Just(json!({ "a": null })),
        Just(json!({ "a": { "b": 1, "c": null } })),
        Just(json!({ "a": { "b": null } })),
        Just(json!([1, { "a": null }])),
        Just(json!({})),
    ];
    let filters = prop_oneof![
        Just(Value::Null),
        prop::collection::btree_map(prop::sample::select(vec!["spam", "ads"]), digest(), 0..3)
            .prop_map(|all| json!(all)),
        Just(json!({ "spam": null })),
        Just(json!({ "ads": null })),
    ];
    let option = prop::option::weighted::<BoxedStrategy<Value>>;
    let parts = (
        option(0.4, boards().boxed()),
        option(0.3, digest().boxed()),
        option(0.3, limit.boxed()),
        option(0.4, free.boxed()),
        option(0.4, filters.boxed()),
    );
    parts.prop_map(|(boards, digest, limit, free, filters)| {
        let parts = [("boards", boards), ("digest", digest), ("limit", limit), ("free", free), ("filters", filters)];
        parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>().into()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model is RFC 7396 on the whole value, and nothing else.
    #[test]
    fn patches_equal_a_merge_patch_of_the_effective_value(patches in vec(patch(), 1..10)) {
        let schema = Schema::<Mail>::new().unwrap();
        let (mut chosen, mut model) = (Overrides::default(), serde_json::to_value(Mail::default()).unwrap());
        for patch in patches {
            merge_patch(&mut model, &patch);
            // The struct has such a field, so what is removed there is null.
            model.as_object_mut().unwrap().entry("free").or_insert(Value::Null);
            let read = serde_json::from_value::<Mail>(model.clone());
            let value = read.unwrap();
            model = serde_json::to_value(&value).unwrap();
            chosen = schema.merge(&chosen, &patch).unwrap();
            prop_assert_eq!(&schema.effective(&[&chosen]).value, &value, "{}: {}", patch, chosen.to_json());
            let again = Overrides::from_json(chosen.to_json().as_bytes()).unwrap();
            prop_assert_eq!(&again, &chosen);
        }
    }
}
