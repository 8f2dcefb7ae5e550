//! Values that were stored under one schema and are read under another.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_guestbook::{
    preferences::{PreferenceRules, Schema, StandardPreferences},
    store::Store,
};

use super::{Browser, app, app_of, rules_of, standard, stored, user};
use crate::support::{builder, faulty_store::FaultyStore};

/// A later version of the standard preferences: with another default, and a theme and a category
/// more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Late {
    theme: String,
    language: String,
    layout: Layout,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Layout {
    columns: u8,
    pinned: BTreeMap<String, bool>,
}

impl Default for Late {
    fn default() -> Self {
        Self { theme: "sepia".into(), language: "eo".into(), layout: Layout::default() }
    }
}

async fn a_new_default<S: Store + Clone>(store: S) {
    let early = builder(store.clone()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    let late = builder(store.clone()).0.preferences(rules_of::<Late>()).build().unwrap();
    let (early, late) = (app(&early), app_of::<Late>(&late));
    Browser::of(&early, "ada").await.set(json!({ "theme": "dark" })).await;
    let mut eve = Browser::of(&early, "eve").await;
    eve.set(json!({ "notifications": { "sms": true } })).await;
    let layout = json!({ "columns": 0, "pinned": {} });
    let ada = Browser::of(&late, "ada").await.value().await;
    assert_eq!(ada, json!({ "theme": "dark", "language": "eo", "layout": layout }), "chosen, and not");
    let mut eve = eve.at(&late);
    assert_eq!(eve.value().await, json!({ "theme": "sepia", "language": "eo", "layout": layout }));
    let stranger = Browser::new(&late).value().await;
    assert_eq!(stranger, json!({ "theme": "sepia", "language": "eo", "layout": layout }));
    // What the later version does not know any more stays where it is.
    eve.set(json!({ "theme": "light" })).await;
    assert_eq!(stored(&store, "eve").await.0, json!({ "theme": "light", "notifications": { "sms": true } }));
}

#[tokio::test]
async fn new_default_reaches_users_without_a_choice() {
    a_new_default(FaultyStore::default()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn new_default_reaches_users_without_a_choice_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    a_new_default(tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).await;
}

#[tokio::test]
async fn invalid_stored_value_falls_back_to_its_default_and_is_counted() {
    let store = FaultyStore::default();
    let late = builder(store.clone()).0.preferences(rules_of::<Late>()).build().unwrap();
    let early = builder(store.clone()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    Browser::of(&app_of::<Late>(&late), "ada").await.set(json!({ "theme": "needle", "language": "de" })).await;
    let service = early.preferences::<StandardPreferences>().unwrap();
    assert_eq!(service.ignored(), 0);

    let mut ada = Browser::of(&app(&early), "ada").await;
    for _ in 0..3 {
        assert_eq!(ada.value().await, standard(json!({ "language": "de" })), "other keys stay");
        assert_eq!(ada.get("/ignored").await.json(), json!(["theme"]));
    }
    assert_eq!(service.ignored(), 1, "once for each time that it is read from the store");
    assert_eq!(service.get(&user("ada")).await.unwrap().ignored, ["theme"]);
    assert_eq!(service.ignored(), 2);

    ada.set(json!({ "notifications": { "sms": true } })).await;
    let kept = json!({ "theme": "needle", "language": "de", "notifications": { "sms": true } });
    assert_eq!(stored(&store, "ada").await, (kept, 2), "another change does not lose it");
    assert_eq!(ada.set(json!({ "theme": "dark" })).await["theme"], json!("dark"));
    assert_eq!(ada.get("/ignored").await.json(), json!([]));
}

/// Working hours; the first must come before the last.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Hours")]
struct Work(Hours);

#[derive(Clone, Serialize, Deserialize)]
struct Hours {
    from: u8,
    to: u8,
}

impl TryFrom<Hours> for Work {
    type Error = &'static str;

    fn try_from(hours: Hours) -> Result<Self, Self::Error> {
        if hours.from < hours.to { Ok(Self(hours)) } else { Err("the end is before the beginning") }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Office {
    work: Work,
    theme: String,
}

impl Default for Office {
    fn default() -> Self {
        Self { work: Work(Hours { from: 9, to: 17 }), theme: String::new() }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct FreeOffice {
    work: Hours,
    theme: String,
}

impl Default for FreeOffice {
    fn default() -> Self {
        Self { work: Hours { from: 9, to: 17 }, theme: String::new() }
    }
}

#[tokio::test]
async fn incompatible_stored_values_leave_other_values_in_effect() {
    let store = FaultyStore::default();
    let free = builder(store.clone()).0.preferences(rules_of::<FreeOffice>()).build().unwrap();
    let office = builder(store.clone()).0.preferences(rules_of::<Office>()).build().unwrap();
    let mut ada = Browser::of(&app_of::<FreeOffice>(&free), "ada").await;
    ada.set(json!({ "work": { "from": 16, "to": 10 }, "theme": "dark" })).await;
    let mut ada = ada.at(&app_of::<Office>(&office));
    assert_eq!(
        ada.value().await,
        json!({ "work": { "from": 16, "to": 17 }, "theme": "dark" }),
        "one of the two counts"
    );
    assert_eq!(ada.get("/ignored").await.json(), json!(["work.to"]));
}

#[tokio::test]
async fn allow_unknown_keys_keeps_keys_of_a_newer_program() {
    let store = FaultyStore::default();
    let late = builder(store.clone()).0.preferences(rules_of::<Late>()).build().unwrap();
    let strict = builder(store.clone()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    let tolerant = PreferenceRules::new(Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys());
    let tolerant = builder(store.clone()).0.preferences(tolerant).build().unwrap();
    let mut ada = Browser::of(&app_of::<Late>(&late), "ada").await;
    let layout = json!({ "columns": 3, "pinned": { "news": true } });
    ada.set(json!({ "layout": layout })).await;

    for older in [&strict, &tolerant] {
        let mut older = ada.at(&app(older));
        assert_eq!(older.value().await, standard(json!({})));
        assert_eq!(older.get("/ignored").await.json(), json!([]), "not wrong, but somebody else's");
        older.set(json!({ "theme": "dark" })).await;
        older.reset("theme").await;
        assert_eq!(stored(&store, "ada").await.0, json!({ "layout": layout }));
    }
    // Whether it may be written through the older one is for the older one to say.
    let write = json!({ "layout": { "columns": 2 } });
    assert_eq!(ada.at(&app(&strict)).patch(write.clone()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ada.at(&app(&tolerant)).set(write).await, standard(json!({})));
    let mut ada = Browser::of(&app_of::<Late>(&late), "ada").await;
    assert_eq!(ada.value().await["layout"], json!({ "columns": 2, "pinned": { "news": true } }));
}
