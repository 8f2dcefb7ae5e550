//! Invalid and failed decisions are not stored.

use std::sync::{Arc, Mutex};

use axum::{Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tower_guestbook::{
    Consent, ErrorKind,
    consent::{Choices, Decision, DecisionMethod, PurposeId},
    store::MemoryStore,
};

use super::{Browser, Site, id, ok, rules, set_cookies};
use crate::support::{
    HANDLER_UNAVAILABLE,
    faulty_store::{Fault, FaultyStore},
};

#[tokio::test]
async fn decide_refuses_invalid_choices_and_stores_nothing() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone(), rules());
    let mut visitor = site.browser();
    visitor.grant("analytics").await;
    let snapshot = ok(visitor.get("/offer").await).json()["snapshot"].clone();
    let long = "x".repeat(201);
    let wrong: [(&str, Value); 9] = [
        ("nothing", json!([])),
        ("an unknown purpose", json!([["analytics", "decline"], ["nothing-of-ours", "decline"]])),
        ("no name at all", json!([["Two Words", "grant"]])),
        ("what is necessary", json!([["marketing", "grant"], ["necessary", "decline"]])),
        ("what is necessary, agreed", json!([["necessary", "grant"]])),
        ("a purpose twice", json!([["analytics", "decline"], ["marketing", "grant"], ["analytics", "grant"]])),
        ("the same no twice", json!([["analytics", "decline"], ["analytics", "decline"]])),
        ("a long source", json!([["analytics", "decline"]])),
        ("a long actor", json!([["analytics", "decline"]])),
    ];
    for (what, made) in wrong {
        let mut wanted = json!({ "made": made, "snapshot": snapshot });
        match what {
            "a long source" => wanted["source"] = json!(long),
            "a long actor" => wanted["actor"] = json!(long),
            _ => {}
        }
        let (mut stranger, asked) = (site.browser(), store.asked());
        let refused = stranger.decide(wanted.clone()).await;
        assert_eq!((refused.status, set_cookies(&refused).len()), (StatusCode::BAD_REQUEST, 0), "{what}");
        assert_eq!(store.asked(), asked, "{what}: nothing was even tried");
        let refused = visitor.decide(wanted).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{what}");
        assert_eq!(site.records(&visitor.visitor()).await.len(), 1, "{what}");
        assert!(visitor.allows("analytics").await, "{what}");
    }
    let longest = json!({ "made": [["analytics", "decline"]], "source": long[1..], "actor": long[1..] });
    ok(visitor.decide(longest).await);
    assert_eq!(site.consents().rebuild().await.unwrap(), 0);
}

#[tokio::test]
async fn decide_that_the_store_fails_has_no_effect() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone(), rules());
    let mut visitor = site.browser();
    visitor.grant("analytics").await;
    store.set(Fault::ReadOnly);
    let refused = visitor.post("/withdraw/analytics").await;
    assert_eq!((refused.problem().as_str(), set_cookies(&refused).len()), (HANDLER_UNAVAILABLE, 0));
    let mut stranger = site.browser();
    let refused = stranger.decide(json!({ "made": [["analytics", "decline"]] })).await;
    assert_eq!((refused.problem().as_str(), set_cookies(&refused).len()), (HANDLER_UNAVAILABLE, 0));
    store.set(Fault::Good);
    assert!(visitor.allows("analytics").await);
    assert_eq!(site.records(&visitor.visitor()).await.len(), 1);
    ok(visitor.post("/withdraw/analytics").await);
    assert!(!visitor.allows("analytics").await);
}

#[tokio::test]
async fn decide_after_the_response_head_needs_a_known_visitor() {
    let site = Site::new(MemoryStore::new(), rules());
    let kept: Arc<Mutex<Option<Consent>>> = Arc::default();
    let keeper = kept.clone();
    let keep = get(async move |consent: Consent| {
        *keeper.lock().unwrap() = Some(consent);
    });
    let app = Router::new().route("/keep", keep).layer(site.guestbook.layer());
    let no = || Choices::new(DecisionMethod::Custom).decline(PurposeId::ANALYTICS);

    let mut stranger = Browser { app: app.clone(), ..site.browser() };
    ok(stranger.get("/keep").await);
    let late = kept.lock().unwrap().take().unwrap();
    assert_eq!(late.decide(no()).await.unwrap_err().kind(), ErrorKind::Ended);
    assert_eq!((late.subject(), late.history(10, None).await.unwrap().len()), (None, 0));

    let mut visitor = site.browser();
    visitor.grant("analytics").await;
    visitor.app = app;
    ok(visitor.get("/keep").await);
    let late = kept.lock().unwrap().take().unwrap();
    late.decide(no()).await.unwrap();
    assert!(!late.allows(id("analytics")));
    assert_eq!(site.decisions(&visitor.visitor(), "analytics").await, [Decision::Granted, Decision::Withdrawn]);
}
