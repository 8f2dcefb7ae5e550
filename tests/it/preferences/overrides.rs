//! Only valid values that differ from the defaults are stored.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_guestbook::{
    ErrorKind, Guestbook,
    preferences::{PreferenceRules, Schema, StandardPreferences, Theme},
};

use super::{Browser, app, standard, stored, user};
use crate::support::{builder, faulty_store::FaultyStore};

fn guestbook() -> (Guestbook, FaultyStore) {
    let store = FaultyStore::default();
    let rules = PreferenceRules::standard().unwrap();
    (builder(store.clone()).0.preferences(rules).build().unwrap(), store)
}

#[tokio::test]
async fn preferences_update_and_reset_each_key_and_category() {
    let (guestbook, store) = guestbook();
    let app = app(&guestbook);
    for is_user in [false, true] {
        let mut browser = Browser::new(&app);
        if is_user {
            browser.login("ada").await;
        }
        let all = json!({
            "theme": "system", "language": "de-CH",
            "notifications": { "email": false, "push": true, "sms": true },
            "privacy": { "profile_public": true, "show_activity": false, "allow_analytics": false },
        });
        assert_eq!(browser.set(all.clone()).await, standard(all.clone()));
        assert_eq!(
            browser.reset("notifications.push").await["notifications"],
            json!({ "email": false, "push": false, "sms": true })
        );
        assert_eq!(browser.reset("privacy").await["privacy"], standard(json!({}))["privacy"]);
        assert_eq!(browser.reset("theme").await["theme"], json!("light"));
        assert_eq!(browser.set(json!({ "notifications": null, "language": "en" })).await, standard(json!({})));
        assert_eq!(browser.value().await, standard(json!({})));
        assert_eq!(browser.reset("theme").await, standard(json!({})), "it was reset already");
    }
    assert_eq!(stored(&store, "ada").await, (json!({}), 5), "what changes nothing is no new version");
}

#[tokio::test]
async fn user_preferences_update_and_reset_each_key_and_category() {
    let (guestbook, store) = guestbook();
    let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
    assert!(guestbook.preferences::<u8>().is_none(), "of another type there are none");
    let ada = user("ada");
    assert_eq!(preferences.get(&ada).await.unwrap().version, 0);
    let patch = json!({ "theme": "dark", "notifications": { "push": true, "sms": true } });
    let now = preferences.update(&ada, &patch, None).await.unwrap();
    assert_eq!((now.value.theme, now.version, now.ignored.len()), (Theme::Dark, 1, 0));
    assert!(now.value.notifications.push && now.value.notifications.sms && now.value.notifications.email);
    let now = preferences.reset(&ada, "notifications.push").await.unwrap();
    assert!(!now.value.notifications.push && now.value.notifications.sms);
    preferences.reset(&ada, "notifications").await.unwrap();
    assert_eq!(stored(&store, "ada").await, (json!({ "theme": "dark" }), 3));
    let now = preferences.reset(&ada, "theme").await.unwrap();
    assert_eq!((now.value, now.version), (StandardPreferences::default(), 4));
    assert_eq!(preferences.get(&user("eve")).await.unwrap().version, 0, "nobody else's");
}

#[tokio::test]
async fn update_stores_only_what_differs_from_the_defaults() {
    let (guestbook, store) = guestbook();
    let mut ada = Browser::of(&app(&guestbook), "ada").await;
    ada.set(standard(json!({ "theme": "dark", "privacy": { "profile_public": true } }))).await;
    assert_eq!(stored(&store, "ada").await, (json!({ "theme": "dark", "privacy": { "profile_public": true } }), 1));
    ada.set(json!({ "privacy": { "profile_public": false } })).await;
    assert_eq!(stored(&store, "ada").await, (json!({ "theme": "dark" }), 2));
    let mut whole = ada.value().await;
    assert_eq!(ada.set(whole.clone()).await, whole);
    whole["theme"] = json!("light");
    ada.set(whole).await;
    assert_eq!(stored(&store, "ada").await, (json!({}), 3));
}

