//! Signals of browsers, jurisdictions, and the support file of Global Privacy Control.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use serde_json::json;
use tower_guestbook::{
    ErrorKind,
    consent::{
        Category, ConsentRules, Decision, DecisionMethod as How, GpcSupport, Jurisdiction, Purpose, Purposes, Regime,
    },
    http::RequestHead,
    store::MemoryStore,
};

use super::{Browser, DAY, Site, ok, rules, user};
use crate::support::{faulty_store::FaultyStore, send, until};

const GPC: &str = "sec-gpc";

fn signalling(browser: &Browser) -> Browser {
    browser.clone().with(GPC, "1")
}

#[tokio::test]
async fn sec_gpc_is_exactly_the_digit_one() {
    let site = Site::new(MemoryStore::new(), rules());
    let table: [(&[&[u8]], bool); 16] = [
        (&[], true),
        (&[b"1"], false),
        (&[b"1", b"1"], false),
        (&[b"0", b"1"], false),
        (&[b"1", b"0"], false),
        (&[b"true", b"", b"1"], false),
        (&[b"0"], true),
        (&[b""], true),
        (&[b"true"], true),
        (&[b"01"], true),
        (&[b"1 "], true),
        (&[b"1, 1"], true),
        (&[b"?1"], true),
        (&[b"\"1\""], true),
        (&[b"0", b"true"], true),
        (&[b"\xef\xbc\x91"], true),
    ];
    for (values, allowed) in table {
        let mut request = Request::get("/allows/marketing").header("x-country", "US-CA");
        for value in values {
            request = request.header(GPC, HeaderValue::from_bytes(value).unwrap());
        }
        let answer = send(&site.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.body, allowed.to_string(), "{values:?}");
    }
}

#[tokio::test]
async fn sec_gpc_refuses_sale_unless_a_grant_was_given_with_it() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser().with("x-country", "US-CA");
    assert_eq!((browser.allows("marketing").await, browser.why("marketing").await.as_str()), (true, "undecided"));
    assert_eq!(signalling(&browser).why("marketing").await, "global_privacy_control");
    assert!(signalling(&browser).allows("measurement").await, "nothing is sold there");

    browser.grant("marketing").await;
    assert!(browser.allows("marketing").await);
    assert_eq!(signalling(&browser).why("marketing").await, "global_privacy_control", "that was said without it");
    assert!(browser.allows("marketing").await, "a visitor's signal lasts as long as it is sent");

    let mut knowing = signalling(&browser);
    knowing.grant("marketing").await;
    assert!(knowing.allows("marketing").await);
    assert!(browser.allows("marketing").await);
    knowing.decline("marketing").await;
    assert!(!knowing.allows("marketing").await && !browser.allows("marketing").await);
    let records = site.records(&browser.visitor()).await;
    assert_eq!(records.iter().map(|record| record.consent_state.gpc_present).collect::<Vec<_>>(), [false, true, true]);
    assert!(records.iter().all(|record| record.proof.method == How::Custom), "a visitor's signal is not recorded");
}

#[tokio::test]
async fn sec_gpc_of_a_user_is_recorded_once_for_the_user() {
    let site = Site::new(FaultyStore::default(), rules());
    let ada = user("ada");
    let mut browser = site.browser().with("x-country", "US-CA");
    browser.login("ada").await;
    assert!(browser.allows("marketing").await);
    let mut many: Vec<_> = (0..10).map(|_| signalling(&browser)).collect();
    let [a, b, c, ..] = &mut many[..] else { panic!() };
    let (a, b, c) = tokio::join!(a.get("/"), b.get("/page"), c.get("/allows/marketing"));
    assert_eq!((a.status, b.status, c.body.as_str()), (StatusCode::OK, StatusCode::OK, "false"));
    until(async || !site.records(&ada).await.is_empty()).await;
    for browser in &mut many {
        ok(browser.get("/").await);
        assert!(!browser.allows("marketing").await);
    }
    assert!(!browser.allows("marketing").await, "without the signal");
    let mut phone = site.browser().with("x-country", "US-CA");
    phone.login("ada").await;
    assert_eq!(phone.why("marketing").await, "objected", "and on another device");
    site.guestbook.shutdown().await;
    let records = site.records(&ada).await;
    let [record] = &records[..] else { panic!("{records:?}") };
    let said =
        (record.purpose.as_str(), record.consent_state.decision, record.proof.method, record.consent_state.gpc_present);
    assert_eq!(said, ("marketing", Decision::Objected, How::Gpc, true));
    assert_eq!(record.proof.place.as_deref(), Some("US-CA"));
}

#[tokio::test]
async fn sec_gpc_objects_only_to_grants_that_were_given_without_it() {
    let site = Site::new(FaultyStore::default(), rules());
    let (ada, bob) = (user("ada"), user("bob"));
    let mut knowing = site.browser();
    knowing.login("ada").await;
    let mut knowing = signalling(&knowing);
    ok(knowing.get("/").await);
    until(async || !site.records(&ada).await.is_empty()).await;
    knowing.grant("marketing").await;
    for _ in 0..5 {
        assert!(knowing.allows("marketing").await);
    }
    let mut unknowing = site.browser();
    unknowing.login("bob").await;
    unknowing.grant("marketing").await;
    assert!(unknowing.allows("marketing").await);
    ok(signalling(&unknowing).get("/").await);
    until(async || site.decisions(&bob, "marketing").await.len() == 2).await;
    assert!(!unknowing.allows("marketing").await);
    unknowing.grant("marketing").await;
    assert!(unknowing.allows("marketing").await, "who changes their mind is heard");
    site.guestbook.shutdown().await;
    use Decision::{Granted, Objected};
    // Before ada could say anything, her browser had.
    assert_eq!(site.decisions(&ada, "marketing").await, [Objected, Granted]);
    assert_eq!(site.decisions(&bob, "marketing").await, [Granted, Objected, Granted]);
    assert_eq!(site.consents().rebuild().await.unwrap(), 0);
}

