//! Decisions, their records, histories and receipts.

use serde_json::json;
use sha2::{Digest, Sha256};
use tower_guestbook::{
    consent::{Controller, Decision, DecisionMethod, NoticeHash, Regime},
    store::MemoryStore,
};

use super::{DAY, Site, WE_COUNT, id, names, of, ok, rules, set_cookies, user};
use crate::support::{FIREFOX, START, minutes};

#[tokio::test]
async fn decide_of_a_visitor_holds_for_the_next_request() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    for path in ["/", "/page", "/states", "/offer", "/offers", "/history", "/receipt", "/set-cookies"] {
        let answer = browser.get(path).await;
        assert!(!names(&answer).contains(&"__Host-consent"), "{path} tells nobody apart");
    }
    assert!(!browser.allows("analytics").await);

    let granted = browser.grant("analytics").await;
    assert_eq!(of(&granted.json(), "analytics")["why"], "granted", "the rest of the request obeys as well");
    let value = browser.cookies["__Host-consent"].clone();
    let expected = format!("__Host-consent={value}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=15552000");
    assert_eq!(set_cookies(&granted), [expected], "it lasts as long as the longest decision");
    assert_eq!(granted.headers["cache-control"], "no-store");
    assert!(browser.allows("analytics").await);
    assert!(!browser.allows("marketing").await, "nobody said anything about this");

    let withdrawn = ok(browser.post("/withdraw/analytics").await);
    assert_eq!(of(&withdrawn.json(), "analytics")["why"], "withdrawn");
    assert!(!browser.allows("analytics").await);
    assert_eq!(browser.cookies["__Host-consent"], value, "the visitor stays who they are");
    assert_eq!(site.decisions(&browser.visitor(), "analytics").await, [Decision::Granted, Decision::Withdrawn]);
}

#[tokio::test]
async fn visitor_cookie_is_renewed_by_decisions_only() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    browser.grant("analytics").await;
    site.clock.advance(90 * DAY);
    for path in ["/", "/states", "/set-cookies"] {
        assert!(!names(&browser.get(path).await).contains(&"__Host-consent"), "{path} must not extend it");
    }
    assert_eq!(names(&browser.decline("marketing").await), ["__Host-consent"]);
    site.clock.advance(90 * DAY);
    assert_eq!(browser.why("analytics").await, "expired");
    assert_eq!(browser.why("marketing").await, "denied", "a no has no end");
}

#[tokio::test]
async fn decide_records_a_proof_with_minimal_data() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser().with("x-country", "DE").with("accept-language", "de-AT");
    ok(browser.post("/begin").await);
    let session = ok(browser.get("/session").await).json()["id"].clone();
    let prompt = ok(browser.get("/offer").await).json();
    site.clock.advance(minutes(1));
    let mut browser = browser.with("sec-gpc", "1");
    let wanted = json!({
        "made": [["analytics", "grant"], ["measurement", "decline"]],
        "snapshot": prompt["snapshot"], "source": "settings page", "actor": "guardian",
    });
    ok(browser.decide(wanted).await);
    site.clock.advance(minutes(1));
    ok(browser.post("/withdraw/analytics").await);

    let records = site.records(&browser.visitor()).await;
    let [granted, objected, withdrawn] = &records[..] else { panic!("{records:?}") };
    let (consent_state, proof) = (&granted.consent_state, &granted.proof);
    assert_eq!(
        (&granted.purpose, consent_state.decision, proof.method),
        (&id("analytics"), Decision::Granted, DecisionMethod::Custom)
    );
    assert_eq!((consent_state.notice_version, consent_state.gpc_present, consent_state.dnt_present), (1, true, false));
    assert_eq!((consent_state.since, proof.given_at), (START.after(minutes(1)), START.after(minutes(1))));
    assert_eq!(consent_state.valid_until, Some(START.after(minutes(1)).after(180 * DAY)));
    assert_eq!(proof.language.as_deref(), Some("de"));
    assert_eq!((proof.source.as_deref(), proof.actor.as_deref()), (Some("settings page"), Some("guardian")));
    assert_eq!((proof.place.as_deref(), proof.regime), (Some("DE"), Regime::Strictest));
    assert!(session.is_string() && proof.session.is_none(), "what a visitor did before stays apart from an account");
    assert_eq!(proof.network.unwrap().to_string(), "203.0.113.0/24");
    let agent = proof.agent.unwrap();
    assert_eq!((agent.browser, agent.browser_major, agent.system), (Some("Firefox"), Some(140), Some("Linux")));

    let shown = of(&prompt["purposes"], "analytics")["notice"]["text"].as_str().unwrap();
    let digest: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
    assert_eq!(proof.notice, Some(NoticeHash::from_bytes(digest)));
    let kept = site.consents().notice(proof.notice.unwrap()).await.unwrap().unwrap();
    assert_eq!((kept.text(), kept.language(), kept.version(), kept.purpose()), (shown, "de", 1, &id("analytics")));

    assert_eq!((objected.consent_state.decision, objected.consent_state.valid_until), (Decision::Objected, None));
    assert_eq!((withdrawn.consent_state.decision, withdrawn.previous), (Decision::Withdrawn, Some(granted.id)));
    assert_eq!((granted.previous, objected.previous), (None, None));
    assert_eq!((&withdrawn.proof.notice, &withdrawn.proof.language), (&None, &None), "none was shown");

    let told = ok(browser.get("/history").await).body + &serde_json::to_string(&records).unwrap();
    for needle in ["203.0.113.77", FIREFOX, browser.cookies["__Host-session"].as_str()] {
        assert!(!told.contains(needle), "{needle}");
    }
}