#[tokio::test]
async fn update_with_an_empty_category_changes_nothing() {
    let (guestbook, store) = guestbook();
    let mut ada = Browser::of(&app(&guestbook), "ada").await;
    ada.set(json!({ "notifications": { "sms": true } })).await;
    // RFC 7396: an object is merged, and there is nothing in this one.
    ada.set(json!({ "notifications": {}, "privacy": {} })).await;
    assert_eq!(stored(&store, "ada").await, (json!({ "notifications": { "sms": true } }), 1));
}

/// Patches that are wrong, and the key that is.
fn wrong_patches() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "theme": "needle" }), "theme"),
        (json!({ "theme": "dark", "language": "not a needle" }), "language"),
        (json!({ "notifications": { "email": "needle" } }), "notifications.email"),
        (json!({ "notifications": { "sms": true, "email": ["needle"] } }), "notifications.email"),
        (json!({ "notifications": { "email": { "needle": "needle" } } }), "notifications.email"),
        (json!({ "notifications": "needle" }), "notifications"),
        (json!({ "theme": { "needle": true } }), "theme"),
        (json!({ "notifications": { "pigeon": "needle" } }), "notifications.pigeon"),
        (json!({ "colour": "needle" }), "colour"),
        (json!({ "colour": { "of": { "walls": "needle" } } }), "colour.of.walls"),
        (json!({ "theme": "dark", "colour": {} }), "colour"),
        (json!("needle"), "JSON object"),
        (json!([{ "theme": "needle" }]), "JSON object"),
        (json!({ "": "needle" }), "1 to 128 bytes"),
        (json!({ "x".repeat(129): "needle" }), "1 to 128 bytes"),
    ]
}

#[tokio::test]
async fn update_names_the_invalid_key_without_its_value_and_stores_nothing() {
    let (guestbook, store) = guestbook();
    let app = app(&guestbook);
    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    let (mut ada, mut stranger) = (Browser::of(&app, "ada").await, Browser::new(&app));
    ada.set(json!({ "privacy": { "profile_public": true } })).await;
    for (patch, key) in wrong_patches() {
        for browser in [&mut ada, &mut stranger] {
            let answer = browser.patch(patch.clone()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{patch}: {}", answer.body);
            assert!(answer.body.contains(key) && !answer.body.contains("needle"), "{patch}: {}", answer.body);
        }
        let error = service.update(&user("ada"), &patch, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(key) && !format!("{error:?}").contains("needle"), "{error:?}");
    }
    assert_eq!(stored(&store, "ada").await, (json!({ "privacy": { "profile_public": true } }), 1));
    assert_eq!(ada.value().await, standard(json!({ "privacy": { "profile_public": true } })));
    assert!(stranger.cookies.is_empty());
}

#[tokio::test]
async fn update_beyond_max_bytes_stores_nothing() {
    let store = FaultyStore::default();
    let schema = Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys().max_bytes(100);
    let guestbook = builder(store.clone()).0.preferences(PreferenceRules::new(schema)).build().unwrap();
    let app = app(&guestbook);
    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    for is_user in [false, true] {
        let mut browser = Browser::new(&app);
        if is_user {
            browser.login("ada").await;
        }
        browser.set(json!({ "a": "x".repeat(50) })).await;
        let answer = browser.patch(json!({ "theme": "dark", "b": "needle".repeat(9) })).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.body.contains("100 bytes") && !answer.body.contains("needle"), "{}", answer.body);
        assert_eq!(browser.value().await, standard(json!({})));
        // What makes room and fills it at once is not too large.
        browser.set(json!({ "a": null, "b": "x".repeat(50) })).await;
    }
    let error = service.update(&user("ada"), &json!({ "c": "x".repeat(50) }), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(stored(&store, "ada").await, (json!({ "b": "x".repeat(50) }), 2));
}
