//! What others see of a user.

use super::*;

#[tokio::test]
async fn full_app_profile_respects_visibility() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut user = TestClient::new(&server);
    user.login("user1", "user123").await;
    for number in 0..12 {
        user.send(Method::POST, "/api/track/page", &json!({ "page": format!("/page-{number}?token=secret#top") }))
            .await;
        user.send(Method::POST, "/api/track/action", &json!({ "action": "secret" })).await;
    }
    user.get("/api/activities").await;
    let (path, mut stranger) = ("/api/users/2/profile", TestClient::new(&server));
    let nobody = stranger.get("/api/users/77/profile").await;
    assert_error(&nobody, StatusCode::NOT_FOUND, "77");
    for id in ["2", "1", "nonsense", "-1", "99999999999999999999", "%00"] {
        let hidden = stranger.get(&format!("/api/users/{id}/profile")).await;
        assert_eq!((hidden.status, &hidden.json), (nobody.status, &nobody.json), "{id}");
    }

    user.patch(json!({ "privacy": { "profile_public": true } })).await;
    let profile = stranger.get(path).await;
    assert_eq!(profile.status, StatusCode::OK);
    assert_eq!(profile.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!((&profile.json["user_id"], &profile.json["name"]), (&json!(2), &json!("user1")));
    let views = profile.json["page_views"].as_array().unwrap();
    let pages: Vec<_> = views.iter().map(|view| view["page"].as_str().unwrap()).collect();
    assert_eq!(pages, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map(|number| format!("/page-{number}")));
    assert!(views.iter().all(|view| view.as_object().unwrap().len() == 2 && view["at"].is_i64()), "{views:?}");

    user.patch(json!({ "privacy": { "show_activity": false } })).await;
    assert_eq!(stranger.get(path).await.json, json!({ "user_id": 2, "name": "user1" }));
    user.patch(json!({ "privacy": { "profile_public": false, "show_activity": true } })).await;
    assert_error(&stranger.get(path).await, StatusCode::NOT_FOUND, "hidden again");
}

#[tokio::test]
async fn full_app_profile_hides_activity_of_restricted_or_objecting_users() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut user, mut stranger) = (TestClient::new(&server), TestClient::new(&server));
    user.login("user1", "user123").await;
    user.send(Method::POST, "/api/track/page", &json!({ "page": "/prices" })).await;
    user.get("/api/activities").await;
    user.patch(json!({ "privacy": { "profile_public": true } })).await;
    let mut shown = async || {
        let profile = stranger.get("/api/users/2/profile").await;
        assert_eq!(profile.status, StatusCode::OK);
        profile.json["page_views"].as_array().unwrap().len()
    };
    assert_eq!(shown().await, 1);
    let none = json!({});
    assert_eq!(user.send(Method::POST, "/api/gdpr/restriction", &none).await.status, StatusCode::OK);
    assert_eq!(shown().await, 0, "restricted");
    assert_eq!(user.ask(Method::DELETE, "/api/gdpr/restriction", &[], "").await.status, StatusCode::OK);
    assert_eq!(shown().await, 1);
    assert_eq!(user.send(Method::POST, "/api/gdpr/objection/analytics", &none).await.status, StatusCode::OK);
    assert_eq!(shown().await, 0, "objected");
}
