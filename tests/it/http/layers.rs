//! Layers that are applied twice, in the wrong order, or beside those of another guestbook.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::Html,
    routing::{get, post},
};
use serde_json::json;
use tower_guestbook::{
    Guestbook, Session, SessionToken,
    activity::{ActivityFilter, EventType, HistoryQuery},
    consent::{ConsentRules, PurposeId},
    http::{CrossOriginGuardLayer, PeerAddress, SessionCookie},
    store::MemoryStore,
};

use crate::{
    activity::recorder::Log,
    consent::{Browser, Site, names, ok, routes as consent_routes, rules, set_cookies},
    support::{Answer, TestClient, builder, routes, send},
};

/// What `tracing` says on this thread until the guard is dropped.
fn log() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

fn times(log: &Log, text: &str) -> usize {
    log.text().matches(text).count()
}

fn guestbook() -> Guestbook {
    builder(MemoryStore::new()).0.build().unwrap()
}

fn pages() -> Router {
    routes().route("/page", get(async || Html("<p>hello")))
}

/// How many page views there are, and of whom.
async fn views(guestbook: &Guestbook) -> Vec<Option<String>> {
    guestbook.flush().await.unwrap();
    let views = ActivityFilter::new().event_type(EventType::PAGE_VIEW);
    let page = guestbook.activities().history(HistoryQuery::new(views)).await.unwrap();
    page.activities.iter().map(|one| one.event.user.as_ref().map(|user| user.as_str().to_owned())).collect()
}

/// Somebody opens a page with these cookies.
async fn open(app: &Router, path: &str, cookies: &str) -> Answer {
    let request = Request::get(path).header(header::COOKIE, cookies);
    let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerAddress(([203, 0, 113, 77], 40_000).into()));
    send(app, request).await
}

#[tokio::test]
async fn a_guestbook_applied_twice_does_everything_once_and_warns_once() {
    let (log, _guard) = log();
    let guestbook = guestbook();
    let app = Router::new().nest("/in", pages().layer(guestbook.layer())).layer(guestbook.layer());
    let mut client = TestClient::new(&app);
    client.ok("/in/page").await;
    assert_eq!(views(&guestbook).await, [None]);

    let stale = format!("__Host-session={}", &*SessionToken::generate().unwrap().expose_secret());
    let login = open(&app, "/in/login/ada", &stale).await;
    assert_eq!(login.cookie(), Some(login.body.clone()), "one Set-Cookie, with the new token");
    let mut ada = TestClient::with_cookie(&app, login.body);
    ada.ok("/in/page").await;
    assert_eq!(views(&guestbook).await, [Some("ada".to_owned()), None]);
    ada.ok("/in/set/a/1").await;
    assert_eq!(ada.ok("/in/get/a").await.json(), json!("1"));
    assert!(ada.ok("/in/logout").await.removes_cookie());
    let kinds =
        ["the session layer of a guestbook is applied twice", "the activity layer of a guestbook is applied twice"];
    for kind in kinds {
        assert_eq!(times(&log, kind), 1, "{}", log.text());
    }
    assert_eq!(times(&log, "WARN"), 2, "{}", log.text());
}

#[tokio::test]
async fn an_activity_layer_applied_twice_without_sessions_records_once() {
    let (log, _guard) = log();
    let guestbook = guestbook();
    let page = || Router::new().route("/page", get(async || Html("<p>hello")));
    let app = page().layer(guestbook.activity_layer()).layer(guestbook.activity_layer());
    TestClient::new(&app).ok("/page").await;
    assert_eq!((views(&guestbook).await, times(&log, "applied twice")), (vec![None], 1));
    let other = self::guestbook();
    let both = page().layer(guestbook.activity_layer()).layer(other.activity_layer());
    TestClient::new(&both).ok("/page").await;
    assert_eq!((views(&guestbook).await.len(), views(&other).await.len()), (2, 1), "each guestbook records it");
}

