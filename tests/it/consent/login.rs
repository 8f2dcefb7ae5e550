//! Login and logout: which decisions of the visitor the user takes over.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tower_guestbook::{
    UserId,
    activity::{ActivityFilter, HistoryQuery},
    consent::{Decision, DecisionMethod, MergePolicy, PurposeId, Subject},
    session::{OnSessionLimit, SessionCap},
    store::{MemoryStore, SplitStore},
};

use super::{Browser, Site, id, names, of, ok, rules, user};
use crate::{
    activity::requests::events,
    support::{
        HANDLER_UNAVAILABLE, builder,
        faulty_store::{Fault, FaultyStore},
    },
};

/// Somebody with an account decides on a device of theirs, which is put away then.
async fn at_home(site: &Site, who: &str, decisions: &[(&str, bool)]) {
    let mut browser = site.browser();
    browser.login(who).await;
    decide(&mut browser, decisions).await;
    ok(browser.post("/logout").await);
}

async fn decide(browser: &mut Browser, decisions: &[(&str, bool)]) {
    for (purpose, yes) in decisions {
        if *yes {
            browser.grant(purpose).await
        } else {
            browser.decline(purpose).await
        };
    }
}

#[tokio::test]
async fn login_merges_refusals_and_grants_only_with_carry_grants() {
    let (yes, no) = (Some(true), Some(false));
    let table = [
        (None, None, [false, false, false, false]),
        (yes, None, [false, false, false, true]),
        (no, None, [false, false, false, false]),
        (None, yes, [true, true, true, true]),
        (None, no, [false, false, false, false]),
        (yes, yes, [true, true, true, true]),
        (no, yes, [false, false, true, false]),
        (yes, no, [false, false, false, false]),
        (no, no, [false, false, false, false]),
    ];
    assert_eq!(MergePolicy::default(), MergePolicy::MostRestrictive);
    use MergePolicy::{AccountWins, CarryGrants, LatestDecision, MostRestrictive};
    let policies = [MostRestrictive, LatestDecision, AccountWins, CarryGrants];
    for (index, policy) in policies.into_iter().enumerate() {
        for (visitor, account, allowed) in table {
            let site = Site::new(MemoryStore::new(), rules().merge(policy));
            at_home(&site, "ada", &account.map_or(vec![], |yes| vec![("marketing", yes)])).await;
            site.clock.advance(Duration::from_secs(60));
            let mut browser = site.browser();
            decide(&mut browser, &visitor.map_or(vec![], |yes| vec![("marketing", yes)])).await;
            let had_a_cookie = browser.cookies.contains_key("__Host-consent");
            let login = browser.login("ada").await;
            let case = format!("{policy:?}: visitor {visitor:?}, account {account:?}");
            assert_eq!(names(&login).contains(&"__Host-consent"), had_a_cookie, "{case}");
            assert!(!browser.cookies.contains_key("__Host-consent"), "{case}: it is removed");
            let states = login.json();
            assert_eq!(
                of(&states, "marketing")["allowed"],
                json!(allowed[index]),
                "{case}: already in the request that logs in"
            );
            assert_eq!(browser.allows("marketing").await, allowed[index], "{case}");
            assert_eq!(site.consents().rebuild().await.unwrap(), 0, "{case}");
        }
    }
}

#[tokio::test]
async fn login_records_merged_decisions_with_the_proof_of_the_visitor() {
    let site = Site::new(MemoryStore::new(), rules().merge(MergePolicy::CarryGrants));
    let mut browser = site.browser().with("x-country", "DE");
    browser.grant("analytics").await;
    browser.decline("marketing").await;
    let (visitor, before) = (browser.visitor(), site.records(&browser.visitor()).await);
    site.clock.advance(Duration::from_secs(60));
    browser.login("ada").await;
    assert_eq!(site.records(&visitor).await, before, "nothing of the visitor's is rewritten");
    let all = site.records(&user("ada")).await;
    let merged: Vec<_> = all.iter().filter(|record| record.subject == user("ada")).collect();
    assert_eq!((all.len(), merged.len()), (4, 2), "her history has both");
    for (merged, original) in merged.into_iter().zip(&before) {
        assert_eq!(
            (&merged.purpose, merged.consent_state),
            (&original.purpose, original.consent_state),
            "it lasts no longer"
        );
        let proof = original.proof.clone();
        assert_eq!((merged.proof.method, &merged.proof.notice), (DecisionMethod::Merge, &proof.notice));
        assert_eq!((&merged.proof.place, merged.proof.given_at), (&proof.place, proof.given_at));
    }
    // The same browser logs in once more: there is no visitor any more, and nothing new.
    ok(browser.post("/logout").await);
    browser.login("ada").await;
    assert_eq!(site.records(&user("ada")).await.len(), 4);
}

