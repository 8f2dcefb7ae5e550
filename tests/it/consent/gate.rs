//! `require_consent`: which requests pass, and the answers to the others.

use std::time::Duration;

use axum::{
    Router,
    http::{Method, StatusCode, header},
    routing::get,
};
use serde_json::{Value, json};
use tower_guestbook::{
    ErrorKind, Guestbook,
    consent::{ConsentRules, PurposeId},
    http::OnStoreError,
    store::MemoryStore,
};

use super::{Browser, Site, all, id, ok, purposes, rules};
use crate::support::{
    Answer, builder,
    faulty_store::{Fault, FaultyStore},
};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
const FETCH: (&str, &str) = ("sec-fetch-mode", "cors");
const BLOCKED: (&str, &str) = ("x-country", "XX");

/// What a browser sends along.
type Headers = &'static [(&'static str, &'static str)];

/// No cache gives the answer to somebody else.
fn is_personal(answer: &Answer) -> bool {
    let vary = all(&answer.headers, header::VARY).join(", ").to_ascii_lowercase();
    let varies = |name: &str| vary.split(", ").any(|varies| varies == name);
    let caching = all(&answer.headers, header::CACHE_CONTROL).join(", ");
    let caching: Vec<_> = caching.split(", ").collect();
    varies("sec-gpc") && varies("cookie") && (caching.contains(&"private") || caching.contains(&"no-store"))
}

fn with(mut browser: Browser, headers: &[(&'static str, &'static str)]) -> Browser {
    browser.headers.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    browser
}

#[tokio::test]
async fn require_consent_redirects_browsers_and_answers_others_with_a_problem() {
    let site = Site::new(MemoryStore::new(), rules());
    let to_page = "/privacy?purpose=marketing&return=%2Foffers%3Fpage%3D2%26x%3D1";
    let table: [(Method, Headers, u16); 16] = [
        (Method::GET, &[], 403),
        (Method::GET, &[HTML], 303),
        (Method::GET, &[("accept", "TEXT/HTML")], 303),
        (Method::GET, &[("accept", "application/json")], 403),
        (Method::GET, &[NAVIGATE], 303),
        (Method::GET, &[NAVIGATE, HTML], 303),
        (Method::GET, &[FETCH, HTML], 403),
        (Method::GET, &[("sec-fetch-mode", "same-origin"), HTML], 403),
        (Method::HEAD, &[HTML], 303),
        (Method::HEAD, &[], 403),
        (Method::POST, &[], 403),
        (Method::POST, &[HTML], 403),
        (Method::POST, &[NAVIGATE, HTML], 403),
        (Method::GET, &[BLOCKED], 451),
        (Method::GET, &[BLOCKED, NAVIGATE, HTML], 451),
        (Method::POST, &[BLOCKED], 451),
    ];
    for (method, headers, status) in table {
        let mut browser = with(site.browser(), headers);
        let answer = browser.send(method.clone(), "/offers?page=2&x=1", None).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {headers:?}");
        assert!(is_personal(&answer), "{method} {headers:?} {:?}", answer.headers);
        let location = answer.header(header::LOCATION);
        assert_eq!(location, (status == 303).then_some(to_page), "{method} {headers:?}");
        let is_problem = answer.header(header::CONTENT_TYPE) == Some("application/problem+json");
        assert_eq!(is_problem, status != 303);
        assert!(!answer.body.contains("for you"));
    }
    let refused = site.browser().get("/offers").await.json();
    let kind = refused["type"].as_str().unwrap();
    assert!(kind.starts_with("https://") && kind.ends_with("#consent-required"), "{kind}");
    assert_eq!((&refused["status"], &refused["title"]), (&json!(403), &json!("Consent required")));
    assert_eq!(refused["purposes"], json!(["marketing"]));
    assert_eq!((&refused["version"], &refused["manage_url"]), (&json!(1), &json!("/privacy")));
    let refused = with(site.browser(), &[BLOCKED]).get("/offers").await.json();
    assert_eq!((&refused["status"], &refused["purposes"]), (&json!(451), &Value::Null));
}

