//! Caches, store failures, and routes without preferences.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
    routing::get,
};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_guestbook::{
    Clock, Guestbook, Preferences,
    http::OnStoreError,
    preferences::StandardPreferences,
    store::{MemoryStore, Store},
};

use super::{Browser, app, negotiating, rules_of, standard, stored, user};
use crate::support::{
    HANDLER_UNAVAILABLE, START, TestClient, builder,
    faulty_store::{Fault, FaultyStore},
};

#[tokio::test]
async fn user_preferences_update_holds_for_the_next_request() {
    let guestbook = builder(MemoryStore::new()).0.preferences(negotiating()).build().unwrap();
    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    let mut ada = Browser::of(&app(&guestbook), "ada").await;
    for theme in ["dark", "system", "light"] {
        ada.value().await;
        service.update(&user("ada"), &json!({ "theme": theme }), None).await.unwrap();
        assert_eq!(ada.value().await, standard(json!({ "theme": theme })));
    }
    ada.set(json!({ "language": "de" })).await;
    assert_eq!(service.get(&user("ada")).await.unwrap().value.language, "de");
}

#[tokio::test]
async fn reads_load_from_the_store_once_per_cache_age() {
    let store = FaultyStore::default();
    let (builder, clock) = builder(store.clone());
    let guestbook = builder.preferences(negotiating()).build().unwrap();
    let mut ada = Browser::of(&app(&guestbook), "ada").await;
    ada.set(json!({ "theme": "dark" })).await;
    ada.value().await;
    let before = store.asked();
    for _ in 0..10 {
        clock.advance(Duration::from_millis(99));
        assert_eq!(ada.value().await, standard(json!({ "theme": "dark" })));
    }
    assert_eq!(store.asked(), before);
}

/// Two processes on one store, with one clock.
fn two<S: Store + Clone>(stores: [S; 2]) -> ([Guestbook; 2], Clock) {
    let clock = Clock::manual(START);
    let build = |store| Guestbook::builder(store).clock(clock.clone()).preferences(negotiating()).build().unwrap();
    (stores.map(build), clock)
}

async fn another_process<S: Store + Clone>(stores: [S; 2]) {
    let (guestbooks, clock) = two(stores);
    let [here, there] = guestbooks.each_ref().map(app);
    let mut ada = Browser::of(&here, "ada").await;
    let mut elsewhere = ada.at(&there);
    for theme in ["dark", "system", "dark"] {
        elsewhere.value().await;
        ada.set(json!({ "theme": theme })).await;
        assert_eq!(ada.value().await["theme"], json!(theme), "here at once");
        clock.advance(Duration::from_millis(1_000));
        assert_eq!(elsewhere.value().await["theme"], json!(theme), "there within the age of the cache");
    }
    // A change there begins with what the store has, whatever the cache says.
    ada.set(json!({ "notifications": { "sms": true } })).await;
    let value = elsewhere.set(json!({ "notifications": { "push": true } })).await;
    assert_eq!(value["notifications"], json!({ "email": true, "push": true, "sms": true }));
    clock.advance(Duration::from_millis(1_000));
    assert_eq!(ada.value().await, value);

    let mut stranger = Browser::new(&here);
    stranger.set(json!({ "theme": "dark" })).await;
    assert_eq!(stranger.at(&there).value().await["theme"], json!("dark"), "the session is everywhere");
}

