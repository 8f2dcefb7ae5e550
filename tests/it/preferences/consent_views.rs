//! Consent views: keys that show a decision, and decide when they are written.

use std::time::Duration;

use axum::{
    Router,
    http::{StatusCode, header},
};
use serde_json::{Value, json};
use tower_guestbook::{
    ErrorKind, Guestbook,
    consent::{
        Category, Choices, ConsentRules, Decision, DecisionContext, DecisionMethod, Jurisdiction, Mode, Purpose,
        PurposeId, Purposes, Regime,
    },
    http::RequestHead,
    preferences::{PreferenceRules, Schema, StandardPreferences},
    store::MemoryStore,
};

use super::{Browser, app, standard, stored, user};
use crate::support::{builder, faulty_store::FaultyStore};

pub(super) fn consent(analytics: Purpose) -> ConsentRules {
    let half_a_year = Duration::from_secs(180 * 86_400);
    let purposes = Purposes::builder()
        .purpose(Purpose::new("necessary", Category::Necessary))
        .purpose(analytics.expiry(half_a_year))
        .build();
    ConsentRules::new(purposes.unwrap()).activity_purpose(None)
}

pub(super) fn analytics(mode: Mode) -> Purpose {
    Purpose::new("analytics", Category::Analytics).mode(mode)
}

pub(super) fn view() -> PreferenceRules<StandardPreferences> {
    PreferenceRules::standard().unwrap().consent_view("privacy.allow_analytics", PurposeId::ANALYTICS)
}

/// The view on a purpose that is allowed only where somebody agrees, or as `mode` says; grants need
/// no notice.
fn viewing(mode: Mode) -> (Guestbook, Router, FaultyStore) {
    let store = FaultyStore::default();
    let rules = consent(analytics(mode)).accept_grants_without_notice();
    let guestbook = builder(store.clone()).0.consent(rules).preferences(view()).build().unwrap();
    let app = app(&guestbook);
    (guestbook, app, store)
}

fn allow(allow: bool) -> Value {
    json!({ "privacy": { "allow_analytics": allow } })
}

fn shows(value: &Value) -> bool {
    value["privacy"]["allow_analytics"].as_bool().unwrap()
}

/// Everybody's browsers: a visitor's and a user's.
async fn everybody(app: &Router) -> [Browser; 2] {
    [Browser::new(app), Browser::of(app, "ada").await]
}

/// What was recorded of the browser's client, the last first.
async fn decisions(browser: &mut Browser) -> Vec<(String, String, String)> {
    let decisions = browser.get("/decisions").await.json();
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let decisions = decisions.as_array().unwrap().iter();
    decisions.map(|record| (text(record, "decision"), text(record, "method"), text(record, "source"))).collect()
}

fn recorded(decision: &str) -> (String, String, String) {
    (decision.into(), "custom".into(), "preferences".into())
}

#[tokio::test]
async fn consent_view_shows_the_mode_before_a_decision() {
    for (mode, allowed) in
        [(Mode::OptIn, false), (Mode::OptOut, true), (Mode::ExemptWithObjection, true), (Mode::NoticeOnly, true)]
    {
        let (guestbook, app, _) = viewing(mode);
        for mut browser in everybody(&app).await {
            assert_eq!(browser.value().await, standard(allow(allowed)), "{mode:?}");
        }
        let service = guestbook.preferences::<StandardPreferences>().unwrap();
        assert_eq!(service.get(&user("ada")).await.unwrap().value.privacy.allow_analytics, allowed);
    }
}