#[tokio::test]
async fn require_consent_passes_responses_and_marks_them_private() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut visitor = site.browser();
    visitor.grant("marketing").await;
    for method in [Method::GET, Method::POST] {
        let answer = ok(visitor.send(method, "/offers", None).await);
        assert!(answer.body == "for you" && is_personal(&answer), "{:?}", answer.headers);
    }
    assert_eq!(with(visitor.clone(), &[BLOCKED]).get("/offers").await.status.as_u16(), 451, "no grant opens this");
    assert_eq!(ok(with(visitor.clone(), &[BLOCKED]).get("/").await).body, "hello", "what is not gated is served");
    visitor.post("/withdraw/marketing").await;
    assert_eq!(visitor.get("/offers").await.status, StatusCode::FORBIDDEN);
    let mut signalling = site.browser().with("x-country", "US-CA");
    ok(signalling.get("/offers").await);
    let answer = signalling.with("sec-gpc", "1").get("/offers").await;
    assert!(answer.status == StatusCode::FORBIDDEN && is_personal(&answer));
}

#[tokio::test]
async fn public_responses_that_depend_on_consent_become_private() {
    let site = Site::new(MemoryStore::new(), rules());
    let (mut stranger, mut visitor, mut ada) = (site.browser(), site.browser(), site.browser());
    visitor.grant("marketing").await;
    ada.login("ada").await;
    for browser in [&mut stranger, &mut visitor, &mut ada] {
        let answer = ok(browser.get("/public").await);
        assert!(is_personal(&answer), "{:?}", answer.headers);
        assert!(all(&answer.headers, header::CACHE_CONTROL).contains(&"public, max-age=60".to_owned()), "it stays");
    }
    let untouched = ok(stranger.get("/").await);
    assert!(all(&untouched.headers, header::VARY).is_empty() && !untouched.headers.contains_key(header::CACHE_CONTROL));
}

#[tokio::test]
async fn each_read_of_consent_makes_the_response_vary() {
    let site = Site::new(MemoryStore::new(), rules());
    let (stranger, mut visitor, mut ada) = (site.browser(), site.browser(), site.browser());
    visitor.decline("marketing").await;
    ada.login("ada").await;
    ada.decline("marketing").await;
    for browser in [stranger, visitor, ada] {
        for path in ["/allows/marketing", "/states", "/history", "/receipt", "/offer"] {
            let answer = ok(browser.clone().get(path).await);
            assert!(is_personal(&answer), "{path} {:?}", answer.headers);
        }
    }
}