#[tokio::test]
async fn decline_records_the_refusal_that_fits_the_state() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    browser.decline("analytics").await;
    browser.grant("analytics").await;
    browser.decline("analytics").await;
    browser.decline("analytics").await;
    browser.decline("measurement").await;
    browser.decline("measurement").await;
    browser.grant("measurement").await;
    browser.decline("measurement").await;
    use Decision::{Denied, Granted, Objected, Withdrawn};
    let visitor = browser.visitor();
    assert_eq!(site.decisions(&visitor, "analytics").await, [Denied, Granted, Withdrawn]);
    assert_eq!(site.decisions(&visitor, "measurement").await, [Objected, Granted, Withdrawn]);
    assert_eq!(site.consents().rebuild().await.unwrap(), 0);
}

#[tokio::test]
async fn history_is_paged_and_contains_own_records_only() {
    let site = Site::new(MemoryStore::new(), rules());
    let (mut one, mut other) = (site.browser(), site.browser());
    for _ in 0..5 {
        one.decline("analytics").await;
        other.decline("marketing").await;
        site.clock.advance(DAY);
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = site.consents().history(&one.visitor(), 2, before).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|record| (record.purpose.clone(), record.id)));
    }
    let all = ok(one.get("/history").await).json();
    let all: Vec<_> = all.as_array().unwrap().iter().map(|record| record["id"].clone()).collect();
    assert_eq!(seen.iter().map(|(_, id)| json!(id)).collect::<Vec<_>>(), all);
    assert!(all.len() == 5 && seen.iter().all(|(purpose, _)| *purpose == id("analytics")));
}

#[tokio::test]
async fn receipt_contains_own_decisions_only() {
    let controller = Controller::new("Shop Ltd", "1 Long Street", "privacy@shop.example");
    let site = Site::new(MemoryStore::new(), rules().controller(controller));
    let (mut browser, mut other) = (site.browser().with("x-country", "DE"), site.browser());
    assert_eq!(ok(browser.get("/receipt").await).body, "null");
    other.grant("marketing").await;
    browser.grant("analytics").await;
    let decline = json!({ "made": [["marketing", "decline"]], "method": "reject_all", "actor": "guardian" });
    ok(browser.decide(decline).await);
    ok(browser.post("/withdraw/analytics").await);

    let receipt = ok(browser.get("/receipt").await).json();
    let records = site.records(&browser.visitor()).await;
    let [granted, denied, withdrawn] = [0, 1, 2].map(|index| json!(records[index].id));
    let now = START.as_millis();
    let expected = json!({
        "schema_version": "ISO/IEC TS 27560:2023",
        "receipt_id": receipt["receipt_id"],
        "receipt_time": now,
        "pii_principal_id": browser.visitor(),
        "pii_controllers": [
            { "name": "Shop Ltd", "address": "1 Long Street", "contact": "privacy@shop.example" },
        ],
        "pii_processing": [
            {
                "purpose": "analytics", "purpose_type": "analytics", "lawful_basis": "consent",
                "retention_period_seconds": 15_552_000,
                "withdrawal_method": "the same page or call by which it was given",
                "events": [
                    {
                        "record_id": withdrawn, "event_state": "withdrawn", "event_time": now, "validity_end": null,
                        "event_type": "custom", "entity_id": null, "privacy_notice": null, "notice_version": 1,
                        "language": null, "jurisdiction": "DE",
                    },
                    {
                        "record_id": granted, "event_state": "granted", "event_time": now,
                        "validity_end": now + 15_552_000_000i64, "event_type": "custom", "entity_id": null,
                        "privacy_notice": NoticeHash::of(WE_COUNT), "notice_version": 1, "language": "en",
                        "jurisdiction": "DE",
                    },
                ],
            },
            {
                "purpose": "marketing", "purpose_type": "marketing", "lawful_basis": "consent",
                "retention_period_seconds": 7_776_000,
                "withdrawal_method": "the same page or call by which it was given",
                "events": [
                    {
                        "record_id": denied, "event_state": "denied", "event_time": now, "validity_end": null,
                        "event_type": "reject_all", "entity_id": "guardian", "privacy_notice": null,
                        "notice_version": 1, "language": null, "jurisdiction": "DE",
                    },
                ],
            },
        ],
    });
    assert_eq!(receipt, expected);
    assert!(receipt["receipt_id"].is_string());

    // A login merges the decisions of this browser, and none of the other's.
    browser.login("ada").await;
    let receipt = site.consents().receipt(&user("ada")).await.unwrap();
    let mut told: Vec<_> = receipt.pii_processing.iter().flat_map(|purpose| &purpose.events).collect();
    told.sort_by_key(|event| event.record_id);
    let mut records = site.records(&user("ada")).await;
    records.sort_by_key(|record| record.id);
    assert_eq!(
        told.iter().map(|event| event.record_id).collect::<Vec<_>>(),
        records.iter().map(|r| r.id).collect::<Vec<_>>()
    );
    assert_eq!(told.iter().filter(|event| event.event_type == DecisionMethod::Merge).count(), 2);
    let foreign = site.records(&other.visitor()).await[0].id;
    assert!(told.len() == 5 && told.iter().all(|event| event.record_id != foreign));
}