#[tokio::test]
async fn logout_makes_the_browser_a_new_visitor() {
    let site = Site::new(MemoryStore::new(), rules().merge(MergePolicy::CarryGrants));
    let mut browser = site.browser();
    browser.grant("analytics").await;
    let first = browser.visitor();
    browser.login("ada").await;
    browser.grant("marketing").await;
    assert!(browser.allows("analytics").await && browser.allows("marketing").await);
    ok(browser.post("/logout").await);
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    for purpose in ["analytics", "marketing"] {
        assert_eq!(browser.why(purpose).await, "undecided");
    }
    assert_eq!(
        (ok(browser.get("/history").await).body, ok(browser.get("/receipt").await).body),
        ("[]".into(), "null".into())
    );
    browser.decline("measurement").await;
    let second = browser.visitor();
    assert_ne!(first, second);
    assert_eq!(site.records(&second).await.len(), 1);
    assert_eq!(site.decisions(&user("ada"), "measurement").await, [], "what the next one says is not ada's");

    browser.login("bob").await;
    assert!(!browser.allows("measurement").await && !browser.allows("analytics").await);
    assert_eq!(site.decisions(&user("bob"), "measurement").await, [Decision::Objected, Decision::Objected]);
    assert!(site.decisions(&user("bob"), "analytics").await.is_empty(), "bob has nothing of ada's");
}

#[tokio::test]
async fn linked_visitor_is_not_linked_to_another_user() {
    let site = Site::new(MemoryStore::new(), rules().merge(MergePolicy::CarryGrants));
    let mut browser = site.browser();
    browser.grant("analytics").await;
    let mut copy = browser.clone();
    browser.login("ada").await;
    copy.login("bob").await;
    assert!(browser.allows("analytics").await && !copy.allows("analytics").await);
    assert!(site.records(&user("bob")).await.is_empty());
}

#[tokio::test]
async fn login_fails_if_the_visitor_cannot_be_linked() {
    for mood in [Fault::ReadOnly, Fault::Failing] {
        let store = FaultyStore::default();
        let site = Site::new(store.clone(), rules());
        let mut browser = site.browser();
        browser.decline("marketing").await;
        assert!(!browser.allows("marketing").await, "now it is in the cache");
        let asked = store.asked();
        store.set(mood);
        let refused = browser.post("/login/ada").await;
        assert_eq!((refused.problem().as_str(), names(&refused).len()), (HANDLER_UNAVAILABLE, 0));
        assert_eq!(store.asked(), asked + 1, "nothing is linked to a login that is not stored");
        store.set(Fault::Good);
        assert_eq!(ok(browser.get("/session").await).json(), json!({ "id": null, "user": null }));
        assert!(site.guestbook.sessions().list(&UserId::try_from("ada").unwrap()).await.unwrap().is_empty());
        assert!(site.records(&user("ada")).await.is_empty());
        browser.login("ada").await;
        assert_eq!(browser.why("marketing").await, "denied");
    }
}

#[tokio::test]
async fn login_that_the_session_store_refuses_leaves_the_visitor_their_decisions() {
    let sessions = FaultyStore::default();
    let site = Site::new(SplitStore::new(sessions.clone(), MemoryStore::new()), rules());
    let mut browser = site.browser();
    browser.decline("measurement").await;
    assert_eq!(browser.why("measurement").await, "objected");
    sessions.set(Fault::ReadOnly);
    let refused = browser.post("/login/ada").await;
    assert_eq!((refused.problem().as_str(), names(&refused).len()), (HANDLER_UNAVAILABLE, 0));
    assert_eq!(browser.why("measurement").await, "objected", "nobody is logged in, and the objection stands");
    assert!(site.records(&user("ada")).await.is_empty());
    sessions.set(Fault::Good);
    browser.login("ada").await;
    assert_eq!(browser.why("measurement").await, "objected");
}

