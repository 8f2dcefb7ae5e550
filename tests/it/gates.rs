//! Gates and guards around routes.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
    routing::{get, post},
};
use tower_guestbook::{
    ErrorKind,
    http::{CrossOriginGuardLayer, RequireRecentLogin},
    store::MemoryStore,
};

use crate::support::{Guest, builder, minutes, routes, send};

#[tokio::test]
async fn a_gate_for_recent_logins_closes_after_its_time() {
    let (builder, clock) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let gated = Router::new().route("/danger", get(async || "done")).layer(RequireRecentLogin::new(minutes(5)));
    let app = routes().merge(gated.clone()).layer(guestbook.session_layer());
    let mut guest = Guest::new(&app);
    assert_eq!(guest.get("/danger").await.status, StatusCode::UNAUTHORIZED);
    guest.ok("/set/a/1").await;
    assert_eq!(guest.get("/danger").await.status, StatusCode::UNAUTHORIZED, "a session is no login");
    guest.ok("/login/ada").await;
    clock.advance(minutes(5));
    assert_eq!(guest.ok("/danger").await.body, "done");
    clock.advance(Duration::from_millis(1));
    let refused = guest.get("/danger").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json()["title"], "Recent login required");
    guest.ok("/rotate").await;
    assert_eq!(guest.get("/danger").await.status, StatusCode::UNAUTHORIZED, "a rotation is no login");
    guest.ok("/login/ada").await;
    guest.ok("/danger").await;

    let without_sessions = Guest::new(&gated).get("/danger").await;
    assert_eq!(without_sessions.status, StatusCode::UNAUTHORIZED, "it fails closed");
}

#[tokio::test]
async fn requests_of_other_sites_change_nothing() {
    let guard = CrossOriginGuardLayer::new()
        .allow_origin("https://friend.example")
        .unwrap()
        .insecure_bypass(|_, uri| uri.path() == "/hook");
    let app =
        Router::new().route("/", post(async || "changed").get(async || "seen")).route("/hook", post(async || "hook"));
    let app = app.layer(guard);
    let ask = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "app.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&app, request.body(Body::empty()).unwrap()).await
    };
    let passes: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://app.example")],
        &[("origin", "https://friend.example")],
        &[("origin", "https://friend.example"), ("sec-fetch-site", "cross-site")],
    ];
    for headers in passes {
        assert_eq!(ask(Method::POST, "/", headers).await.body, "changed", "{headers:?}");
    }
    let refused: [&[(&str, &str)]; 5] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ];
    for headers in refused {
        let answer = ask(Method::POST, "/", headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/problem+json"));
        assert_eq!(ask(Method::GET, "/", headers).await.body, "seen");
        assert_eq!(ask(Method::POST, "/hook", headers).await.body, "hook");
    }
    let wrong = CrossOriginGuardLayer::new().allow_origin("friend.example/path").unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Configuration);
}
