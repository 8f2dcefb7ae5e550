//! What the document says beside the data.

use axum::{Router, routing::get};
use tower_guestbook::{
    Session,
    activity::EventType,
    retention::{Keep, RetentionRules},
};

use super::*;
use crate::support::TestClient;

#[tokio::test]
async fn export_has_controller_purposes_and_periods() {
    let (builder, clock) = rules(MemoryStore::new());
    let retention =
        RetentionRules::new().keep_activities(Keep::For(30 * DAY)).keep_event_type(EventType::PURCHASE, Keep::Forever);
    let controller = Controller::new("Shop", "1 High Street", "privacy@shop.example").data_protection_officer("Eve");
    let guestbook = builder.controller(controller).retention(retention).build().unwrap();
    decide(&guestbook, "ada", Choices::new(DecisionMethod::Custom).grant(PurposeId::ANALYTICS)).await;
    clock.advance(DAY);
    let text = String::from_utf8(text(&guestbook, "ada").await).unwrap();
    let names = [
        "schema_version",
        "user_id",
        "export_date",
        "controller",
        "purposes",
        "retention",
        "sessions",
        "preferences",
        "restriction",
        "holds",
        "requests",
        "consent",
        "activities",
        "audit",
        "sources",
    ];
    let places: Vec<_> = names.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");

    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document.as_object().unwrap().len(), names.len());
    assert_eq!(
        document["controller"],
        json!({ "name": "Shop", "address": "1 High Street", "contact": "privacy@shop.example", "data_protection_officer": "Eve" })
    );
    let purposes = document["purposes"].as_array().unwrap();
    let [billing, analytics, marketing] = &purposes[..] else { panic!("{purposes:?}") };
    assert_eq!(
        (&billing["id"], &billing["basis"], &billing["mode"], &billing["allowed"], &billing["recipients"]),
        (&json!("billing"), &json!("contract"), &json!("necessary"), &json!(true), &json!(["the bank"]))
    );
    assert_eq!(
        (&analytics["id"], &analytics["allowed"], &analytics["why"]),
        (&json!("analytics"), &json!(true), &json!("granted"))
    );
    assert_eq!(analytics["expiry_seconds"], 180 * 86_400);
    assert_eq!(
        (&analytics["consent_state"]["decision"], &analytics["consent_state"]["since"]),
        (&json!("granted"), &json!(START.as_millis()))
    );
    assert_eq!(
        analytics["retention"],
        json!([{ "class": "activities", "keep_seconds": 30 * 86_400 }, { "class": "activities:purchase", "keep_seconds": null }])
    );
    assert_eq!(
        (&marketing["allowed"], &marketing["consent_state"], &marketing["retention"]),
        (&json!(false), &Value::Null, &json!([]))
    );
    assert_eq!(marketing["security"], Value::Null, "that is for authorities");
    let periods: Vec<_> =
        document["retention"].as_array().unwrap().iter().map(|period| period["class"].clone()).collect();
    assert_eq!(
        periods,
        [
            "activities",
            "activities:login",
            "activities:logout",
            "activities:purchase",
            "audit",
            "sessions",
            "preferences",
            "consent",
            "erasures"
        ]
    );
}

#[tokio::test]
async fn export_without_purposes_and_controller_has_null_and_empty() {
    let (builder, _clock) = support::builder(MemoryStore::new());
    let document = document(&builder.build().unwrap(), "ada").await;
    assert_eq!((&document["controller"], &document["purposes"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn export_has_session_data_without_tokens_and_secrets() {
    let (builder, clock) = rules(MemoryStore::new());
    let guestbook = builder.secret_session_keys(["oauth"]).build().unwrap();
    let fill = async |session: Session| {
        session.insert("cart", &[1, 2]).unwrap();
        session.insert("oauth", "hidden needle").unwrap();
    };
    let app: Router = support::routes().route("/fill-two", get(fill)).layer(guestbook.session_layer());
    let (mut client, mut other) = (TestClient::new(&app), TestClient::new(&app));
    let token = client.ok("/login/ada").await.body;
    client.ok("/fill-two").await;
    other.ok("/login/eve").await;
    other.ok("/set/note/of-eve").await;
    let text = String::from_utf8(text(&guestbook, "ada").await).unwrap();
    let of_ada: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(of_ada["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(of_ada["sessions"][0]["data"], json!({ "cart": [1, 2], "oauth": null }));
    assert!(of_ada["sessions"][0]["device"].is_string());
    assert!(!token.is_empty() && !text.contains(&token) && !text.contains("hidden needle") && !text.contains("of-eve"));
    clock.advance(DAY);
    assert_eq!(document(&guestbook, "ada").await["sessions"], json!([]), "they are over");
}