#[tokio::test]
async fn login_whose_visitor_cannot_be_linked_leaves_no_session_behind() {
    let (sessions, records) = (MemoryStore::new(), FaultyStore::default());
    let site = Site::new(SplitStore::new(sessions, records.clone()), rules());
    for had_a_session in [false, true] {
        let mut browser = site.browser();
        browser.decline("measurement").await;
        if had_a_session {
            ok(browser.post("/begin").await);
        }
        records.set(Fault::ReadOnly);
        let refused = browser.post("/login/ada").await;
        assert_eq!(refused.problem(), HANDLER_UNAVAILABLE);
        assert!(!names(&refused).contains(&"__Host-consent"), "the visitor is still known");
        assert!(site.guestbook.sessions().list(&UserId::try_from("ada").unwrap()).await.unwrap().is_empty());
        assert_eq!(ok(browser.get("/session").await).json()["user"], json!(null));
        assert_eq!(browser.why("measurement").await, "objected");
        records.set(Fault::Good);
        browser.login("ada").await;
        assert_eq!(browser.why("measurement").await, "objected");
        ok(browser.post("/logout").await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_logins_under_a_session_limit_only_the_accepted_one_links_its_visitor() {
    for round in 0..50 {
        let (builder, clock) = builder(MemoryStore::new());
        let one = SessionCap { max: 1, on_limit: OnSessionLimit::Refuse };
        let site = Site::of(builder.sessions_per_user(one), clock, rules());
        let (mut phone, mut desktop) = (site.browser(), site.browser());
        for browser in [&mut phone, &mut desktop] {
            browser.decline("measurement").await;
        }
        let logins = [phone, desktop].map(|mut browser| {
            tokio::spawn(async move {
                let answer = browser.post("/login/ada").await;
                (answer.status, browser)
            })
        });
        let mut statuses = Vec::new();
        for login in logins {
            let (status, mut browser) = login.await.unwrap();
            assert_eq!(browser.why("measurement").await, "objected", "round {round}: {status}");
            assert_eq!(browser.cookies.contains_key("__Host-consent"), status == StatusCode::CONFLICT, "round {round}");
            statuses.push(status);
        }
        statuses.sort();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT], "round {round}");
        let linked = site.records(&user("ada")).await;
        assert_eq!(linked.iter().filter(|record| record.subject == user("ada")).count(), 1, "round {round}");
    }
}

#[tokio::test]
async fn login_refused_for_the_session_limit_links_no_decisions() {
    let (builder, clock) = builder(MemoryStore::new());
    let one = SessionCap { max: 1, on_limit: OnSessionLimit::Refuse };
    let site = Site::of(builder.sessions_per_user(one), clock, rules());
    let mut phone = site.browser();
    phone.login("ada").await;
    phone.grant("marketing").await;
    assert!(phone.allows("marketing").await, "now it is in the cache");
    let mut desktop = site.browser();
    desktop.decline("marketing").await;
    let refused = desktop.post("/login/ada").await;
    assert_eq!((refused.status, names(&refused).len()), (StatusCode::CONFLICT, 0));
    assert_eq!(ok(desktop.get("/session").await).json()["user"], json!(null));
    assert!(phone.allows("marketing").await, "nobody logged in with the desktop");
    assert_eq!(site.records(&user("ada")).await.len(), 1);
    assert_eq!(desktop.why("marketing").await, "denied", "the visitor's token still stands for them");
    ok(phone.post("/logout").await);
    desktop.login("ada").await;
    assert_eq!(desktop.why("marketing").await, "denied");
}

#[tokio::test]
async fn login_does_not_link_activity_of_a_visitor_without_consent() {
    let ada = UserId::try_from("ada").unwrap();
    let by_ada = async |site: &Site| {
        site.guestbook.flush().await.unwrap();
        let query = HistoryQuery::new(ActivityFilter::new().user(ada.clone())).limit(1_000);
        site.guestbook.activities().history(query).await.unwrap().activities
    };
    // What is measured needs no consent here, so there is something to attribute.
    let site = Site::new(MemoryStore::new(), rules().activity_purpose(Some(id("measurement"))));
    for agrees in [false, true] {
        let mut shared = site.browser();
        if agrees {
            shared.grant("measurement").await;
        } else {
            shared.decline("marketing").await;
        }
        let visitor = shared.visitor();
        let before = events(&site.guestbook).await.len();
        for path in ["/", "/page", "/states"] {
            ok(shared.get(path).await);
        }
        let count = by_ada(&site).await.len();
        shared.login("ada").await;
        ok(shared.get("/page").await);
        let all = events(&site.guestbook).await;
        let Subject::Visitor(visitor) = visitor else { panic!() };
        for event in &all[before..before + 3] {
            assert_eq!(event.user, None, "before the login nobody was ada");
            assert_eq!(event.visitor, agrees.then_some(visitor), "who may be told again must have agreed");
        }
        let hers = by_ada(&site).await;
        assert_eq!(hers.len() - count, 3, "the login, its request, and what came after");
        assert!(hers.iter().all(|activity| activity.event.visitor.is_none()), "no event ties the two together");
    }
}

#[tokio::test]
async fn leftover_visitor_cookie_does_not_affect_a_logged_in_user() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut visitor = site.browser();
    visitor.decline("analytics").await;
    let mut browser = site.browser();
    browser.login("ada").await;
    browser.grant("analytics").await;
    // A parallel request of the same browser was answered after the login.
    browser.cookies.insert("__Host-consent".to_owned(), visitor.cookies["__Host-consent"].clone());
    assert!(browser.allows("analytics").await, "the account counts");
    let before = events(&site.guestbook).await.len();
    ok(browser.get("/page").await);
    let after = events(&site.guestbook).await;
    assert_eq!((after.len() - before, after[before].visitor), (1, None), "ada's grant is not the visitor's");
    browser.decline("analytics").await;
    assert_eq!(site.decisions(&visitor.visitor(), "analytics").await.len(), 1, "ada decides for herself");
    ok(browser.post("/logout").await);
    assert!(browser.cookies.is_empty());
    let ada = site.consents().consent_states(&user("ada")).await.unwrap();
    assert_eq!(ada.get(&PurposeId::ANALYTICS).unwrap().decision, Decision::Withdrawn);
}