#[tokio::test]
async fn writing_a_consent_view_records_the_fitting_decision() {
    for (mode, first_no) in
        [(Mode::OptOut, "denied"), (Mode::ExemptWithObjection, "objected"), (Mode::NoticeOnly, "objected")]
    {
        let (_, app, store) = viewing(mode);
        for mut browser in everybody(&app).await {
            assert!(!shows(&browser.set(allow(false)).await));
            assert!(!shows(&browser.value().await));
            assert_eq!(decisions(&mut browser).await, [recorded(first_no)]);
            assert!(shows(&browser.set(allow(true)).await));
            assert!(shows(&browser.value().await));
            assert!(!shows(&browser.set(allow(false)).await));
            let all = [recorded("withdrawn"), recorded("granted"), recorded(first_no)];
            assert_eq!(decisions(&mut browser).await, all, "{mode:?}");
        }
        assert_eq!(stored(&store, "ada").await, (json!({}), 0), "the decision is all there is");
    }
}

#[tokio::test]
async fn writing_the_current_value_of_a_consent_view_records_nothing() {
    let (_, app, store) = viewing(Mode::OptIn);
    for mut browser in everybody(&app).await {
        browser.set(allow(false)).await;
        assert_eq!(decisions(&mut browser).await, []);
        browser.set(allow(true)).await;
        browser.set(allow(true)).await;
        assert_eq!(decisions(&mut browser).await, [recorded("granted")]);
        // The whole object, as a settings page that knows no better sends it back.
        browser.set(json!({ "notifications": { "sms": true } })).await;
        let whole = browser.get("/preferences").await;
        let read: StandardPreferences = serde_json::from_str(&whole.body).unwrap();
        assert_eq!(browser.set(serde_json::to_value(read).unwrap()).await, whole.json());
        assert_eq!(browser.etag().await, whole.header(header::ETAG).unwrap());
        assert_eq!(decisions(&mut browser).await, [recorded("granted")]);
    }
    assert_eq!(stored(&store, "ada").await, (json!({ "notifications": { "sms": true } }), 1));
}

#[tokio::test]
async fn consent_view_cannot_be_reset() {
    let (guestbook, app, store) = viewing(Mode::OptIn);
    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    for mut browser in everybody(&app).await {
        browser.set(json!({ "theme": "dark", "privacy": { "profile_public": true, "allow_analytics": true } })).await;
        for wrong in [json!(null), json!("needle"), json!(1), json!({ "needle": true }), json!([])] {
            let patch = json!({ "theme": "system", "privacy": { "allow_analytics": wrong } });
            let answer = browser.patch(patch).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
            assert!(answer.body.contains("privacy.allow_analytics") && !answer.body.contains("needle"));
        }
        let value = browser.reset("privacy").await;
        assert_eq!(value, standard(json!({ "theme": "dark" })), "the rest of the category only: still granted");
        assert_eq!(browser.set(json!({ "privacy": null })).await, value);
        assert_eq!(browser.set(json!({ "privacy": {} })).await, value);
        assert_eq!(decisions(&mut browser).await, [recorded("granted")]);
    }
    let error = service.reset(&user("ada"), "privacy.allow_analytics").await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("privacy.allow_analytics"));
    assert_eq!(stored(&store, "ada").await.0, json!({ "theme": "dark" }));
}

#[tokio::test]
async fn update_stores_a_patch_without_its_consent_views() {
    let (_, app, store) = viewing(Mode::OptIn);
    let mut ada = Browser::of(&app, "ada").await;
    let patch = json!({ "theme": "dark", "privacy": { "allow_analytics": true, "show_activity": false } });
    assert_eq!(ada.set(patch.clone()).await, standard(patch));
    let kept = json!({ "theme": "dark", "privacy": { "show_activity": false } });
    assert_eq!(stored(&store, "ada").await, (kept, 1));
}

#[tokio::test]
async fn consent_view_shows_any_withdrawal_at_once() {
    let (guestbook, app, _) = viewing(Mode::OptIn);
    for mut browser in everybody(&app).await {
        assert!(shows(&browser.set(allow(true)).await));
        browser.get("/withdraw/analytics").await;
        assert!(!shows(&browser.value().await));
    }
    let (ada, consents) = (user("ada"), guestbook.consents().unwrap());
    let mut browser = Browser::of(&app, "ada").await;
    browser.set(allow(true)).await;
    consents.withdraw(&ada.clone().into(), PurposeId::ANALYTICS, &DecisionContext::default()).await.unwrap();
    assert!(!shows(&browser.value().await));
    let grant = Choices::new(DecisionMethod::Api).grant(PurposeId::ANALYTICS);
    consents.decide(&ada.into(), grant, &DecisionContext::default()).await.unwrap();
    assert!(shows(&browser.value().await));
}

