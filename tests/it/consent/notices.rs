//! A grant refers to the notice that was shown; a refusal needs none.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_guestbook::{
    consent::{Category, ConsentRules, Decision, Notice, Purpose, Purposes},
    store::MemoryStore,
};

use super::{DAY, Site, id, of, ok, rules, set_cookies};
use crate::support::faulty_store::FaultyStore;

/// Analytics with this text and marketing without one, both in this version.
fn in_version(version: u32, text: &str) -> ConsentRules {
    let purpose = |name: &str, category| Purpose::new(name, category).notice_version(version).expiry(180 * DAY);
    let purposes = Purposes::builder()
        .purpose(purpose("analytics", Category::Analytics))
        .purpose(purpose("marketing", Category::Marketing));
    let notice = Notice::new(id("analytics"), version, "en", text).unwrap();
    ConsentRules::new(purposes.build().unwrap()).notice(notice)
}

async fn snapshot(site: &Site) -> Value {
    ok(site.browser().get("/offer").await).json()["snapshot"].clone()
}

#[tokio::test]
async fn grant_needs_a_snapshot_of_the_current_notice() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone(), in_version(1, "Version one."));
    let next = Site::new(store, in_version(2, "Version two."));
    let stranger = Site::new(MemoryStore::new(), in_version(1, "Version one."));
    let good = snapshot(&site).await;
    let text = good.as_str().unwrap();
    let (payload, tag) = text.split_once('.').unwrap();
    let unsigned = json!(format!("{payload}."));
    let other = snapshot(&next).await;
    let resigned = json!(format!("{payload}.{}", other.as_str().unwrap().split_once('.').unwrap().1));
    let longer = json!(format!("{payload}.{tag}.{tag}"));
    let mut visitor = site.browser();
    visitor.decline("marketing").await;
    let refused = [
        ("none", &site, Value::Null),
        ("an empty one", &site, json!("")),
        ("made up", &site, json!("eyJlIjo5OTk5.AAAA")),
        ("without its signature", &site, unsigned),
        ("with another one's signature", &site, resigned),
        ("with something behind it", &site, longer),
        ("another guestbook's", &site, snapshot(&stranger).await),
        ("one of the version to come", &site, other),
        ("one of the version before", &next, good.clone()),
    ];
    for (what, site, snapshot) in refused {
        let wanted = json!({ "made": [["marketing", "decline"], ["analytics", "grant"]], "snapshot": snapshot });
        let mut nobody = site.browser();
        let answer = nobody.decide(wanted.clone()).await;
        assert_eq!((answer.status, set_cookies(&answer).len()), (StatusCode::CONFLICT, 0), "{what}: {}", answer.body);
        let mut visitor =
            site.browser().with("cookie", &format!("__Host-consent={}", visitor.cookies["__Host-consent"]));
        assert_eq!(visitor.decide(wanted).await.status, StatusCode::CONFLICT, "{what}");
        assert!(!visitor.allows("analytics").await, "{what}");
    }
    assert_eq!(
        site.records(&visitor.visitor()).await.len(),
        1,
        "nothing was stored, not even the no that came with it"
    );

    let wanted = json!({ "made": [["marketing", "grant"]], "snapshot": good });
    let answer = next.browser().decide(wanted).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "also where only the version tells them apart");

    let wanted = json!({ "made": [["analytics", "grant"]], "snapshot": good });
    ok(visitor.decide(wanted).await);
    assert!(visitor.allows("analytics").await);
    visitor.app = next.app.clone();
    next.clock.advance(Duration::from_secs(1));
    assert_eq!(visitor.why("analytics").await, "stale", "another text needs another yes");
    visitor.grant("analytics").await;
    assert!(visitor.allows("analytics").await);
}

#[tokio::test]
async fn snapshot_expires_after_a_day_or_snapshot_lifetime() {
    for (rules, lifetime) in [(rules(), DAY), (rules().snapshot_lifetime(DAY / 24), DAY / 24)] {
        let site = Site::new(MemoryStore::new(), rules);
        let prompt = ok(site.browser().get("/offer").await).json();
        assert_eq!(prompt["snapshot_expires_at"], json!(site.clock.now().after(lifetime)));
        let wanted = json!({ "made": [["analytics", "grant"]], "snapshot": prompt["snapshot"] });
        site.clock.advance(lifetime - Duration::from_millis(1));
        let mut early = site.browser();
        ok(early.decide(wanted.clone()).await);
        site.clock.advance(Duration::from_millis(1));
        let mut late = site.browser();
        let answer = late.decide(wanted).await;
        assert_eq!((answer.status, set_cookies(&answer).len()), (StatusCode::CONFLICT, 0));
    }
}

