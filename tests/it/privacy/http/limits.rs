//! How often users may ask, by the manual clock.

use super::*;

/// Sends this number of requests, which must be answered.
async fn ask(caller: &Caller, path: &str, times: usize) {
    for number in 1..=times {
        assert_eq!(caller.get(path).await.status, StatusCode::OK, "{path}, number {number}");
    }
}

fn assert_throttled(answer: &Answer, seconds: &str, what: &str) {
    assert_eq!(assert_problem(answer, 429, what)["title"], "Too many requests", "{what}");
    assert_eq!(answer.header(header::RETRY_AFTER), Some(seconds), "{what}");
}

#[tokio::test]
async fn limit_is_thirty_a_minute_then_one_every_two_seconds() {
    let store = FaultyStore::default();
    let site = Site::new(store.clone());
    let (ada, other_device, bob) = (site.login("ada").await, site.login("ada").await, site.login("bob").await);
    ask(&ada, "/restriction", 20).await;
    ask(&other_device, "/restriction", 10).await;
    let asked = store.asked();
    for caller in [&ada, &other_device] {
        for (method, path) in
            [("GET", "/restriction"), ("POST", "/restriction"), ("DELETE", "/delete"), ("GET", "/export")]
        {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_throttled(&caller.ask(method, path, &[], "").await, "2", path);
        }
    }
    assert_eq!(store.asked(), asked, "the store is not asked for what is refused");
    ask(&bob, "/restriction", 30).await;

    site.clock.advance(Duration::from_millis(1_001));
    assert_throttled(&ada.get("/restriction").await, "1", "not yet");
    site.clock.advance(Duration::from_millis(999));
    ask(&ada, "/restriction", 1).await;
    assert_throttled(&ada.get("/restriction").await, "2", "one at a time");
    site.clock.advance(minutes(1));
    ask(&ada, "/restriction", 30).await;
    assert_throttled(&ada.get("/restriction").await, "2", "never more than thirty");
}

#[tokio::test]
async fn sensitive_limit_counts_exports_and_erasures() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    ask(&ada, "/export", 2).await;
    site.clock.advance(minutes(6));
    // Five minutes gave them back, and these are refused for their old login.
    for _ in 0..5 {
        assert_problem(&ada.delete("/delete").await, 401, "an old login");
    }
    let fresh = site.login("ada").await;
    let before = site.state().await;
    for (method, path) in [
        ("GET", "/export"),
        ("DELETE", "/delete"),
        ("POST", "/delete"),
        ("POST", "/requests/erasure"),
        ("POST", "/requests/0199f0e0-7a00-7000-8000-000000000001/confirmation"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_throttled(&fresh.ask(method, path, &[], "").await, "12", path);
    }
    assert_eq!(site.state().await, before);
    ask(&fresh, "/audit", 25).await;
    assert_throttled(&fresh.get("/audit").await, "2", "they count among all");
    site.clock.advance(Duration::from_secs(12));
    ask(&fresh, "/export", 1).await;
    assert_throttled(&fresh.get("/export").await, "12", "one at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_holds_for_parallel_requests() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let ada = ada.clone();
        asking.spawn(async move { ada.get("/restriction").await.status.as_u16() });
    }
    let mut statuses = asking.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 30].as_slice(), [429; 70].as_slice()].concat());
}

#[tokio::test]
async fn all_services_of_a_guestbook_limit_a_user_together() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let again = Caller { app: app(&site.guestbook), ..ada.clone() };
    ask(&ada, "/audit", 15).await;
    ask(&again, "/audit", 15).await;
    assert_throttled(&again.get("/audit").await, "2", "together");
}

#[tokio::test]
async fn users_beyond_limited_users_do_not_limit_each_other() {
    let rules = rules().requests(RateLimit::per_minute(2)).limited_users(3);
    let site = Site::with(MemoryStore::new(), Mail::default(), rules);
    let mut users = Vec::new();
    for number in 0..10 {
        users.push(site.login(&format!("user{number}")).await);
    }
    for _ in 0..3 {
        for user in &users {
            ask(user, "/restriction", 1).await;
        }
    }
    ask(&users[9], "/restriction", 1).await;
    assert_throttled(&users[9].get("/restriction").await, "30", "a remembered user is limited");
}

#[tokio::test]
async fn throttled_requests_are_counted() {
    let kept = crate::library::metrics::Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    ask(&ada, "/export", 5).await;
    ada.get("/export").await;
    ask(&ada, "/audit", 25).await;
    ada.get("/audit").await;
    ada.get("/audit").await;
    let count = |limit: &str| kept.count(&format!("guestbook_privacy_throttled_total limit={limit}"));
    assert_eq!((count("sensitive"), count("requests")), (1, 2));
}