#[tokio::test]
async fn require_consent_redirect_returns_to_the_full_local_path() {
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.consent(rules().consent_page("/privacy?tab=1")).build().unwrap();
    let gate = || guestbook.require_consent(PurposeId::MARKETING).unwrap();
    let inner = Router::new().route("/offers", get(async || "for you")).layer(gate());
    let app = Router::new()
        .nest("/shop", Router::new().nest("/eu", inner))
        .fallback_service(Router::new().fallback(async || "for you").layer(gate()))
        .layer(guestbook.layer());
    let long = format!("/{}", "x".repeat(3_000));
    for (path, back) in [
        ("/shop/eu/offers?x=1", "%2Fshop%2Feu%2Foffers%3Fx%3D1"),
        ("/", "%2F"),
        ("/free?next=https://evil.example", "%2Ffree%3Fnext%3Dhttps%3A%2F%2Fevil.example"),
        ("//evil.example/x", "%2F"),
        ("//evil.example", "%2F"),
        ("https://evil.example/x?y=1", "%2Fx%3Fy%3D1"),
        (&long, "%2F"),
    ] {
        let mut browser = Browser { app: app.clone(), cookies: Default::default(), headers: Default::default() };
        browser.headers.insert("accept", "text/html".to_owned());
        let answer = browser.get(path).await;
        let expected = format!("/privacy?tab=1&purpose=marketing&return={back}");
        assert_eq!(
            (answer.status, answer.header(header::LOCATION)),
            (StatusCode::SEE_OTHER, Some(&*expected)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn require_consent_without_consent_page_answers_browsers_with_a_problem() {
    let site = Site::new(MemoryStore::new(), ConsentRules::new(purposes()));
    let answer = with(site.browser(), &[HTML, NAVIGATE]).get("/offers").await;
    assert_eq!((answer.status, &answer.json()["manage_url"]), (StatusCode::FORBIDDEN, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn require_consent_answers_503_while_the_store_fails_and_other_routes_are_served() {
    let store = FaultyStore::default();
    let (builder, clock) = builder(store.clone());
    let builder = builder.on_store_error(OnStoreError::ContinueWithoutSession);
    let site = Site::of(builder, clock, rules());
    let (mut visitor, mut ada, mut stranger) = (site.browser(), site.browser(), site.browser());
    visitor.grant("marketing").await;
    ada.login("ada").await;
    ada.grant("marketing").await;
    for browser in [&mut visitor, &mut ada] {
        assert_eq!(ok(browser.get("/offers").await).body, "for you");
    }
    for mood in [Fault::Failing, Fault::Stuck] {
        store.set(Fault::Good);
        site.clock.advance(Duration::from_secs(1));
        ok(visitor.get("/offers").await);
        ok(ada.get("/offers").await);
        store.set(mood);
        ok(visitor.get("/offers").await);
        ok(ada.get("/offers").await);
        site.clock.advance(Duration::from_secs(1));
        for browser in [&visitor, &ada] {
            for headers in [&[][..], &[HTML, NAVIGATE]] {
                let answer = with(browser.clone(), headers).get("/offers").await;
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{mood:?}");
                assert_eq!(answer.header(header::RETRY_AFTER), Some("1"));
                assert!(is_personal(&answer) && answer.set_cookie().is_none());
            }
            let mut browser = browser.clone();
            ok(browser.get("/").await);
            assert_eq!(browser.why("necessary").await, "necessary");
            assert_eq!(
                browser.why("measurement").await,
                "unavailable",
                "even what needs no consent: somebody may object"
            );
            assert!(!browser.allows("marketing").await);
        }
        assert_eq!(
            stranger.get("/offers").await.status,
            StatusCode::FORBIDDEN,
            "who has decided nothing is not asked for"
        );
    }
    store.set(Fault::Good);
    ok(visitor.get("/offers").await);
    ok(ada.get("/offers").await);
}

#[tokio::test]
async fn require_consent_without_session_layer_refuses() {
    let site = Site::new(MemoryStore::new(), rules());
    let gate = site.guestbook.require_consent(PurposeId::MARKETING).unwrap();
    let app = Router::new().route("/offers", get(async || "for you")).layer(gate);
    let mut browser = Browser { app, ..site.browser() };
    browser.headers.insert("cookie", "__Host-consent=0123456789ab4def8123456789abcdef".to_owned());
    let closed = browser.get("/offers").await;
    assert_eq!((closed.status, &closed.json()["purposes"]), (StatusCode::FORBIDDEN, &json!(["marketing"])));
    let page = with(browser, &[HTML]).get("/offers").await;
    assert_eq!(page.header(header::LOCATION), Some("/privacy?purpose=marketing&return=%2Foffers"));
    for answer in [closed, page] {
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("private, no-store"));
    }
}

#[tokio::test]
async fn require_consent_of_an_undeclared_purpose_is_a_configuration_error() {
    let site = Site::new(MemoryStore::new(), rules());
    let without = Guestbook::builder(MemoryStore::new()).build().unwrap();
    for (guestbook, purpose) in [(&site.guestbook, id("personalisation")), (&without, id("marketing"))] {
        let error = guestbook.require_consent(purpose.clone()).unwrap_err();
        assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains(purpose.as_str()), "{error}");
    }
    let mut browser = site.browser();
    assert_eq!((browser.allows("personalisation").await, browser.allows("necessary").await), (false, true));
}