#[tokio::test]
async fn changes_of_another_process_are_seen_within_cache_age() {
    let store = FaultyStore::default();
    another_process([store.clone(), store]).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn changes_of_another_process_are_seen_within_cache_age_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("guestbook.db");
    another_process([(); 2].map(|()| tower_guestbook::store::SqliteStore::open(&file).unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn store_failure_with_continue_serves_negotiated_values() {
    let store = FaultyStore::default();
    let builder = builder(store.clone()).0.on_store_error(OnStoreError::ContinueWithoutSession);
    let guestbook = builder.cache_age(Duration::ZERO).preferences(negotiating()).build().unwrap();
    let app = app(&guestbook);
    let mut ada = Browser::new(&app).with("accept-language", "de").with("sec-ch-prefers-color-scheme", r#""dark""#);
    ada.login("ada").await;
    let mine = standard(json!({ "theme": "system", "language": "de", "notifications": { "sms": true } }));
    assert_eq!(ada.set(json!({ "theme": "system", "notifications": { "sms": true } })).await, mine);
    for mood in [Fault::Failing, Fault::Stuck] {
        store.set(mood);
        assert_eq!(ada.value().await, standard(json!({ "theme": "dark", "language": "de" })), "{mood:?}");
        for patch in [json!({ "theme": "light" }), json!({})] {
            let answer = ada.patch(patch).await;
            assert_eq!(answer.problem(), HANDLER_UNAVAILABLE, "{mood:?}: {}", answer.body);
        }
    }
    for mood in [Fault::ReadOnly, Fault::Refusing] {
        store.set(mood);
        assert_ne!(ada.patch(json!({ "theme": "light" })).await.status, StatusCode::OK);
    }
    store.set(Fault::ReadOnly);
    assert_eq!(ada.value().await, mine, "reading works");
    let mut stranger = Browser::new(&app);
    assert_eq!(stranger.patch(json!({ "theme": "dark" })).await.problem(), HANDLER_UNAVAILABLE);
    assert!(stranger.cookies.is_empty());
    store.set(Fault::Good);
    assert_eq!(ada.value().await, mine);
    assert_eq!(stored(&store, "ada").await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn store_failure_with_refuse_answers_503() {
    let store = FaultyStore::default();
    let guestbook = builder(store.clone()).0.cache_age(Duration::ZERO).preferences(negotiating()).build().unwrap();
    let app = app(&guestbook);
    let mut ada = Browser::of(&app, "ada").await;
    store.set(Fault::Failing);
    let answer = ada.ask(axum::http::Method::GET, "/preferences", &[], None).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(Browser::new(&app).value().await, standard(json!({})), "strangers do not notice");
}

#[tokio::test]
async fn extractor_without_preferences_says_what_is_missing() {
    #[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
    struct Other {
        theme: String,
    }
    let page = || get(async |preferences: Preferences<StandardPreferences>| format!("{:?}", preferences.theme));
    let route = || Router::new().route("/", page());
    let without = builder(MemoryStore::new()).0.build().unwrap();
    let other = builder(MemoryStore::new()).0.preferences(rules_of::<Other>()).build().unwrap();
    let right = builder(MemoryStore::new()).0.preferences(negotiating()).build().unwrap();
    for (app, advice) in [
        (route().layer(without.layer()), ".preferences(rules)"),
        (route().layer(other.layer()), ".preferences(rules)"),
        (route().layer(right.activity_layer()), ".layer(guestbook.layer())"),
        (route(), ".layer(guestbook.layer())"),
    ] {
        let answer = TestClient::new(&app).get("/").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/problem+json"));
        assert!(answer.json()["detail"].as_str().unwrap().contains(advice), "{}", answer.body);
    }
    assert!(without.preferences::<StandardPreferences>().is_none());
    assert!(other.preferences::<StandardPreferences>().is_none() && other.preferences::<Other>().is_some());
    assert_eq!(TestClient::new(&route().layer(right.session_layer())).ok("/").await.body, "Light");
}

#[tokio::test]
async fn from_parts_works_without_axum() {
    let guestbook = builder(MemoryStore::new()).0.preferences(negotiating()).build().unwrap();
    let handler = service_fn(async |request: Request<Body>| {
        let (parts, _) = request.into_parts();
        assert!(Preferences::<u8>::from_parts(&parts.headers, &parts.extensions).is_none(), "of another type");
        let mut preferences =
            Preferences::<StandardPreferences>::from_parts(&parts.headers, &parts.extensions).unwrap();
        let before = (preferences.theme, preferences.value().language.clone(), preferences.version());
        if parts.uri.path() == "/system" {
            let tag = preferences.etag().parse().unwrap();
            preferences.update(&json!({ "theme": "system" }), Some(tag)).await.unwrap();
        }
        // A word that no id in hexadecimal digits has in it.
        assert!(!format!("{preferences:?}").contains("Hant"), "what somebody likes is not for logs");
        Ok::<_, std::convert::Infallible>(Response::new(format!("{before:?} {:?}", preferences.theme)))
    });
    let service = guestbook.session_layer().layer(handler);
    let mut cookie = String::new();
    for (path, body) in [
        ("/", r#"(Light, "zh-Hant", 0) Light"#),
        ("/system", r#"(Light, "zh-Hant", 0) System"#),
        ("/", r#"(System, "zh-Hant", 0) System"#),
    ] {
        let request = Request::get(path).header("accept-language", "zh-Hant").header(header::COOKIE, &cookie);
        let response = service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if let Some(set) = response.headers().get(header::SET_COOKIE) {
            cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        assert_eq!(bytes, body);
    }
    let bare = Request::new(()).into_parts().0;
    assert!(Preferences::<StandardPreferences>::from_parts(&bare.headers, &bare.extensions).is_none());
}