/// A browser in which somebody else has left their visitor's cookie.
fn with_cookie_of(site: &Site, other: &Browser) -> Browser {
    let mut browser = site.browser();
    browser.cookies.insert("__Host-consent".to_owned(), other.cookies["__Host-consent"].clone());
    browser
}

#[tokio::test]
async fn planted_visitor_cookie_grants_nothing_and_adds_nothing_to_the_history_at_login() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut attacker = site.browser();
    attacker.grant("marketing").await;
    let planted = attacker.visitor();
    let mut victim = with_cookie_of(&site, &attacker);
    victim.login("ada").await;
    assert!(!victim.allows("marketing").await);
    assert_eq!(site.consents().consent_states(&user("ada")).await.unwrap().len(), 0);
    let of_ada = site.records(&user("ada")).await;
    // The visitor that was linked cannot be told from one that nobody knows.
    for purpose in ["marketing", "analytics"] {
        let mut copy = with_cookie_of(&site, &attacker);
        assert_eq!(copy.why("marketing").await, "undecided");
        assert_eq!(ok(copy.get("/history").await).body, "[]");
        assert_eq!(ok(copy.get("/receipt").await).body, "null");
        copy.decline(purpose).await;
        assert_ne!(copy.visitor(), planted);
        let mut copy = with_cookie_of(&site, &attacker);
        copy.grant(purpose).await;
        assert_ne!(copy.visitor(), planted);
    }
    assert_eq!(site.records(&user("ada")).await, of_ada);
    // Neither does the cookie follow a second account, nor the first one once more.
    for name in ["bob", "ada"] {
        let mut again = with_cookie_of(&site, &attacker);
        again.login(name).await;
        assert_eq!(site.consents().consent_states(&user(name)).await.unwrap().len(), 0, "{name}");
    }
}

#[tokio::test]
async fn events_with_an_invalid_visitor_token_have_no_visitor() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    browser.grant("analytics").await;
    let mut copy = browser.clone();
    browser.login("ada").await;
    let before = events(&site.guestbook).await.len();
    ok(copy.get("/page").await);
    assert_eq!(events(&site.guestbook).await.len(), before, "nobody has agreed");
}
