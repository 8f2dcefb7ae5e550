//! Restriction: for each reason that users have, and not while an erasure waits.

use super::*;

#[tokio::test]
async fn restriction_is_set_for_each_reason_and_lifted() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let state = async || assert_ok(&ada.get("/restriction").await, StatusCode::OK, "state")["restriction"].clone();
    assert_eq!(state().await, Value::Null);
    assert_problem(&ada.delete("/restriction").await, 404, "nothing restricts");
    let asked = ada.post("/requests/restriction", &json!({})).await.json()["request"]["id"].clone();
    for (body, reason) in [
        (json!({}), "accuracy"),
        (json!({ "reason": null }), "accuracy"),
        (json!({ "reason": "unlawful" }), "unlawful"),
        (json!({ "reason": "claims" }), "claims"),
        (json!({ "reason": "objection_pending" }), "objection_pending"),
    ] {
        let set = assert_ok(&ada.post("/restriction", &body).await, StatusCode::OK, reason);
        assert_eq!((&set["restriction"]["reason"], &set["restriction"]), (&json!(reason), &state().await));
    }
    let request = ada.get(&format!("/requests/{}", asked.as_str().unwrap())).await.json();
    assert_eq!(request["request"]["state"], "done", "what was asked for is done");
    for (body, field) in [
        (json!({ "reason": "erasure_pending" }), "reason"),
        (json!({ "reason": "whim" }), "reason"),
        (json!({ "reason": true }), "reason"),
        (json!({ "reason": "claims", "user": "bob" }), "user"),
    ] {
        assert_names(&ada.post("/restriction", &body).await, 422, field, &body.to_string());
    }
    assert_eq!(state().await["reason"], "objection_pending");
    assert_names(&ada.send(Method::DELETE, "/restriction", &json!({ "user": "bob" })).await, 422, "user", "lift");
    let lifted = assert_ok(&ada.delete("/restriction").await, StatusCode::OK, "lifted");
    assert_eq!((lifted, state().await), (json!({ "restriction": null }), Value::Null));
    let bob = user("bob");
    assert_eq!(site.guestbook.rights().restriction_of(&bob).await.unwrap(), None, "nobody else was meant");
}

#[tokio::test]
async fn user_lifts_a_restriction_of_an_operator() {
    let site = Site::new(MemoryStore::new());
    site.guestbook.rights().restrict(&user("ada"), RestrictionReason::Claims).await.unwrap();
    let ada = site.login("ada").await;
    assert_ok(&ada.delete("/restriction").await, StatusCode::OK, "lifted");
}

#[tokio::test]
async fn the_restriction_of_a_waiting_erasure_is_neither_replaced_nor_lifted() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    ada.post("/requests/erasure", &json!({})).await;
    let (_, id, token) = site.mail.last();
    ada.post(&format!("/requests/{id}/confirmation"), &json!({ "token": token })).await;
    let before = site.state().await;
    assert_eq!(before["ada"]["restriction"]["reason"], "erasure_pending");
    assert_problem(&ada.post("/restriction", &json!({ "reason": "claims" })).await, 409, "replace");
    assert_problem(&ada.delete("/restriction").await, 409, "lift");
    assert_eq!(site.state().await, before);
}