#[tokio::test]
async fn accept_grants_without_notice_accepts_grants_without_snapshot() {
    let site = Site::new(MemoryStore::new(), rules().accept_grants_without_notice());
    let mut browser = site.browser();
    ok(browser.decide(json!({ "made": [["analytics", "grant"]] })).await);
    assert!(browser.allows("analytics").await);
    assert_eq!(site.records(&browser.visitor()).await[0].proof.notice, None);
    let forged = json!({ "made": [["marketing", "grant"]], "snapshot": "eyJ9.AAAA" });
    assert_eq!(browser.decide(forged).await.status, StatusCode::CONFLICT, "what is claimed must be true all the same");
}

#[tokio::test]
async fn refusals_of_all_kinds_need_no_notice() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    browser.grant("analytics").await;
    let made = json!([["analytics", "withdrawn"], ["marketing", "denied"], ["measurement", "objected"]]);
    ok(browser.decide(json!({ "made": made })).await);
    for purpose in ["analytics", "marketing", "measurement"] {
        assert!(!browser.allows(purpose).await);
    }
    let mixed = json!({ "made": [["analytics", "decline"], ["marketing", "grant"]] });
    assert_eq!(browser.decide(mixed).await.status, StatusCode::CONFLICT);
    assert_eq!(site.records(&browser.visitor()).await.len(), 4);
}

#[tokio::test]
async fn changed_notice_text_without_a_new_version_fails_prompts_but_not_refusals() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone(), in_version(1, "We count."));
    let mut visitor = site.browser();
    visitor.grant("analytics").await;
    let changed = Site::new(store, in_version(1, "We count, and sell."));
    for _ in 0..2 {
        assert_eq!(changed.browser().get("/offer").await.status, StatusCode::CONFLICT);
    }
    visitor.app = changed.app.clone();
    let old = snapshot(&site).await;
    let wanted = json!({ "made": [["analytics", "grant"]], "snapshot": old });
    assert_eq!(visitor.decide(wanted).await.status, StatusCode::CONFLICT, "another text was shown");
    ok(visitor.post("/withdraw/analytics").await);
    assert!(!visitor.allows("analytics").await);
    assert_eq!(site.decisions(&visitor.visitor(), "analytics").await, [Decision::Granted, Decision::Withdrawn]);
    assert_eq!(site.browser().get("/offer").await.status, StatusCode::OK, "the first text is still the text");
}

