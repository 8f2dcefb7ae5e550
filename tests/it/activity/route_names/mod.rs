//! The recorded names of paths: without secrets, and not affected by paths that clients invent.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::IntoResponse,
    routing::get,
};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_guestbook::{
    ErrorKind, Guestbook, Tracker,
    activity::{ActivityFilter, ActivityRules, Event, EventType, HistoryQuery, normalize_path},
    http::{PeerAddress, RouteTemplate, Unrecorded},
    store::MemoryStore,
};

use self::rand_tokens::TokenKind;
use crate::{
    activity::requests::{events, guestbook},
    support::FIREFOX,
};

mod rand_tokens;

async fn get_as(app: &Router, path: &str, network: u8, agent: &str) -> StatusCode {
    let mut request = Request::get(path).header("user-agent", agent).body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerAddress(([203, 0, network, 77], 40_000).into()));
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

async fn get_from(app: &Router, path: &str, network: u8) -> StatusCode {
    get_as(app, path, network, FIREFOX).await
}

/// Returns the routes of everything that was recorded.
async fn names(guestbook: &Guestbook) -> Vec<String> {
    events(guestbook).await.into_iter().map(|event| event.request.unwrap().route.to_string()).collect()
}

/// Responds to each path with the status at its end, and 200 without one.
async fn by_path(request: Request<Body>) -> StatusCode {
    let end = request.uri().path().rsplit('/').next().unwrap_or_default();
    end.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK)
}

/// Words that distinguish paths: all of two letters.
fn words() -> Vec<String> {
    ('a'..='z').flat_map(|first| ('a'..='z').map(move |second| format!("{first}{second}"))).collect()
}

#[tokio::test]
async fn unrecorded_requests_and_probes_use_no_route_names() {
    let rules = ActivityRules::new().path_words(words()).route_capacity(4).health_paths(["/health"]);
    let rules = rules.should_record(|request| !request.uri.path().ends_with("/quiet"));
    let rules = rules.classify(|answer| (answer.status != StatusCode::ACCEPTED).then_some(EventType::API_CALL));
    let (guestbook, _) = guestbook(rules);
    let app = Router::new()
        .route("/real/{id}", get(async || "x"))
        .route("/quiet/{*path}", get(async || "x").layer(Unrecorded))
        .fallback(by_path)
        .layer(guestbook.layer());
    for word in words().iter().take(100) {
        get_as(&app, &format!("/{word}"), 1, "Mozilla/5.0 (compatible; Googlebot/2.1)").await;
        for path in ["quiet", "202", "401", "403", "404", "405"] {
            get_from(&app, &format!("/{word}/{path}"), 1).await;
        }
        get_from(&app, &format!("/health/{word}"), 1).await;
        get_from(&app, &format!("/{word}.css"), 1).await;
        get_from(&app, &format!("/quiet/{word}"), 1).await;
    }
    let probes = names(&guestbook).await;
    assert_eq!(probes.len(), 400, "probes leave rows");
    assert!(probes.iter().all(|name| name == ":unmatched"));
    for (network, path) in [(1, "/real/1"), (2, "/aa"), (3, "/ab"), (4, "/ac"), (5, "/ad"), (6, "/ae"), (2, "/aa")] {
        get_from(&app, path, network).await;
    }
    assert_eq!(names(&guestbook).await[400..], ["/real/{id}", "/aa", "/ab", "/ac", "/ad", ":other", "/aa"]);
}

#[tokio::test]
async fn route_capacity_protects_other_paths_from_invented_ones() {
    let (guestbook, clock) = guestbook(ActivityRules::new().path_words(words()).route_capacity(1_000));
    let app = Router::new()
        .route("/late/{id}", get(async || "x"))
        .route("/named", get(async || (axum::Extension(RouteTemplate::new("/by/{name}")), "x")))
        .fallback(by_path)
        .layer(guestbook.layer());
    // Each is found, as with a fallback that serves one page for all paths.
    for (number, word) in words().iter().enumerate() {
        for second in words().iter().skip(number).take(15) {
            get_from(&app, &format!("/{word}/{second}/x"), 1).await;
        }
        guestbook.flush().await.unwrap();
    }
    let query = ActivityFilter::new();
    guestbook.flush().await.unwrap();
    assert!(guestbook.activities().count(query.clone()).await.unwrap() > 10_000);
    let before = guestbook.activities().count(query).await.unwrap();
    for (path, network) in [("/late/7", 1), ("/named", 1), ("/zz", 1), ("/zy", 2), ("/zx/1", 3)] {
        get_from(&app, path, network).await;
    }
    guestbook.flush().await.unwrap();
    let query = HistoryQuery::new(ActivityFilter::new()).limit(6);
    let newest = guestbook.activities().history(query).await.unwrap().activities;
    assert!(newest[0].sequence > before);
    let newest: Vec<_> = newest.into_iter().map(|activity| activity.event.request.unwrap().route.to_string()).collect();
    let expected = ["/zx/:id", "/zy", ":other", "/by/{name}", "/late/{id}", ":other"];
    assert_eq!(newest, expected, "only the network that made paths up has no more names");

    clock.advance(std::time::Duration::from_secs(24 * 60 * 60));
    get_from(&app, "/zz", 1).await;
    guestbook.flush().await.unwrap();
    let query = HistoryQuery::new(ActivityFilter::new()).limit(1);
    let newest = guestbook.activities().history(query).await.unwrap().activities.remove(0);
    assert_eq!(&*newest.event.request.unwrap().route, "/zz", "the next day begins anew, without a restart");
    guestbook.shutdown().await;
}