#[tokio::test]
async fn sec_gpc_of_a_prefetch_is_not_recorded() {
    for purpose in ["prefetch", "prefetch;prerender"] {
        let site = Site::new(MemoryStore::new(), rules());
        let mut browser = site.browser();
        browser.login("ada").await;
        let mut early = signalling(&browser).with("sec-purpose", purpose);
        assert!(!early.allows("marketing").await, "what is fetched obeys the signal all the same");
        ok(early.get("/").await);
        site.guestbook.shutdown().await;
        assert!(site.records(&user("ada")).await.is_empty());
    }
}

#[tokio::test]
async fn dnt_counts_only_with_follow_do_not_track() {
    for (rules, follows) in [(rules(), false), (rules().follow_do_not_track(), true)] {
        let site = Site::new(MemoryStore::new(), rules);
        let mut browser = site.browser();
        browser.grant("analytics").await;
        browser.grant("marketing").await;
        for (value, is_signal) in [("1", true), ("0", false), ("null", false), ("true", false)] {
            let mut browser = browser.clone().with("dnt", value);
            assert_eq!(browser.allows("analytics").await, !(follows && is_signal), "{value}");
            assert!(browser.allows("marketing").await);
        }
        let mut browser = browser.with("dnt", "1");
        browser.decline("analytics").await;
        let records = site.records(&browser.visitor()).await;
        assert_eq!(
            records.iter().map(|record| record.consent_state.dnt_present).collect::<Vec<_>>(),
            [false, false, follows]
        );
    }
}

#[tokio::test]
async fn jurisdictions_sets_the_regime_and_unknown_places_get_the_strictest() {
    let site = Site::new(MemoryStore::new(), rules());
    for (place, allowed, recorded) in [
        (None, false, None),
        (Some("FR"), false, None),
        (Some("DE"), false, Some("DE")),
        (Some("US-CA"), true, Some("US-CA")),
    ] {
        let mut browser = site.browser();
        browser.headers.extend(place.map(|place| ("x-country", place.to_owned())));
        assert_eq!(browser.allows("marketing").await, allowed, "{place:?}");
        assert!(!browser.allows("analytics").await, "it has no lenient mode");
        browser.decline("marketing").await;
        let records = site.records(&browser.visitor()).await;
        let proof = &records[0].proof;
        let regime = if allowed { Regime::OptOut } else { Regime::Strictest };
        assert_eq!((proof.place.as_deref(), proof.regime), (recorded, regime));
        browser.headers.insert("x-country", "US-CA".to_owned());
        assert!(!browser.allows("marketing").await, "a no is a no wherever its person goes");
    }
    // Anything of a request can tell the place.
    let purpose = Purpose::new("marketing", Category::Marketing).expiry(DAY);
    let purposes = Purposes::builder().purpose(purpose).build().unwrap();
    let by_path = |request: RequestHead<'_>| (request.uri.path() == "/offers").then(|| Jurisdiction::blocked("here"));
    let site = Site::new(MemoryStore::new(), ConsentRules::new(purposes).jurisdictions(by_path));
    assert_eq!(site.browser().get("/offers").await.status.as_u16(), 451);
    ok(site.browser().get("/").await);
}

#[tokio::test]
async fn gpc_support_serves_the_specified_file() {
    let site = Site::new(MemoryStore::new(), rules());
    let path = "/.well-known/gpc.json";
    let app = Router::new().route_service(path, GpcSupport::new("2024-02-29").unwrap());
    let mut browser = Browser { app: app.layer(site.guestbook.layer()), ..site.browser() };
    let read = ok(browser.get(path).await);
    assert_eq!(read.body, r#"{"gpc":true,"lastUpdate":"2024-02-29"}"#);
    assert_eq!(read.json(), json!({ "gpc": true, "lastUpdate": "2024-02-29" }));
    let head = ok(browser.send(Method::HEAD, path, None).await);
    assert_eq!(head.body, "");
    for answer in [&read, &head] {
        assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/json"));
        assert_eq!(answer.header(header::CONTENT_LENGTH), Some("38"));
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("public, max-age=86400"));
        assert!(answer.header(header::VARY).is_none() && answer.set_cookie().is_none());
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let refused = browser.send(method, path, None).await;
        assert_eq!((refused.status, refused.body.as_str()), (StatusCode::METHOD_NOT_ALLOWED, ""));
        assert_eq!(refused.header(header::ALLOW), Some("GET, HEAD"));
    }
    for wrong in [
        "",
        "2024",
        "2024-2-9",
        "2024-13-01",
        "2024-00-10",
        "2024-01-00",
        "2024-01-32",
        "2024-04-31",
        "2023-02-29",
        "1900-02-29",
        "2024/02/29",
        "29-02-2024",
        "2024-02-29T00",
        "2024-02-29 ",
        "+024-02-29",
        "2024-02-2\u{e9}",
        "\u{ff12}024-02-2",
        "2024-02-29\",\"gpc\":false,\"x\":\"",
    ] {
        assert_eq!(GpcSupport::new(wrong).unwrap_err().kind(), ErrorKind::Configuration, "{wrong}");
    }
    assert!(GpcSupport::new("2000-02-29").is_ok() && GpcSupport::new("2026-12-31").is_ok());
}
