//! Two guestbooks on one file: a decision in one of them holds in the other.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tower_guestbook::{Guestbook, consent::DecisionContext, store::SqliteStore};

use super::{Browser, Site, id, of, ok, rules, user};
use crate::support::builder;

const SECOND: Duration = Duration::from_secs(1);

fn two(cache_age: Duration) -> (Site, Site, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let (one, clock) = builder(open());
    let other = Guestbook::builder(open()).clock(clock.clone());
    let site = Site::of(one.cache_age(cache_age), clock.clone(), rules());
    (site, Site::of(other.cache_age(cache_age), clock, rules()), directory)
}

/// The same browser, served by another process.
fn at(site: &Site, browser: &Browser) -> Browser {
    Browser { app: site.app.clone(), ..browser.clone() }
}

#[tokio::test]
async fn withdraw_holds_at_once_here_and_within_cache_age_in_other_processes() {
    for cache_age in [SECOND, Duration::ZERO] {
        for who in ["ada", "a visitor"] {
            let (a, b, _directory) = two(cache_age);
            let mut here = a.browser();
            if who == "ada" {
                here.login("ada").await;
            }
            here.grant("marketing").await;
            let mut there = at(&b, &here);
            for _ in 0..2 {
                assert!(here.allows("marketing").await && there.allows("marketing").await, "{who}");
                assert_eq!(ok(there.get("/offers").await).body, "for you");
            }
            a.clock.advance(cache_age / 2);
            ok(here.post("/withdraw/marketing").await);
            assert!(!here.allows("marketing").await, "{who}, {cache_age:?}: here at once");
            // The entry there was read before.
            a.clock.advance(cache_age - cache_age / 2);
            assert!(!there.allows("marketing").await, "{who}, {cache_age:?}: there in time");
            assert_eq!(there.get("/offers").await.status.as_u16(), 403);

            // And back again: what was withdrawn there holds here.
            there.grant("marketing").await;
            a.clock.advance(cache_age);
            assert!(here.allows("marketing").await);
            ok(there.post("/withdraw/marketing").await);
            assert!(!there.allows("marketing").await);
            a.clock.advance(cache_age);
            assert!(!here.allows("marketing").await);
            assert_eq!((a.consents().rebuild().await.unwrap(), b.consents().rebuild().await.unwrap()), (0, 0));
        }
    }
}

#[tokio::test]
async fn consents_withdraw_holds_at_once_here_and_within_cache_age_in_other_processes() {
    let (a, b, _directory) = two(SECOND);
    let mut here = a.browser();
    here.login("ada").await;
    here.grant("analytics").await;
    let mut there = at(&b, &here);
    assert!(here.allows("analytics").await && there.allows("analytics").await);
    a.consents().withdraw(&user("ada"), &id("analytics"), &DecisionContext::default()).await.unwrap();
    assert!(!here.allows("analytics").await);
    a.clock.advance(SECOND);
    assert!(!there.allows("analytics").await);
}

#[tokio::test]
async fn snapshot_of_one_process_is_valid_in_another() {
    let (a, b, _directory) = two(SECOND);
    let prompt = ok(a.browser().with("accept-language", "de").get("/offer").await).json();
    let mut there = b.browser();
    ok(there.decide(json!({ "made": [["analytics", "grant"]], "snapshot": prompt["snapshot"] })).await);
    let records = a.records(&there.visitor()).await;
    let notice = a.consents().notice(records[0].proof.notice.unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (notice.language(), json!(notice.text())),
        ("de", of(&prompt["purposes"], "analytics")["notice"]["text"].clone())
    );
}

#[tokio::test]
async fn login_in_another_process_links_the_decisions_of_the_visitor() {
    let (a, b, _directory) = two(SECOND);
    let mut here = a.browser();
    here.grant("analytics").await;
    here.decline("measurement").await;
    let cookie = here.cookies["__Host-consent"].clone();
    let mut there = at(&b, &here);
    there.login("ada").await;
    assert!(!there.allows("analytics").await && !there.allows("measurement").await, "the no, and not the yes");
    let mut back = at(&a, &there);
    assert!(!back.allows("analytics").await && !back.allows("measurement").await);
    // A second window that was served here still presents the visitor's cookie: it is a new visitor
    // from now on.
    let (spent, of_ada) = (here.visitor(), a.records(&user("ada")).await);
    assert_eq!(of_ada.len(), 3, "two of the visitor, and one that was taken along");
    here.decline("marketing").await;
    assert_ne!(here.visitor(), spent);
    assert_eq!(here.why("marketing").await, "denied");
    assert_eq!(here.why("analytics").await, "undecided");
    assert_eq!(a.records(&user("ada")).await, of_ada);
    // Where nobody has looked since the login, it is the same.
    let mut copy = at(&b, &here);
    copy.cookies.insert("__Host-consent".to_owned(), cookie);
    copy.grant("marketing").await;
    assert_ne!(copy.visitor(), spent);
    assert_eq!(b.records(&user("ada")).await, of_ada);
    assert_eq!(b.consents().rebuild().await.unwrap(), 0);
}

#[tokio::test]
async fn decisions_survive_a_restart() {
    let (a, _, directory) = two(SECOND);
    let mut browser = a.browser();
    browser.grant("analytics").await;
    browser.decline("marketing").await;
    let before = a.records(&browser.visitor()).await;
    a.guestbook.shutdown().await;
    let store = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let again = Site::of(Guestbook::builder(store).clock(a.clock.clone()), a.clock.clone(), rules());
    let mut browser = at(&again, &browser);
    assert!(browser.allows("analytics").await && !browser.allows("marketing").await);
    assert_eq!(again.records(&browser.visitor()).await, before);
}