#[tokio::test]
async fn path_without_a_template_keeps_only_declared_routes_and_words() {
    let rules = ActivityRules::new()
        .routes(["/", "/users/{id}", "/users/{id}/posts/{post}", "/files/{*path}"])
        .path_words(["about-us", "v2"]);
    let (guestbook, _) = guestbook(rules);
    let service = service_fn(async |request: Request<Body>| {
        Ok::<_, std::convert::Infallible>(by_path(request).await.into_response())
    });
    let app = Router::new().fallback_service(guestbook.layer().layer(service));
    let secret = "uQkWmZrTbnHsJxPdLcVfYa";
    for (path, name) in [
        ("/", "/"),
        ("/users/42", "/users/{id}"),
        (&*format!("/users/{secret}"), "/users/{id}"),
        ("/users/404", "/users/{id}"),
        ("/users/42/posts/404", "/users/{id}/posts/{post}"),
        ("/files/a/b", "/files/{*path}"),
        ("/users/42/friends", "/users/:id/:id"),
        ("/v2/about-us", "/v2/about-us"),
        (&*format!("/reset/{secret}"), "/:id/:id"),
        (&*format!("/about-us/{secret}/posts"), "/about-us/:id/posts"),
        ("/About-Us", "/:id"),
        ("/wp-admin/404", ":unmatched"),
    ] {
        let before = names(&guestbook).await.len();
        get_from(&app, path, 1).await;
        assert_eq!(names(&guestbook).await[before..], [name], "{path}");
    }
}

#[tokio::test]
async fn literals_of_known_templates_are_kept() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let app = Router::new().route("/shop/{item}/parts", get(async || "x")).fallback(by_path).layer(guestbook.layer());
    for path in ["/shop/all", "/shop/7/parts", "/shop/all/parts/x"] {
        get_from(&app, path, 1).await;
    }
    assert_eq!(names(&guestbook).await, ["/:id/:id", "/shop/{item}/parts", "/shop/:id/parts/:id"]);
}

#[tokio::test]
async fn paths_never_contain_tokens() {
    let common = ["reset", "users", "about-us", "v2", "admin", "2024-report"];
    let (guestbook, _) = guestbook(ActivityRules::new().path_words(common));
    let track = async |tracker: Tracker| {
        tracker.track("reset_opened", &serde_json::json!({})).unwrap();
    };
    let app = Router::new().fallback(track).layer(guestbook.layer());
    for kind in TokenKind::ALL {
        let mut dice = rand_tokens::Dice::new(kind as u64 + 1);
        for number in 0..20_000u32 {
            let token = kind.token(&mut dice);
            let name = normalize_path(&format!("/reset/{token}/x"), |segment| common.contains(&segment));
            assert_eq!(name, "/reset/:id/:id", "{kind:?}: {token}");
            if number < 100 {
                get_from(&app, &format!("/reset/{token}"), 1).await;
            }
        }
    }
    guestbook.flush().await.unwrap();
    let filter = ActivityFilter::new();
    let count = guestbook.activities().count(filter.clone()).await.unwrap();
    assert_eq!(count, 2 * 100 * TokenKind::ALL.len() as u64, "each with its explicit event");
    let mut query = HistoryQuery::new(filter).limit(1_000);
    loop {
        let page = guestbook.activities().history(query.clone()).await.unwrap();
        let is_clean = |event: &Event| &*event.request.as_ref().unwrap().route == "/reset/:id";
        assert!(page.activities.iter().all(|activity| is_clean(&activity.event)));
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
}

#[tokio::test]
async fn build_refuses_invalid_routes_and_path_words_by_name() {
    for (rules, name) in [
        (ActivityRules::new().routes(["users"]), "routes()"),
        (ActivityRules::new().routes(["/a/{b}", "/a/{c}"]), "routes()"),
        (ActivityRules::new().routes(["/a/{b"]), "routes()"),
        (ActivityRules::new().path_words([""]), "path_words()"),
        (ActivityRules::new().path_words(["/about"]), "path_words()"),
        (ActivityRules::new().path_words(["x".repeat(65)]), "path_words()"),
        (ActivityRules::new().own_hosts(["https://shop.example"]), "own_hosts()"),
        (ActivityRules::new().exclude_referrers(["*"]), "exclude_referrers()"),
    ] {
        let error = Guestbook::builder(MemoryStore::new()).activity(rules).build().unwrap_err();
        assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains(name), "{error}");
    }
}