#[tokio::test]
async fn prompt_negotiates_the_language_and_the_record_has_that_of_the_text() {
    let site = Site::new(MemoryStore::new(), rules());
    for (asked, language) in [
        ("", "en"),
        ("de", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("en;q=0.4, DE;q=0.5", "de"),
        ("fr, de;q=0.5", "de"),
        ("fr", "en"),
        ("de;q=0, *", "en"),
    ] {
        let mut browser = site.browser().with("accept-language", asked);
        let prompt = ok(browser.get("/offer").await).json();
        assert_eq!(prompt["language"], language, "{asked}");
        assert_eq!(of(&prompt["purposes"], "analytics")["notice"]["language"], language, "{asked}");
        let offered: Vec<_> = prompt["purposes"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        assert_eq!(offered, ["necessary", "analytics", "measurement", "marketing"], "as they were declared");
    }
    // Measurement has no German text: what was read was English.
    let mut browser = site.browser().with("accept-language", "de");
    let snapshot = ok(browser.get("/offer").await).json()["snapshot"].clone();
    let made = json!([["analytics", "grant"], ["measurement", "grant"]]);
    ok(browser.decide(json!({ "made": made, "snapshot": snapshot })).await);
    for record in site.records(&browser.visitor()).await {
        let notice = site.consents().notice(record.proof.notice.unwrap()).await.unwrap().unwrap();
        assert_eq!(record.proof.language.as_deref(), Some(notice.language()), "{}", record.purpose);
    }
}

#[tokio::test]
async fn prompt_shows_the_mode_of_the_jurisdiction_and_its_snapshot_serves_undecided_visitors() {
    let site = Site::new(MemoryStore::new(), rules());
    let mode_here = async |country: &str| {
        let prompt = ok(site.browser().with("x-country", country).get("/offer").await).json();
        let marketing = of(&prompt["purposes"], "marketing");
        (marketing["mode"].clone(), marketing["mode_here"].clone())
    };
    assert_eq!(mode_here("DE").await, (json!("opt_in"), json!("opt_in")));
    assert_eq!(mode_here("US-CA").await, (json!("opt_in"), json!("opt_out")));
    let snapshot = snapshot(&site).await;
    for _ in 0..2 {
        let mut browser = site.browser();
        ok(browser.decide(json!({ "made": [["marketing", "grant"]], "snapshot": snapshot })).await);
    }
}

#[tokio::test]
async fn refusal_with_an_outdated_snapshot_is_recorded() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    let prompt = ok(browser.get("/offer").await).json();
    let answer = |choice: &str, snapshot: &Value| json!({ "made": [["analytics", choice]], "snapshot": snapshot });
    ok(browser.decide(answer("grant", &prompt["snapshot"])).await);
    site.clock.advance(2 * DAY);
    assert_eq!(browser.decide(answer("grant", &prompt["snapshot"])).await.status, StatusCode::CONFLICT);
    ok(browser.decide(answer("decline", &prompt["snapshot"])).await);
    let records = site.records(&browser.visitor()).await;
    let last = records.last().unwrap();
    assert_eq!((last.consent_state.decision, last.proof.notice), (Decision::Withdrawn, None), "it claims no text");
}

#[tokio::test]
async fn snapshot_is_valid_only_for_its_subject() {
    let site = Site::new(MemoryStore::new(), rules());
    let (mut ada, mut bob, mut visitor, mut other) = (site.browser(), site.browser(), site.browser(), site.browser());
    ada.login("ada").await;
    bob.login("bob").await;
    for visitor in [&mut visitor, &mut other] {
        visitor.decline("marketing").await;
    }
    site.clock.advance(Duration::from_secs(1));
    let mut nobody = site.browser();
    let mut shown = Vec::new();
    for browser in [&mut ada, &mut bob, &mut visitor, &mut other, &mut nobody] {
        shown.push(ok(browser.get("/offer").await).json()["snapshot"].clone());
    }
    for (index, snapshot) in shown.iter().enumerate() {
        let wanted = json!({ "made": [["analytics", "grant"]], "snapshot": snapshot });
        let browsers = [ada.clone(), bob.clone(), visitor.clone(), other.clone(), site.browser()];
        for (number, mut browser) in browsers.into_iter().enumerate() {
            let answer = browser.decide(wanted.clone()).await;
            let expected = if number == index { StatusCode::OK } else { StatusCode::CONFLICT };
            assert_eq!(answer.status, expected, "snapshot {index}, client {number}: {}", answer.body);
        }
        // A no needs no notice, so it is recorded without the one that is somebody else's.
        let refusal = json!({ "made": [["analytics", "decline"]], "snapshot": snapshot });
        ok(bob.decide(refusal).await);
    }
    let proven = |record: &tower_guestbook::consent::ConsentRecord| record.proof.notice.is_some();
    let of_bob = site.records(&super::user("bob")).await;
    assert_eq!(of_bob.iter().map(proven).collect::<Vec<_>>(), [false, true, true, false]);
}

#[tokio::test]
async fn snapshot_of_an_undecided_visitor_stays_valid_until_login() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    let snapshot = ok(browser.get("/offer").await).json()["snapshot"].clone();
    let grant = |purpose: &str| json!({ "made": [[purpose, "grant"]], "snapshot": snapshot });
    ok(browser.decide(grant("analytics")).await);
    ok(browser.decide(grant("marketing")).await);
    let login = browser.login("ada").await;
    assert_eq!(of(&login.json(), "marketing")["allowed"], json!(false));
    let refused = browser.decide(grant("marketing")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "it was shown to a visitor, not to ada: {}", refused.body);
    browser.grant("marketing").await;
    assert!(browser.allows("marketing").await);
}
