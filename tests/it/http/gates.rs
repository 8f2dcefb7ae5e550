//! Gates and guards around routes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
    routing::{any, get, post},
};
use tower_guestbook::{ErrorKind, consent::PurposeId, http::CrossOriginGuardLayer, store::MemoryStore};

use crate::{
    consent::{Browser, Site, rules},
    support::{TestClient, builder, minutes, routes, send},
};

#[tokio::test]
async fn a_gate_for_recent_logins_closes_after_its_time() {
    let (builder, clock) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let gated =
        Router::new().route("/danger", get(async || "done")).layer(guestbook.require_login().within(minutes(5)));
    let app = routes().merge(gated.clone()).layer(guestbook.session_layer());
    let mut client = TestClient::new(&app);
    assert_eq!(client.get("/danger").await.status, StatusCode::UNAUTHORIZED);
    client.ok("/set/a/1").await;
    assert_eq!(client.get("/danger").await.status, StatusCode::UNAUTHORIZED, "a session is no login");
    client.ok("/login/ada").await;
    clock.advance(minutes(5));
    assert_eq!(client.ok("/danger").await.body, "done");
    clock.advance(Duration::from_millis(1));
    let refused = client.get("/danger").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json()["title"], "Recent login required");
    client.ok("/rotate").await;
    assert_eq!(client.get("/danger").await.status, StatusCode::UNAUTHORIZED, "a rotation is no login");
    client.ok("/login/ada").await;
    client.ok("/danger").await;

    let without_sessions = TestClient::new(&gated).get("/danger").await;
    assert_eq!(without_sessions.problem(), "500 Session layer missing", "it fails closed, and names the fix");
    assert!(without_sessions.json()["detail"].as_str().unwrap().contains("guestbook.layer()"));
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

#[tokio::test]
async fn a_gate_calls_nothing_for_a_preflight_unless_it_is_told_to() {
    let site = Site::new(MemoryStore::new(), rules());
    let calls = Arc::new(AtomicUsize::new(0));
    let behind = || {
        let calls = calls.clone();
        any(async move || {
            calls.fetch_add(1, Ordering::SeqCst);
            "open"
        })
    };
    let consent = || site.guestbook.require_consent(PurposeId::MARKETING).unwrap();
    let recent = site.guestbook.require_login().within(minutes(5));
    let app = Router::new()
        .route("/consent", behind().layer(consent()))
        .route("/recent", behind().layer(recent.clone()))
        .route("/passing/consent", behind().layer(consent().pass_preflights()))
        .route("/passing/recent", behind().layer(recent.pass_preflights()))
        .merge(crate::consent::routes())
        .layer(site.guestbook.layer());
    let mut ada = Browser { app: app.clone(), ..site.browser() };
    ada.login("ada").await;
    ada.grant("marketing").await;
    let stranger = Browser { app, ..site.browser() };
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    let asking = |browser: &Browser| {
        let mut browser = browser.clone();
        browser.headers.extend(preflight.map(|(name, value)| (name, value.to_owned())));
        browser
    };
    for browser in [&ada, &stranger] {
        for path in ["/consent", "/recent"] {
            let refused = asking(browser).send(Method::OPTIONS, path, None).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
            assert_eq!(refused.json()["title"], "CORS preflight refused");
            assert_eq!(calls.load(Ordering::SeqCst), 0, "{path}");
        }
        for path in ["/passing/consent", "/passing/recent"] {
            assert_eq!(asking(browser).send(Method::OPTIONS, path, None).await.body, "open", "{path}");
        }
        assert_eq!(calls.swap(0, Ordering::SeqCst), 2);
    }
    // What looks a bit like a preflight is asked like everything else.
    for path in ["/consent", "/recent", "/passing/consent", "/passing/recent"] {
        for left_out in ["origin", "access-control-request-method"] {
            let mut browser = asking(&stranger);
            browser.headers.remove(left_out);
            assert_ne!(browser.send(Method::OPTIONS, path, None).await.status, StatusCode::OK, "{path} {left_out}");
        }
        assert_ne!(asking(&stranger).send(Method::GET, path, None).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(ada.send(Method::OPTIONS, "/consent", None).await.body, "open", "who has agreed, and is no preflight");
}
