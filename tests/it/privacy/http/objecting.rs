//! Objections: listed, made, taken back; and what is allowed then.

use tower_guestbook::consent::{Choices, Decision, DecisionContext};

use super::*;

/// Returns whether purposes are allowed for the user.
async fn allowed(caller: &Caller) -> (Value, Value) {
    let state = assert_ok(&caller.get("/consent").await, StatusCode::OK, "consent");
    let of = |id: &str| {
        let purposes = state["purposes"].as_array().unwrap();
        purposes.iter().find(|purpose| purpose["id"] == id).unwrap()["allowed"].clone()
    };
    (of("analytics"), of("marketing"))
}

#[tokio::test]
async fn objection_ends_processing_until_it_is_withdrawn() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    assert_eq!(allowed(&ada).await, (json!(true), json!(false)));
    assert_problem(&ada.delete("/objection/analytics").await, 404, "there is none to take back");
    for purpose in ["analytics", "marketing"] {
        let answer = assert_ok(&ada.post(&format!("/objection/{purpose}"), &json!({})).await, StatusCode::OK, purpose);
        assert_eq!((&answer["purpose"], &answer["decision"]), (&json!(purpose), &json!("objected")));
    }
    assert_eq!(allowed(&ada).await, (json!(false), json!(false)));
    let listed = assert_ok(&ada.get("/objection").await, StatusCode::OK, "list");
    let since = site.clock.now();
    let objection = |purpose| json!({ "purpose": purpose, "decision": "objected", "since": since });
    assert_eq!(listed["objections"], json!([objection("analytics"), objection("marketing")]));
    assert_eq!(site.login("bob").await.get("/objection").await.json()["objections"], json!([]));

    let free = assert_ok(&ada.delete("/objection/analytics").await, StatusCode::OK, "analytics");
    let asked = assert_ok(&ada.delete("/objection/marketing").await, StatusCode::OK, "marketing");
    assert_eq!((&free["decision"], &asked["decision"]), (&json!("granted"), &json!("denied")));
    assert_eq!(allowed(&ada).await, (json!(true), json!(false)), "what needs a consent has none");
    assert_problem(&ada.delete("/objection/analytics").await, 404, "once");
    assert_eq!(ada.get("/objection").await.json()["objections"], json!([]));
    let history = site.guestbook.consents().unwrap().history(&user("ada").into(), 10, None).await.unwrap();
    assert_eq!(history.len(), 4, "nothing is overwritten");
}

#[tokio::test]
async fn withdrawn_objection_does_not_restore_an_older_grant() {
    let site = Site::new(MemoryStore::new());
    let consents = site.guestbook.consents().unwrap();
    let yes = Choices::new(tower_guestbook::consent::DecisionMethod::Import).grant(PurposeId::MARKETING);
    consents.decide(&user("ada").into(), yes, &DecisionContext::default()).await.unwrap();
    let ada = site.login("ada").await;
    assert_eq!(allowed(&ada).await.1, true);
    ada.post("/objection/marketing", &json!({})).await;
    ada.delete("/objection/marketing").await;
    assert_eq!(allowed(&ada).await.1, false);
    let consent_states = consents.consent_states(&user("ada").into()).await.unwrap();
    assert_eq!(consent_states.get(&PurposeId::MARKETING).unwrap().decision, Decision::Denied);
}

#[tokio::test]
async fn objection_to_a_necessary_purpose_is_refused_and_the_proof_has_the_session() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let before = site.state().await;
    assert_names(&ada.post("/objection/necessary", &json!({})).await, 422, "purpose", "necessary");
    assert_names(&ada.post("/objection/analytics", &json!({ "user": "bob" })).await, 422, "user", "a name");
    assert_eq!(site.state().await, before);
    ada.post("/objection/analytics", &json!({})).await;
    let history = site.guestbook.consents().unwrap().history(&user("ada").into(), 10, None).await.unwrap();
    let session = site.guestbook.sessions().list(&user("ada")).await.unwrap()[0].id;
    assert_eq!(history[0].proof.session, Some(session));
}

#[tokio::test]
async fn request_that_objects_is_not_recorded() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let seen = async || {
        site.guestbook.flush().await.unwrap();
        let filter = tower_guestbook::activity::ActivityFilter::new().user(user("ada"));
        let query = tower_guestbook::activity::HistoryQuery::new(filter);
        let history = site.guestbook.activities().history(query).await.unwrap().activities;
        let routes = history.into_iter().filter_map(|activity| activity.event.request.map(|request| request.route));
        routes.map(|route| route.to_string()).collect::<Vec<_>>()
    };
    let id = ada.post("/requests/access", &json!({})).await.json()["request"]["id"].as_str().unwrap().to_owned();
    ada.get(&format!("/requests/{id}")).await;
    ada.post("/objection/analytics", &json!({})).await;
    ada.get("/audit").await;
    let seen = seen().await;
    assert!(seen.contains(&"/privacy/requests/{request}".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|route| route.contains(&id)), "{seen:?}");
    assert!(!seen.iter().any(|route| route.contains("objection") || route.contains("audit")), "{seen:?}");
}
