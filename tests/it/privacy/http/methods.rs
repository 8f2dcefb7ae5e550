//! Paths that there are not, and methods that cannot be used.

use super::*;

#[tokio::test]
async fn other_methods_get_405_with_allow() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let before = site.state().await;
    let id = "0199f0e0-7a00-7000-8000-000000000001";
    for (path, allowed) in [
        ("/export", "GET"),
        ("/delete", "DELETE, POST"),
        ("/requests", "GET, HEAD"),
        ("/requests/access", "GET, HEAD, POST"),
        (&format!("/requests/{id}"), "GET, HEAD, DELETE"),
        (&format!("/requests/{id}/confirmation"), "POST"),
        ("/restriction", "GET, HEAD, POST, DELETE"),
        ("/objection", "GET, HEAD"),
        ("/objection/analytics", "POST, DELETE"),
        ("/rectification", "PATCH"),
        ("/consent", "GET, HEAD, POST"),
        ("/consent/receipt", "GET, HEAD"),
        ("/consent/analytics", "DELETE"),
        ("/audit", "GET, HEAD"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
            if allowed.split(", ").any(|known| known == method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            for caller in [&ada, &site.stranger()] {
                let answer = caller.ask(method.clone(), path, &[], "").await;
                assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                assert_eq!(answer.header(header::ALLOW), Some(allowed), "{method} {path}");
                assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"), "{method} {path}");
            }
        }
    }
    assert_eq!(site.state().await, before);
    assert_ok(&ada.get("/requests").await, StatusCode::OK, "none of it counted");
}

#[tokio::test]
async fn unknown_paths_get_404() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    for path in ["/requests/gold", "/objection/Two%20Words", "/requests/access/confirmation"] {
        let answer = ada.get(path).await;
        assert!([404, 405].contains(&answer.status.as_u16()), "{path}");
    }
    assert_problem(&ada.get("/requests/gold").await, 404, "no kind");
    assert_names(&ada.post("/requests/gold", &json!({})).await, 400, "kind", "no kind");
    assert_problem(&ada.post("/objection/fun", &json!({})).await, 404, "a purpose that nobody has declared");
    assert_problem(&ada.delete("/objection/fun").await, 404, "a purpose that nobody has declared");
    assert_problem(&ada.delete("/consent/fun").await, 404, "a purpose that nobody has declared");
    // Whatever is outside belongs to the application.
    assert_eq!(ada.get("/nowhere").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    for path in ["/requests", "/requests/access", "/restriction", "/objection", "/audit"] {
        let (whole, head) = (ada.get(path).await, ada.ask(Method::HEAD, path, &[], "").await);
        assert_eq!((head.status, head.body.as_str()), (whole.status, ""), "{path}");
        assert_eq!(head.header(header::CONTENT_LENGTH), Some(whole.body.len().to_string().as_str()), "{path}");
        assert_eq!(head.header(header::CONTENT_TYPE), whole.header(header::CONTENT_TYPE), "{path}");
    }
}

#[tokio::test]
async fn objection_without_consent_gets_404() {
    let (builder, _clock) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    let ada = Caller { app: app(&guestbook), cookie: client.cookie, origin: None };
    for path in ["/objection", "/consent", "/consent/receipt"] {
        assert_problem(&ada.get(path).await, 404, path);
    }
    assert_problem(&ada.post("/objection/analytics", &json!({})).await, 404, "no purposes");
    let patch = json!({ "preferences": { "theme": "dark" } });
    assert_names(&ada.send(Method::PATCH, "/rectification", &patch).await, 422, "preferences", "no preferences");
    assert_ok(&ada.post("/restriction", &json!({})).await, StatusCode::OK, "but this");
}
