//! A store that fails, or does not answer.

use super::*;

const READS: [&str; 5] = ["/requests/{open}", "/restriction", "/objection", "/audit", "/export"];

const WRITES: [(&str, &str, &str); 11] = [
    ("POST", "/requests/access", "{}"),
    ("POST", "/requests/erasure", "{}"),
    ("DELETE", "/requests/{open}", ""),
    ("POST", "/restriction", "{}"),
    ("DELETE", "/restriction", ""),
    ("POST", "/objection/analytics", "{}"),
    ("DELETE", "/objection/marketing", ""),
    ("PATCH", "/rectification", r#"{"preferences":{"theme":"dark"}}"#),
    ("POST", "/consent", r#"{"choices":{"marketing":false}}"#),
    ("DELETE", "/consent/analytics", ""),
    ("DELETE", "/delete", ""),
];

/// A site on a store that changes its mood when everybody is known.
async fn site() -> (Site, FaultyStore, Caller, String) {
    let store = FaultyStore::default();
    let site = Site::new(store.clone());
    let (ada, rights) = (user("ada"), site.guestbook.rights());
    let open = rights.file_request(&ada, RequestKind::Rectification, None).await.unwrap().request.id.to_string();
    rights.restrict(&ada, RestrictionReason::Claims).await.unwrap();
    rights.object(&ada, [PurposeId::MARKETING]).await.unwrap();
    let caller = site.login("ada").await;
    caller.get("/restriction").await;
    (site, store, caller, open)
}

fn assert_unavailable(answer: &Answer, what: &str) {
    assert_problem(answer, 503, what);
    assert!(answer.headers.contains_key(header::RETRY_AFTER), "{what}");
    assert!(!answer.body.contains("out of order") && !answer.body.contains("this is wrong"), "{what}: {}", answer.body);
}

#[tokio::test]
async fn failed_read_is_reported_without_details() {
    for path in READS {
        let (_site, store, ada, open) = site().await;
        store.set(Fault::Failing);
        assert_unavailable(&ada.get(&path.replace("{open}", &open)).await, path);
    }
}

#[tokio::test]
async fn failed_write_is_reported_without_details_and_changes_nothing() {
    for mood in [Fault::Failing, Fault::ReadOnly] {
        for (method, path, body) in WRITES {
            let (site, store, ada, open) = site().await;
            let before = site.state().await;
            store.set(mood);
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let headers: &[_] = if body.is_empty() { &[] } else { &[JSON] };
            let answer = ada.ask(method.clone(), &path.replace("{open}", &open), headers, body).await;
            assert_unavailable(&answer, &format!("{method} {path} when {mood:?}"));
            store.set(Fault::Good);
            assert_eq!(site.state().await, before, "{method} {path} when {mood:?}");
        }
    }
}

#[tokio::test]
async fn invalid_input_of_the_store_is_a_server_error() {
    for path in READS {
        let (_site, store, ada, open) = site().await;
        store.set(Fault::Refusing);
        assert_unavailable(&ada.get(&path.replace("{open}", &open)).await, path);
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_does_not_answer_gets_503() {
    let (_site, store, ada, _) = site().await;
    store.set(Fault::Stuck);
    assert_unavailable(&ada.get("/restriction").await, "a read");
    assert_unavailable(&ada.post("/restriction", &json!({})).await, "a write");
}

#[tokio::test(start_paused = true)]
async fn late_change_has_an_unknown_outcome() {
    for (method, path, body) in WRITES {
        if path == "/delete" {
            continue; // 202: see the tests of pending erasures.
        }
        let (_site, store, ada, open) = site().await;
        store.set(Fault::Stuck);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let headers: &[_] = if body.is_empty() { &[] } else { &[JSON] };
        let path = path.replace("{open}", &open);
        let answer = ada.ask(method.clone(), &path, headers, body).await;
        assert_unavailable(&answer, &path);
        assert_eq!(answer.json()["outcome"], "unknown", "{method} {path}");
        assert_eq!(ada.get("/restriction").await.json().get("outcome"), None, "a read changes nothing");
        store.set(Fault::Failing);
        let answer = ada.ask(method.clone(), &path, headers, body).await;
        assert_eq!(answer.json().get("outcome"), None, "{method} {path}: a failure is known");
    }
}

#[tokio::test]
async fn unknown_consent_gets_503() {
    let (site, store, ada, _) = site().await;
    // Another device decides, so that it is read anew for a session that is known.
    site.guestbook.rights().object(&user("ada"), [PurposeId::ANALYTICS]).await.unwrap();
    store.set(Fault::Failing);
    for path in ["/consent", "/consent/receipt"] {
        assert_unavailable(&ada.get(path).await, path);
    }
    assert_unavailable(&ada.post("/consent", &json!({ "choices": { "marketing": false } })).await, "a decision");
}
