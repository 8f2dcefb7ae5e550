//! Repeated decisions and the limits of decisions.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tower_guestbook::{
    consent::{ConsentRules, Decision},
    http::PeerAddress,
    privacy::RateLimit,
    store::MemoryStore,
};

use super::{Browser, DAY, Site, ok, rules, set_cookies, user};
use crate::support::{Answer, send};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn limited(visitor: u32, network: u32) -> ConsentRules {
    rules().visitor_decisions(RateLimit::new(visitor, HOUR), RateLimit::new(network, HOUR))
}

/// Alternates, so that each decision is another one than the last.
async fn alternate(browser: &mut Browser, round: usize) -> Answer {
    let snapshot = ok(browser.get("/offer").await).json()["snapshot"].clone();
    let choice = if round.is_multiple_of(2) { "denied" } else { "objected" };
    browser.decide(json!({ "made": [["analytics", choice]], "snapshot": snapshot })).await
}

#[tokio::test]
async fn repeated_decisions_are_one_record_until_a_day_later() {
    let site = Site::new(MemoryStore::new(), rules());
    let (mut visitor, mut ada) = (site.browser(), site.browser());
    ada.login("ada").await;
    for browser in [&mut visitor, &mut ada] {
        for _ in 0..300 {
            browser.grant("analytics").await;
        }
    }
    let begin = site.clock.now();
    for subject in [visitor.visitor(), user("ada")] {
        let records = site.records(&subject).await;
        assert_eq!(records.len(), 1, "{subject:?}");
        assert_eq!(records[0].consent_state.valid_until, Some(begin.after(180 * DAY)));
    }
    site.clock.advance(DAY);
    ada.login("ada").await;
    for browser in [&mut visitor, &mut ada] {
        browser.grant("analytics").await;
    }
    for subject in [visitor.visitor(), user("ada")] {
        let records = site.records(&subject).await;
        assert_eq!(records.len(), 2, "{subject:?}");
        assert_eq!(records[1].consent_state.valid_until, Some(begin.after(181 * DAY)), "renewed");
    }
    // A withdrawal that is said again is still the same withdrawal.
    for _ in 0..300 {
        visitor.decline("analytics").await;
    }
    use Decision::{Granted, Withdrawn};
    assert_eq!(site.decisions(&visitor.visitor(), "analytics").await, [Granted, Granted, Withdrawn]);
}

#[tokio::test]
async fn visitor_decisions_limits_each_visitor() {
    let site = Site::new(MemoryStore::new(), limited(4, 1_000));
    let (mut visitor, mut other) = (site.browser(), site.browser());
    // The first decision makes the visitor, and counts for the network.
    for round in 0..5 {
        ok(alternate(&mut visitor, round).await);
        if round < 4 {
            ok(alternate(&mut visitor, round).await);
        }
    }
    assert_eq!(site.records(&visitor.visitor()).await.len(), 5, "what is said again does not count");
    let refused = alternate(&mut visitor, 5).await;
    assert_eq!((refused.status, set_cookies(&refused).len()), (StatusCode::TOO_MANY_REQUESTS, 0));
    assert!(refused.body.contains("try again in 900 seconds"), "{}", refused.body);
    assert_eq!(refused.headers["retry-after"], "900");
    ok(alternate(&mut other, 0).await);
    site.clock.advance(HOUR / 4);
    ok(alternate(&mut visitor, 5).await);
    assert_eq!(alternate(&mut visitor, 6).await.status, StatusCode::TOO_MANY_REQUESTS);

    // Users are not limited here.
    let mut ada = site.browser();
    ada.login("ada").await;
    for round in 0..20 {
        ok(alternate(&mut ada, round).await);
    }
    assert_eq!(site.records(&user("ada")).await.len(), 20);
}

#[tokio::test]
async fn decline_of_an_allowed_purpose_is_never_rate_limited() {
    let site = Site::new(MemoryStore::new(), limited(1, 2));
    let mut visitor = site.browser();
    visitor.grant("analytics").await;
    visitor.grant("marketing").await;
    let refused = visitor.decide(json!({ "made": [["measurement", "grant"]] })).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    for purpose in ["analytics", "marketing", "measurement"] {
        assert!(visitor.allows(purpose).await, "{purpose}");
        visitor.decline(purpose).await;
        assert!(!visitor.allows(purpose).await, "{purpose}");
    }

    // A newcomer of a network that has used up its limit objects all the same.
    let mut newcomer = site.browser();
    assert!(newcomer.allows("measurement").await);
    newcomer.decline("measurement").await;
    assert!(!newcomer.allows("measurement").await);
}

#[tokio::test]
async fn visitor_decisions_limits_each_network() {
    let site = Site::new(MemoryStore::new(), limited(100, 10));
    let decide_from = async |address: [u8; 4]| {
        let body = json!({ "made": [["analytics", "decline"]] }).to_string();
        let request = axum::http::Request::post("/decide").header("content-type", "application/json").body(body.into());
        let mut request = request.unwrap();
        request.extensions_mut().insert(PeerAddress((address, 40_000).into()));
        send(&site.app, request).await.status
    };
    for last in 0..10 {
        assert_eq!(decide_from([203, 0, 113, last]).await, StatusCode::OK);
    }
    assert_eq!(decide_from([203, 0, 113, 200]).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(decide_from([198, 51, 100, 1]).await, StatusCode::OK);
    site.clock.advance(HOUR / 10);
    assert_eq!(decide_from([203, 0, 113, 200]).await, StatusCode::OK);
    assert_eq!(decide_from([203, 0, 113, 200]).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn visitor_decisions_of_zero_is_a_configuration_error() {
    for rules in [limited(0, 1), limited(1, 0)] {
        let error = tower_guestbook::Guestbook::builder(MemoryStore::new()).consent(rules).build().unwrap_err();
        assert_eq!(error.kind(), tower_guestbook::ErrorKind::Configuration);
        assert!(error.to_string().contains("visitor_decisions"), "{error}");
    }
}