#[tokio::test]
async fn a_consent_layer_applied_twice_removes_a_cookie_once() {
    let (log, _guard) = log();
    let site = Site::new(MemoryStore::new(), rules());
    let app = Router::new().nest("/in", consent_routes().layer(site.guestbook.layer())).layer(site.guestbook.layer());
    let mut browser = Browser { app, ..site.browser() };
    let prompt = ok(browser.get("/in/offer").await).json();
    ok(browser
        .send(
            axum::http::Method::POST,
            "/in/decide",
            Some(json!({ "made": [["marketing", "grant"]], "snapshot": prompt["snapshot"] })),
        )
        .await);
    browser.cookies.insert("ads".into(), "1".into());
    let withdrawn = ok(browser.post("/in/withdraw/marketing").await);
    assert_eq!(names(&withdrawn), ["ads", "__Host-consent"]);
    assert_eq!(times(&log, "the consent layer of a guestbook is applied twice"), 1);
}

#[tokio::test]
async fn two_guestbooks_with_one_cookie_name_say_so_and_leave_each_others_cookie_alone() {
    let (log, _guard) = log();
    let (outer, inner) = (guestbook(), guestbook());
    let of_outer = routes().layer(outer.layer());
    let of_inner = routes().layer(inner.layer());
    let mut admin = TestClient::new(&of_outer);
    admin.ok("/login/admin").await;
    let mut shopper = TestClient::new(&of_inner);
    shopper.ok("/login/shopper").await;
    assert_eq!(times(&log, "two guestbooks"), 0);

    let both = routes().layer(inner.layer()).layer(outer.layer());
    let stale = SessionToken::generate().unwrap().expose_secret().to_string();
    for token in [admin.cookie.clone().unwrap(), shopper.cookie.clone().unwrap(), stale] {
        for path in ["/session", "/user"] {
            let answer = open(&both, path, &format!("__Host-session={token}")).await;
            assert_eq!(answer.set_cookie(), None, "{path}");
        }
    }
    assert_eq!(times(&log, "ERROR"), 1, "{}", log.text());
    assert!(log.text().contains("two guestbooks on one request use the same name for a cookie"), "{}", log.text());
    let token = admin.cookie.clone().unwrap();
    let out = open(&both, "/logout", &format!("__Host-session={token}")).await;
    assert_eq!((out.status, out.set_cookie()), (StatusCode::OK, None), "the inner guestbook never let them in");
    assert_eq!(admin.user().await.as_deref(), Some("admin"));
    let token = shopper.cookie.clone().unwrap();
    assert!(open(&both, "/logout", &format!("__Host-session={token}")).await.removes_cookie(), "its own");
    assert_eq!(shopper.user().await, None);
}

#[tokio::test]
async fn two_guestbooks_with_one_visitors_cookie_do_not_remove_it() {
    let (log, _guard) = log();
    let made = |name: &str| {
        let rules = ConsentRules::new(crate::consent::purposes()).accept_grants_without_notice();
        builder(MemoryStore::new()).0.cookie(SessionCookie::new().name(name)).consent(rules).build().unwrap()
    };
    let (outer, inner) = (made("__Host-admin"), made("__Host-shop"));
    let both = routes().layer(inner.session_layer()).layer(outer.session_layer());
    let answer = open(&both, "/", "__Host-consent=malformed").await;
    assert_eq!(set_cookies(&answer), [""; 0]);
    assert_eq!(times(&log, "use the same name for a cookie"), 1);
}

