//! What users may demand.

use super::*;

#[tokio::test]
async fn full_app_exports_all_data_of_the_user_only() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut guest, mut other) = (TestClient::new(&server), TestClient::new(&server));
    let refused = guest.get("/api/gdpr/export").await;
    assert_eq!((refused.status, &refused.json["title"]), (StatusCode::UNAUTHORIZED, &json!("Login required")));

    let token = guest.login("user1", "user123").await.json["session_id"].as_str().unwrap().to_owned();
    other.login("admin", "admin123").await;
    for (guest, needle) in [(&mut guest, "needle of user1"), (&mut other, "needle of admin")] {
        let action = json!({ "action": needle, "details": {} });
        assert_eq!(guest.send(Method::POST, "/api/track/action", &action).await.status, StatusCode::OK);
        guest.send(Method::PUT, "/api/preferences", &json!({ "theme": "dark" })).await;
        guest.send(Method::POST, "/api/consent", &json!({ "consent_type": "marketing", "granted": true })).await;
    }
    let reply = guest.get("/api/gdpr/export").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    assert!(reply.headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
    let export = reply.json;
    assert_eq!((&export["schema_version"], &export["user_id"]), (&json!(1), &json!("2")));
    assert!(export["export_date"].is_i64());
    assert_eq!(export["preferences"], json!({ "theme": "dark" }));
    assert_eq!(export["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&export["consent"][0]["purpose"], &export["consent"][0]["decision"]),
        (&json!("marketing"), &json!("granted"))
    );
    assert_eq!(export["sources"], json!({ "accounts": [{ "id": 2, "name": "user1" }] }));
    let text = export.to_string();
    assert!(text.contains("needle of user1") && !text.contains("needle of admin") && !text.contains(&token));
}

#[tokio::test]
async fn full_app_erases_a_user_after_a_recent_login() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut guest, mut other) = (TestClient::new(&server), TestClient::new(&server));
    assert_eq!(guest.ask(Method::DELETE, "/api/gdpr/delete", &[], "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(guest.get("/api/gdpr/delete").await.status, StatusCode::METHOD_NOT_ALLOWED);
    guest.login("user1", "user123").await;
    other.login("user1", "user123").await;
    guest.send(Method::PUT, "/api/preferences", &json!({ "theme": "dark" })).await;
    guest.send(Method::POST, "/api/consent", &json!({ "consent_type": "marketing", "granted": true })).await;
    let foreign = guest.ask(Method::DELETE, "/api/gdpr/delete", &[("origin", "https://evil.example")], "").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);

    let reply = guest.ask(Method::DELETE, "/api/gdpr/delete", &[], "").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
    assert_eq!(reply.json["user_id"], "2");
    for (count, expected) in [("sessions_deleted", 2), ("preferences_deleted", 1), ("consent_deleted", 1)] {
        assert_eq!(reply.json[count], expected, "{count}: {}", reply.json);
    }
    assert!(reply.json["activities_deleted"].as_u64() >= Some(4), "{}", reply.json);
    assert!(reply.json["deleted_at"].is_i64());
    assert_eq!((&reply.json["is_clean"], &reply.json["sources"]), (&json!(true), &json!([["accounts", 1]])));
    assert!(reply.headers["clear-site-data"].to_str().unwrap().contains("cookies"));
    assert!(!guest.cookies.contains_key("session_id"), "the cookie goes");

    assert_eq!(other.get("/api/session").await.status, StatusCode::UNAUTHORIZED, "the other device is logged out");
    let again = guest.send(Method::POST, "/auth/login", &json!({ "username": "user1", "password": "user123" })).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "the account is gone");
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_erases_users_restored_from_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let files = ["guestbook.db", "guestbook.db.users"].map(|name| directory.path().join(name));
    let start = || Server::start(directory.path());
    let server = start();
    let mut guest = TestClient::new(&server);
    guest.login("user1", "user123").await;
    guest.send(Method::PUT, "/api/preferences", &json!({ "theme": "dark" })).await;
    let cookies = guest.cookies;
    server.stop();
    let backup = files.each_ref().map(|file| std::fs::read(file).unwrap());

    let server = start();
    let mut guest = TestClient::new(&server);
    guest.login("user1", "user123").await;
    assert_eq!(guest.ask(Method::DELETE, "/api/gdpr/delete", &[], "").await.status, StatusCode::OK);
    server.stop();

    for (file, bytes) in files.iter().zip(&backup) {
        for suffix in ["-wal", "-shm"] {
            // What is not there need not be removed.
            let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
        }
        std::fs::write(file, bytes).unwrap();
    }
    let server = start();
    let mut guest = TestClient { server: &server, cookies };
    assert_eq!(guest.get("/api/session").await.status, StatusCode::UNAUTHORIZED, "the session of before is over");
    let again = json!({ "username": "user1", "password": "user123" });
    let again = guest.send(Method::POST, "/auth/login", &again).await;
    assert_ne!(again.status, StatusCode::OK, "{}", again.json);
    assert_eq!(login(&server, "admin", "admin123").await.status, StatusCode::OK);
}
