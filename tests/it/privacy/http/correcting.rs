//! Rectification: preferences, and the sources that users may correct.

use tower_guestbook::preferences::Schema;

use super::*;

async fn patch(caller: &Caller, body: &Value) -> Answer {
    caller.send(Method::PATCH, "/rectification", body).await
}

#[tokio::test]
async fn rectification_corrects_and_completes_the_open_request() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let asked = ada.post("/requests/rectification", &json!({})).await.json()["request"]["id"].clone();
    let both = json!({ "preferences": { "theme": "dark" }, "sources": { "addresses": { "address": "Ockham" } } });
    let done = assert_ok(&patch(&ada, &both).await, StatusCode::OK, "both");
    assert_eq!(done, json!({ "preferences": 1, "sources": { "addresses": true } }));
    let export = ada.get("/export").await.json();
    assert_eq!(
        (&export["preferences"]["theme"], &export["sources"]["addresses"]),
        (&json!("dark"), &json!(["Ockham"]))
    );
    let request = ada.get(&format!("/requests/{}", asked.as_str().unwrap())).await.json();
    assert_eq!(request["request"]["state"], "done");
    let bob = site.login("bob").await;
    assert_eq!(bob.get("/export").await.json()["preferences"], json!({}), "nobody else was meant");

    let not_understood = json!({ "sources": { "addresses": { "street": "Ockham" } } });
    let done = assert_ok(&patch(&ada, &not_understood).await, StatusCode::OK, "not understood");
    assert_eq!(done, json!({ "preferences": null, "sources": { "addresses": false } }));
}

#[tokio::test]
async fn rectification_names_an_invalid_member_and_changes_nothing() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let before = site.state().await;
    for (body, field, reason) in [
        (json!({}), "preferences", "can be corrected"),
        (json!({ "activities": [] }), "activities", ""),
        (json!({ "user": "bob", "preferences": { "theme": "dark" } }), "user", ""),
        (json!({ "preferences": 7 }), "preferences", ""),
        (json!({ "preferences": { "theme": "plaid" } }), "preferences", "theme"),
        (json!({ "preferences": { "unknown": 7 } }), "preferences", "unknown"),
        (json!({ "sources": 7 }), "sources", ""),
        (json!({ "sources": { "roles": { "role": "admin" } } }), "sources", ""),
        (json!({ "sources": { "nowhere": {} } }), "sources", ""),
        (json!({ "preferences": { "theme": "dark" }, "sources": { "roles": {} } }), "sources", ""),
        (json!({ "sources": { "addresses": { "address": 7 } } }), "sources.addresses", "an address is a text"),
    ] {
        let answer = patch(&ada, &body).await;
        assert_names(&answer, 422, field, &body.to_string());
        assert!(answer.json()["reason"].as_str().unwrap_or_default().contains(reason), "{body}: {}", answer.body);
    }
    assert_eq!(site.state().await, before);
}

#[tokio::test]
async fn rectification_too_large_gets_413_and_stores_nothing() {
    let schema = Schema::<StandardPreferences>::new().unwrap().max_bytes(20);
    let (builder, _clock) = builder(MemoryStore::new());
    let guestbook = builder.preferences(PreferenceRules::new(schema)).build().unwrap();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    let ada = Caller { app: app(&guestbook), cookie: client.cookie, origin: None };
    let long = json!({ "preferences": { "theme": "dark", "language": "de" } });
    assert_problem(&patch(&ada, &long).await, 413, "too much");
    assert_ok(&patch(&ada, &json!({ "preferences": { "theme": "dark" } })).await, StatusCode::OK, "it fits");
    let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
    assert_eq!(preferences.get(&user("ada")).await.unwrap().version, 1);
}

#[tokio::test]
async fn rectification_keeps_what_was_corrected_before_a_source_failed() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let both = json!({ "preferences": { "theme": "dark" }, "sources": { "addresses": { "address": 7 } } });
    assert_names(&patch(&ada, &both).await, 422, "sources.addresses", "both");
    let state = site.state().await;
    assert_eq!((&state["ada"]["preferences"], &state["ada"]["address"]), (&json!(1), &Value::Null));
}

#[test]
fn correctable_sources_refuses_an_unknown_source() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let build = |rules: PrivacyRules| builder(MemoryStore::new()).0.personal_data(Roles).privacy(rules).build();
    let error = build(PrivacyRules::new().correctable_sources(["rolls"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("\"rolls\""), "{error}");
    assert!(build(PrivacyRules::new().correctable_sources(["roles"])).is_ok());
    for impossible in [
        PrivacyRules::new().requests(RateLimit::per_minute(0)),
        PrivacyRules::new().sensitive_requests(RateLimit::new(1, Duration::ZERO)),
        PrivacyRules::new().limited_users(0),
    ] {
        assert_eq!(build(impossible).unwrap_err().kind(), ErrorKind::Configuration);
    }
}
