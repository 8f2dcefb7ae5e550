//! How often a request calls the store.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use serde_json::json;
use tower_guestbook::{
    Consent, Preferences, Session, SessionToken,
    consent::PurposeId,
    preferences::{PreferenceRules, StandardPreferences},
};

use super::{Browser, Site, ok, rules};
use crate::support::{builder, faulty_store::FaultyStore};

async fn everything(
    session: Session,
    consent: Consent,
    preferences: Preferences<StandardPreferences>,
) -> Json<serde_json::Value> {
    let states = consent.states().len();
    Json(json!([session.user_id(), states, consent.allows(PurposeId::MARKETING), preferences.language]))
}

/// A site with everything configured, a route that asks for everything, and a way to make all
/// caches old.
fn site() -> (Site, FaultyStore) {
    let store = FaultyStore::default();
    let (builder, clock) = builder(store.clone());
    let preferences = PreferenceRules::standard().unwrap().negotiate_language("language", ["en", "de"]);
    let mut site = Site::of(builder.preferences(preferences), clock, rules());
    let gate = site.guestbook.require_consent(PurposeId::MARKETING).unwrap();
    let routes = Router::new()
        .route("/everything", get(everything))
        .route("/gated", get(everything).layer(gate))
        .layer(site.guestbook.layer());
    site.app = site.app.merge(routes);
    (site, store)
}

/// How often the store is asked while all of these paths are.
async fn trips(store: &FaultyStore, site: &Site, browser: &mut Browser, paths: &[&str]) -> usize {
    // What was recorded is none of these requests' cost.
    site.guestbook.flush().await.unwrap();
    let before = store.asked();
    for path in paths {
        browser.get(path).await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    store.asked() - before
}

const ALL: [&str; 6] = ["/everything", "/gated", "/", "/states", "/session", "/cookies"];

#[tokio::test]
async fn request_costs_one_store_trip_cold_and_none_warm() {
    let (site, store) = site();
    let (mut ada, mut visitor, mut with_session) = (site.browser(), site.browser(), site.browser());
    ada.login("ada").await;
    ada.grant("marketing").await;
    visitor.grant("marketing").await;
    ok(with_session.post("/begin").await);
    let mut visitor_with_session = with_session.clone();
    visitor_with_session.grant("marketing").await;
    let mut forgotten = visitor.clone();
    forgotten
        .cookies
        .insert("__Host-session".to_owned(), SessionToken::generate().unwrap().expose_secret().to_string());
    let table = [
        ("somebody logged in", ada.clone()),
        ("a visitor", visitor),
        ("a session without a visitor", with_session),
        ("a session with a visitor", visitor_with_session),
        ("a visitor with a token that is nobody's", forgotten),
    ];
    for (who, mut browser) in table {
        for first in ALL {
            site.clock.advance(Duration::from_secs(1));
            let mut cold = browser.clone();
            assert_eq!(trips(&store, &site, &mut cold, &[first]).await, 1, "{who}, cold, {first}");
            if who != "a visitor with a token that is nobody's" {
                assert_eq!(trips(&store, &site, &mut browser, &ALL).await, 0, "{who}, warm after {first}");
            }
        }
    }
    assert_eq!(ok(ada.get("/everything").await).json(), json!(["ada", 4, true, "en"]));
}

#[tokio::test]
async fn unknown_tokens_cost_no_store_trip() {
    let (site, store) = site();
    let plain = site.browser();
    let mut malformed = site.browser();
    malformed.cookies.insert("__Host-consent".to_owned(), "garbage".to_owned());
    malformed.cookies.insert("__Host-session".to_owned(), "garbage".to_owned());
    let table = [
        plain.clone(),
        plain.clone().with("sec-gpc", "1"),
        plain.clone().with("x-country", "US-CA").with("dnt", "1"),
        plain.with("accept", "text/html").with("accept-language", "de"),
        malformed,
    ];
    for mut browser in table {
        assert_eq!(trips(&store, &site, &mut browser, &ALL).await, 0, "{:?}", browser.headers);
    }
}

#[tokio::test]
async fn sec_gpc_of_a_user_costs_one_write() {
    let (site, store) = site();
    let mut ada = site.browser();
    ada.login("ada").await;
    ok(ada.get("/").await);
    let mut ada = ada.with("sec-gpc", "1");
    assert_eq!(trips(&store, &site, &mut ada, &["/"]).await, 1, "the objection");
    assert_eq!(trips(&store, &site, &mut ada, &["/"]).await, 1, "the account is read again");
    assert_eq!(trips(&store, &site, &mut ada, &ALL).await, 0);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(trips(&store, &site, &mut ada, &ALL).await, 1);
}

#[tokio::test]
async fn decide_costs_one_store_trip() {
    let (site, store) = site();
    let mut browser = site.browser();
    let count = async |browser: &mut Browser, wanted| {
        let before = store.asked();
        ok(browser.decide(wanted).await);
        store.asked() - before
    };
    assert_eq!(count(&mut browser, json!({ "made": [["analytics", "decline"], ["marketing", "decline"]] })).await, 1);
    ok(browser.get("/").await);
    assert_eq!(count(&mut browser, json!({ "made": [["analytics", "decline"]] })).await, 1, "warm");
    ok(browser.get("/offer").await);
    let offered = store.asked();
    let snapshot = ok(browser.get("/offer").await).json()["snapshot"].clone();
    assert_eq!(store.asked(), offered, "what is offered is worked out once");
    assert_eq!(count(&mut browser, json!({ "made": [["marketing", "grant"]], "snapshot": snapshot })).await, 1);
}