#[tokio::test]
async fn consent_view_ignores_a_stored_value_of_its_key() {
    let store = FaultyStore::default();
    let before = builder(store.clone()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    Browser::of(&app(&before), "ada").await.set(allow(false)).await;
    let rules = consent(analytics(Mode::ExemptWithObjection)).accept_grants_without_notice();
    let after = builder(store.clone()).0.consent(rules).preferences(view()).build().unwrap();
    let mut ada = Browser::of(&app(&after), "ada").await;
    assert!(shows(&ada.value().await));
    ada.set(allow(false)).await;
    assert_eq!(decisions(&mut ada).await, [recorded("objected")]);
}

#[tokio::test]
async fn user_preferences_update_of_a_consent_view_decides_with_method_api() {
    let (guestbook, _, store) = viewing(Mode::OptIn);
    let (service, ada) = (guestbook.preferences::<StandardPreferences>().unwrap(), user("ada"));
    let patch = json!({ "theme": "dark", "privacy": { "allow_analytics": true } });
    let now = service.update(&ada, &patch, Some(0)).await.unwrap();
    assert!(now.value.privacy.allow_analytics && now.version == 1);
    service.update(&ada, &patch, None).await.unwrap();
    assert!(!service.update(&ada, &allow(false), None).await.unwrap().value.privacy.allow_analytics);
    let history = guestbook.consents().unwrap().history(&ada.into(), 10, None).await.unwrap();
    let decisions: Vec<_> = history.iter().map(|record| record.consent_state.decision).collect();
    assert_eq!(decisions, [Decision::Withdrawn, Decision::Granted]);
    for record in &history {
        assert_eq!((record.proof.method, record.proof.source.as_deref()), (DecisionMethod::Api, Some("preferences")));
    }
    assert_eq!(stored(&store, "ada").await, (json!({ "theme": "dark" }), 1));
}

#[tokio::test]
async fn update_refuses_the_whole_patch_if_a_grant_lacks_its_notice() {
    let store = FaultyStore::default();
    let rules = consent(analytics(Mode::OptIn));
    let guestbook = builder(store.clone()).0.consent(rules).preferences(view()).build().unwrap();
    let app = app(&guestbook);
    let patch = json!({ "theme": "dark", "privacy": { "allow_analytics": true } });
    for mut browser in everybody(&app).await {
        let cookies = browser.cookies.clone();
        assert_eq!(browser.patch(patch.clone()).await.status, StatusCode::CONFLICT);
        assert_eq!((browser.value().await, &browser.cookies), (standard(allow(false)), &cookies));
        assert_eq!(decisions(&mut browser).await, []);
    }
    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    let error = service.update(&user("ada"), &patch, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(stored(&store, "ada").await, (json!({}), 0));
}

#[tokio::test]
async fn refused_patch_makes_no_decision() {
    let store = FaultyStore::default();
    let schema = Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys().max_bytes(100);
    let view = PreferenceRules::new(schema).consent_view("privacy.allow_analytics", PurposeId::ANALYTICS);
    let rules = consent(analytics(Mode::OptIn)).accept_grants_without_notice();
    let guestbook = builder(store.clone()).0.consent(rules).preferences(view).build().unwrap();
    let app = app(&guestbook);
    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    let patch = |rest: Value| {
        let mut patch = allow(true);
        super::merge(&mut patch, &rest);
        patch
    };
    let (wrong, large) = (patch(json!({ "theme": "needle" })), patch(json!({ "large": "x".repeat(100) })));
    for mut browser in everybody(&app).await {
        assert_eq!(browser.patch(wrong.clone()).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(browser.patch(large.clone()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
        let answer = browser.patch_if("\"7-a\"", allow(true)).await;
        assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
        assert_eq!(decisions(&mut browser).await, []);
        assert!(!shows(&browser.value().await));
    }
    for (patch, expected) in [(wrong, None), (large, None), (allow(true), Some(7))] {
        service.update(&user("ada"), &patch, expected).await.unwrap_err();
    }
    assert!(!service.get(&user("ada")).await.unwrap().value.privacy.allow_analytics);
}

#[tokio::test]
async fn login_links_decisions_made_through_a_consent_view() {
    let (_, app, _) = viewing(Mode::ExemptWithObjection);
    let mut browser = Browser::new(&app);
    browser.set(json!({ "theme": "dark", "privacy": { "allow_analytics": false } })).await;
    browser.login("ada").await;
    assert_eq!(browser.value().await, standard(json!({ "theme": "dark", "privacy": { "allow_analytics": false } })));
    browser.get("/logout").await;
    assert_eq!(browser.value().await, standard(json!({})), "a new visitor");
}

#[tokio::test]
async fn reading_a_consent_view_makes_the_response_depend_on_consent() {
    let sold = analytics(Mode::OptOut).sells_or_shares(true);
    let rules = consent(sold).jurisdictions(|_: RequestHead<'_>| Some(Jurisdiction::new("US", Regime::OptOut)));
    let guestbook = builder(MemoryStore::new()).0.consent(rules).preferences(view()).build().unwrap();
    let app = app(&guestbook);
    for (signal, allowed) in [("0", true), ("1", false)] {
        let mut stranger = Browser::new(&app).with("sec-gpc", signal);
        let answer = stranger.get("/preferences").await;
        assert_eq!(shows(&answer.json()), allowed);
        let vary: Vec<_> = answer.headers.get_all(header::VARY).iter().map(|vary| vary.to_str().unwrap()).collect();
        assert!(vary.join(", ").to_ascii_lowercase().contains("sec-gpc"), "{vary:?}");
        assert!(answer.header(header::CACHE_CONTROL).is_some_and(|control| control.contains("private")));
        assert!(stranger.get("/plain").await.header(header::VARY).is_none());
    }
}

#[tokio::test]
async fn etag_changes_with_a_withdrawal() {
    let (guestbook, app, store) = viewing(Mode::OptIn);
    let service = guestbook.preferences::<StandardPreferences>().unwrap();
    // Another process: what it decides is not known here at once.
    let rules = builder(store.clone())
        .0
        .consent(consent(analytics(Mode::OptIn)).accept_grants_without_notice())
        .preferences(view());
    let elsewhere = super::app(&rules.build().unwrap());
    for mut browser in everybody(&app).await {
        browser.set(allow(true)).await;
        for there in [&app, &elsewhere] {
            browser.set(allow(true)).await;
            let tag = browser.etag().await;
            browser.at(there).get("/withdraw/analytics").await;
            for patch in [json!({ "theme": "dark" }), allow(true)] {
                let answer = browser.patch_if(&tag, patch).await;
                assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{}", answer.body);
            }
            // What the process here knew is known anew after the comparison.
            let mut now = browser.at(there);
            assert_eq!(now.value().await, standard(json!({ "privacy": { "allow_analytics": false } })));
            let tag = now.etag().await;
            assert_eq!(now.patch_if(&tag, allow(true)).await.status, StatusCode::OK);
        }
    }
    let ada = user("ada");
    let before = service.get(&ada).await.unwrap();
    assert!(before.value.privacy.allow_analytics);
    service.update(&ada, &allow(false), None).await.unwrap();
    let tags = before.etag.parse().unwrap();
    let error = service.update_if(&ada, &allow(true), &tags).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::VersionMismatch);
    let tags = service.get(&ada).await.unwrap().etag.parse().unwrap();
    assert!(service.update_if(&ada, &allow(true), &tags).await.unwrap().value.privacy.allow_analytics);
}
