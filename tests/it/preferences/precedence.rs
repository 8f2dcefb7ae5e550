//! The precedence of user, session, browser and default.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_guestbook::Guestbook;

use super::{Browser, app, app_of, negotiating, rules_of, standard, stored};
use crate::support::{builder, faulty_store::FaultyStore};

fn guestbook() -> (Guestbook, FaultyStore) {
    let store = FaultyStore::default();
    (builder(store.clone()).0.preferences(negotiating()).build().unwrap(), store)
}

/// A browser that asks for German and dark.
fn german(app: &axum::Router) -> Browser {
    Browser::new(app).with("accept-language", "de").with("sec-ch-prefers-color-scheme", r#""dark""#)
}

#[tokio::test]
async fn each_key_comes_from_user_session_browser_or_default() {
    let (guestbook, _) = guestbook();
    let app = app(&guestbook);
    Browser::of(&app, "ada").await.set(json!({ "theme": "system", "notifications": { "sms": true } })).await;

    let mut browser = german(&app);
    assert_eq!(browser.value().await, standard(json!({ "language": "de", "theme": "dark" })), "the browser's");
    let set = json!({ "language": "zh-Hant", "theme": "dark", "notifications": { "sms": false, "push": true } });
    let session = standard(json!({ "language": "zh-Hant", "theme": "dark", "notifications": { "push": true } }));
    assert_eq!(browser.set(set).await, session);
    assert_eq!(browser.value().await, session, "the session's before the browser's");
    browser.login("ada").await;
    let user = json!({ "language": "zh-Hant", "theme": "system", "notifications": { "push": true, "sms": true } });
    assert_eq!(browser.value().await, standard(user), "the user's before the session's");
    assert_eq!(browser.reset("theme").await["theme"], json!("dark"), "and the browser's again");
}

#[tokio::test]
async fn chosen_default_overrides_negotiation() {
    let (guestbook, store) = guestbook();
    let app = app(&guestbook);
    for is_user in [false, true] {
        let mut browser = german(&app);
        if is_user {
            browser.login("ada").await;
        }
        assert_eq!(browser.set(json!({ "theme": "light", "language": "en" })).await, standard(json!({})));
        assert_eq!(browser.value().await, standard(json!({})));
        browser.set(json!({ "theme": "dark" })).await;
        browser.set(json!({ "theme": "light" })).await;
        assert_eq!(browser.value().await, standard(json!({})));
        assert_eq!(browser.reset("theme").await["theme"], json!("dark"), "no longer chosen");
    }
    assert_eq!(stored(&store, "ada").await.0, json!({ "language": "en" }));
}

#[tokio::test]
async fn update_without_login_is_stored_in_the_session() {
    let (guestbook, store) = guestbook();
    let app = app(&guestbook);
    let mut stranger = Browser::new(&app);
    let answer = stranger.patch(json!({ "theme": "dark", "privacy": { "show_activity": false } })).await;
    assert!(answer.set_cookie().is_some_and(|cookie| cookie.starts_with("__Host-session=")));
    let dark = standard(json!({ "theme": "dark", "privacy": { "show_activity": false } }));
    assert_eq!(answer.json(), dark);
    assert_eq!(stranger.value().await, dark, "the next request as well");
    assert_eq!(stranger.set(json!({ "theme": null })).await["theme"], json!("light"));
    assert_eq!(stranger.reset("privacy").await, standard(json!({})));
    stranger.set(json!({ "theme": "dark" })).await;
    assert_eq!(Browser::new(&app).value().await, standard(json!({})), "nobody else's");
    stranger.get("/logout").await;
    assert_eq!(stranger.value().await, standard(json!({})), "and over with the session");
    assert_eq!(stored(&store, "ada").await, (json!({}), 0));
}

#[tokio::test]
async fn login_moves_preferences_of_the_session_to_unset_keys_of_the_user() {
    let (guestbook, store) = guestbook();
    let app = app(&guestbook);
    Browser::of(&app, "ada").await.set(json!({ "theme": "system", "notifications": { "sms": true } })).await;

    let mut browser = Browser::new(&app);
    let set = json!({
        "theme": "dark", "language": "de", "notifications": { "sms": true, "push": true, "email": false }
    });
    browser.set(set).await;
    browser.login("ada").await;
    let filled = json!({
        "theme": "system", "language": "de", "notifications": { "sms": true, "push": true, "email": false }
    });
    assert_eq!(stored(&store, "ada").await, (filled.clone(), 2));
    assert_eq!(browser.value().await, standard(filled.clone()));
    assert_eq!(Browser::of(&app, "ada").await.value().await, standard(filled), "on each device");
    // If the session still had them, they would come up again.
    browser.set(json!({ "theme": null, "language": null, "notifications": null })).await;
    assert_eq!(browser.value().await, standard(json!({})));
    browser.get("/logout").await;
    assert_eq!(browser.value().await, standard(json!({})));
    browser.set(json!({ "notifications": { "push": true } })).await;
    assert_eq!(browser.value().await, standard(json!({ "notifications": { "push": true } })), "a new session");
}

#[tokio::test]
async fn login_without_preferences_in_the_session_changes_nothing() {
    let (guestbook, store) = guestbook();
    let app = app(&guestbook);
    Browser::of(&app, "ada").await.set(json!({ "theme": "system" })).await;
    let mut browser = Browser::new(&app);
    browser.set(json!({ "theme": "dark" })).await;
    browser.login("ada").await;
    browser.login("ada").await;
    assert_eq!(stored(&store, "ada").await, (json!({ "theme": "system" }), 1));
}

#[tokio::test]
async fn next_user_of_the_browser_gets_no_preferences_of_the_session() {
    let (guestbook, store) = guestbook();
    let app = app(&guestbook);
    for (logs_out, next) in [(true, "eve"), (false, "mallory")] {
        let mut browser = Browser::new(&app);
        browser.set(json!({ "theme": "dark", "notifications": { "push": true } })).await;
        browser.login("ada").await;
        if logs_out {
            browser.get("/logout").await;
        }
        browser.login(next).await;
        assert_eq!(browser.value().await, standard(json!({})));
        assert_eq!(stored(&store, next).await, (json!({}), 0));
    }
    assert_eq!(stored(&store, "ada").await.0, json!({ "theme": "dark", "notifications": { "push": true } }));
}

#[tokio::test]
async fn preferences_left_in_the_session_rank_below_those_of_the_user() {
    let (guestbook, store) = guestbook();
    let (here, elsewhere) = (app(&guestbook), app(&builder(store.clone()).0.build().unwrap()));
    Browser::of(&here, "ada").await.set(json!({ "theme": "system" })).await;
    let mut browser = Browser::new(&here);
    browser.set(json!({ "theme": "dark", "language": "de" })).await;
    // A process that knows no preferences, yet or any more, leaves them where they are.
    let mut browser = browser.at(&elsewhere);
    browser.login("ada").await;
    let mut browser = browser.at(&here);
    assert_eq!(browser.value().await, standard(json!({ "theme": "system", "language": "de" })));
    assert_eq!(stored(&store, "ada").await.0, json!({ "theme": "system" }));
    browser.login("ada").await;
    assert_eq!(
        stored(&store, "ada").await.0,
        json!({ "theme": "system", "language": "de" }),
        "the next login takes them"
    );
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Older {
    density: u8,
    theme: String,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Density {
    #[default]
    Wide,
    Narrow,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Newer {
    density: Density,
    theme: String,
}

#[tokio::test]
async fn login_moves_valid_preferences_despite_invalid_ones() {
    let store = FaultyStore::default();
    let older = builder(store.clone()).0.preferences(rules_of::<Older>()).build().unwrap();
    let newer = builder(store.clone()).0.preferences(rules_of::<Newer>()).build().unwrap();
    let mut browser = Browser::new(&app_of::<Older>(&older));
    browser.set(json!({ "density": 3, "theme": "dark" })).await;
    let mut browser = browser.at(&app_of::<Newer>(&newer));
    assert_eq!(browser.value().await, json!({ "density": "wide", "theme": "dark" }));
    browser.login("ada").await;
    assert_eq!(stored(&store, "ada").await.0, json!({ "theme": "dark" }));
    assert_eq!(browser.reset("theme").await["theme"], json!(""), "the session has it no more");
    let answer = browser.patch(json!({ "density": "narrow" })).await;
    assert_eq!((answer.status, answer.json()["density"].clone()), (StatusCode::OK, json!("narrow")));
}