#[tokio::test]
async fn gates_and_layers_look_at_the_guests_of_their_own_guestbook() {
    let (log, _guard) = log();
    let (outer, inner) = (Site::new(MemoryStore::new(), rules()), {
        let (builder, clock) = builder(MemoryStore::new());
        let rules = rules().cookie_name("__Host-shop-consent");
        Site::of(builder.cookie(SessionCookie::new().name("__Host-shop")), clock, rules)
    });
    let gate = |site: &Site| site.guestbook.require_consent(PurposeId::MARKETING).unwrap();
    let export = |site: &Site| site.guestbook.export_service();
    let app = consent_routes()
        .route("/outer", get(async || "outer").layer(gate(&outer)))
        .route("/inner", get(async || "inner").layer(gate(&inner)))
        .route_service("/outer/export", export(&outer))
        .route_service("/inner/export", export(&inner))
        .layer(inner.guestbook.activity_layer())
        .layer(outer.guestbook.session_layer())
        .layer(inner.guestbook.session_layer())
        .layer(outer.guestbook.session_layer());
    let mut browser = Browser { app, ..outer.browser() };
    // The innermost session layer is that of the outer guestbook once more: handlers see its
    // clients.
    browser.login("ada").await;
    browser.grant("marketing").await;
    assert_eq!(browser.cookies.keys().map(String::as_str).collect::<Vec<_>>(), ["__Host-session"]);
    assert_eq!(ok(browser.get("/outer").await).body, "outer");
    assert_eq!(browser.get("/inner").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/outer/export").await.status, StatusCode::OK);
    assert_eq!(browser.get("/inner/export").await.status, StatusCode::UNAUTHORIZED, "nobody of its own is here");
    assert_eq!((times(&log, "applied twice"), times(&log, "use the same name")), (1, 0), "{}", log.text());
}

#[tokio::test]
async fn layers_in_the_wrong_order_are_warned_of_once_with_the_fix() {
    let (log, _guard) = log();
    let guestbook = guestbook();
    let wrong = pages().layer(guestbook.session_layer()).layer(guestbook.activity_layer());
    let mut ada = TestClient::new(&wrong);
    for _ in 0..2 {
        ada.ok("/login/ada").await;
        ada.ok("/page").await;
    }
    assert_eq!(views(&guestbook).await, [None, None], "it cannot know her");
    assert_eq!(times(&log, "the activity layer is outside the session layer"), 1, "{}", log.text());
    assert!(log.text().contains("use guestbook.layer()"));

    let right = pages().layer(guestbook.activity_layer()).layer(guestbook.session_layer());
    let mut ada = TestClient::with_cookie(&right, ada.cookie.unwrap());
    ada.ok("/page").await;
    assert_eq!(views(&guestbook).await[0].as_deref(), Some("ada"));

    let site = Site::new(MemoryStore::new(), rules());
    let wrong = routes().layer(site.guestbook.session_layer()).layer(site.guestbook.consent_layer());
    for _ in 0..2 {
        TestClient::new(&wrong).ok("/").await;
    }
    assert_eq!(times(&log, "the consent layer has no session layer outside"), 1, "{}", log.text());
    assert_eq!(times(&log, "WARN"), 2, "{}", log.text());
}

#[tokio::test]
async fn layer_with_cross_origin_guard_refuses_changes_from_other_sites_before_a_session_begins() {
    let layer = guestbook().layer().with_cross_origin_guard(CrossOriginGuardLayer::new());
    let app = Router::new().route("/login", post(async |session: Session| session.login("ada").await)).layer(layer);
    let login = async |site: &'static str| {
        let request = Request::post("/login").header("sec-fetch-site", site).body(Body::empty()).unwrap();
        send(&app, request).await
    };
    let refused = login("cross-site").await;
    assert_eq!((refused.status, refused.cookie()), (StatusCode::FORBIDDEN, None));
    let accepted = login("same-origin").await;
    assert_eq!(accepted.status, StatusCode::OK);
    assert!(accepted.cookie().is_some());
}

#[tokio::test]
async fn session_layer_warns_once_when_no_client_address_is_known() {
    let (log, _guard) = log();
    let app = pages().layer(guestbook().layer());
    for _ in 0..3 {
        send(&app, Request::get("/page").body(Body::empty()).unwrap()).await;
    }
    assert_eq!(times(&log, "no address of a client is known"), 1, "{}", log.text());
    assert_eq!(times(&log, "into_make_service_with_connect_info"), 1, "it names the fix");

    let app = pages().layer(guestbook().layer());
    open(&app, "/page", "").await;
    assert_eq!(times(&log, "no address of a client is known"), 1, "there is an address");
}
