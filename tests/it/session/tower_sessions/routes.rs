//! An application behind their layer on our store: each thing that a handler can do with their
//! session.

use std::time::Duration as StdDuration;

use axum::{
    Extension, Router,
    extract::Path,
    http::{StatusCode, header},
    routing::get,
};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tower_guestbook::UserId;

use super::version::{Expiry, Session, SessionManagerLayer};
use crate::session::tower_sessions::{Browser, Site};

/// A handler's session.
type Own = Extension<Session>;

fn routes() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/insert", get(async |Extension(session): Own| session.insert("answer", 42).await.unwrap()))
        .route(
            "/insert/{key}/{value}",
            get(async |Extension(session): Own, Path((key, value)): Path<(String, u64)>| {
                session.insert(&key, value).await.unwrap();
            }),
        )
        .route(
            "/get/{key}",
            get(async |Extension(session): Own, Path(key): Path<String>| {
                format!("{:?}", session.get::<Value>(&key).await.unwrap().map(|value| value.to_string()))
            }),
        )
        .route(
            "/remove",
            get(async |Extension(session): Own| session.remove_value("answer").await.unwrap().unwrap().to_string()),
        )
        .route("/clear", get(async |Extension(session): Own| session.clear().await))
        .route("/cycle_id", get(async |Extension(session): Own| session.cycle_id().await.unwrap()))
        .route("/flush", get(async |Extension(session): Own| session.flush().await.unwrap()))
        .route(
            "/flush_and_insert",
            get(async |Extension(session): Own| {
                session.flush().await.unwrap();
                session.insert("answer", 43).await.unwrap();
            }),
        )
        .route(
            "/expiry/days/{days}",
            get(async |Extension(session): Own, Path(days): Path<i64>| {
                session.set_expiry(Some(Expiry::AtDateTime(OffsetDateTime::now_utc() + Duration::days(days))));
            }),
        )
        .route("/expiry/none", get(async |Extension(session): Own| session.set_expiry(None)))
        .route("/fill", get(async |Extension(session): Own| session.insert("much", "x".repeat(70_000)).await.unwrap()))
}

fn app(site: &Site, expiry: Option<Expiry>) -> Router {
    let layer = SessionManagerLayer::new(site.store.clone());
    routes().layer(match expiry {
        Some(expiry) => layer.with_expiry(expiry),
        None => layer,
    })
}

fn hour() -> Option<Expiry> {
    Some(Expiry::OnInactivity(Duration::hours(1)))
}

fn max_age(set_cookie: &str) -> Option<i64> {
    let (_, rest) = set_cookie.split_once("Max-Age=")?;
    Some(rest.split(';').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_request_that_writes_nothing_gets_no_cookie() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    for path in ["/", "/get/answer"] {
        assert_eq!(browser.get(path).await.set_cookie(), None, "{path}");
    }
    assert_eq!(browser.ok("/get/answer").await, "None");
}

#[tokio::test]
async fn insert_sets_the_cookie_and_get_finds_the_value() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    let answer = browser.get("/insert").await;
    let cookie = answer.set_cookie().unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!((3_598..=3_600).contains(&max_age(cookie).unwrap()), "{cookie}");
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
}

#[tokio::test]
async fn a_cookie_of_no_session_is_replaced_at_the_next_write() {
    let site = Site::new();
    let app = app(&site, hour());
    let unknown = "AAAAAAAAAAAAAAAAAAAAAA";
    let mut browser = Browser::with_cookie(&app, unknown);
    browser.ok("/insert").await;
    assert_ne!(browser.cookie.as_deref(), Some(unknown));
    let mut browser = Browser::with_cookie(&app, "malformed");
    browser.ok("/").await;
    assert_eq!(browser.cookie, None, "what is no id is removed");
    browser.cookie = Some("malformed".to_owned());
    browser.ok("/insert").await;
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
}

#[tokio::test]
async fn remove_of_the_last_value_keeps_the_session() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    browser.ok("/insert").await;
    let before = browser.cookie.clone();
    assert_eq!(browser.ok("/remove").await, "42");
    assert_eq!((browser.ok("/get/answer").await.as_str(), &browser.cookie), ("None", &before));
}

#[tokio::test]
async fn clear_removes_what_the_request_has_not_read() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    browser.ok("/insert").await;
    browser.ok("/clear").await;
    assert_eq!(browser.ok("/get/answer").await, "None");
}

#[tokio::test]
async fn cycle_id_keeps_the_data_and_ends_the_old_id() {
    let site = Site::new();
    let app = app(&site, hour());
    let mut browser = Browser::new(&app);
    browser.ok("/insert").await;
    let old = browser.cookie.clone().unwrap();
    browser.ok("/cycle_id").await;
    assert_ne!(browser.cookie.as_ref(), Some(&old));
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
    assert_eq!(Browser::with_cookie(&app, &old).ok("/get/answer").await, "None");
}

#[tokio::test]
async fn flush_ends_the_session_and_removes_the_cookie() {
    let site = Site::new();
    let layer = SessionManagerLayer::new(site.store.clone()).with_domain("localhost");
    let app = routes().layer(layer);
    let mut browser = Browser::new(&app);
    browser.ok("/insert").await;
    let old = browser.cookie.clone().unwrap();
    let answer = browser.get("/flush").await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("id=;") && cookie.contains("Max-Age=0"), "{cookie}");
    assert!(cookie.contains("Path=/") && cookie.contains("Domain=localhost"), "{cookie}");
    assert_eq!(Browser::with_cookie(&app, &old).ok("/get/answer").await, "None");
}

#[tokio::test]
async fn a_session_that_begins_after_a_flush_has_another_id() {
    let site = Site::new();
    let app = app(&site, hour());
    let mut browser = Browser::new(&app);
    browser.ok("/insert").await;
    let old = browser.cookie.clone().unwrap();
    browser.ok("/flush_and_insert").await;
    assert_ne!(browser.cookie.as_ref(), Some(&old));
    assert_eq!(browser.ok("/get/answer").await, "Some(\"43\")");
    assert_eq!(Browser::with_cookie(&app, &old).ok("/get/answer").await, "None");
}

#[tokio::test]
async fn a_session_ends_when_it_was_not_used_for_long_enough() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    browser.ok("/insert").await;
    site.clock.advance(StdDuration::from_secs(3_598));
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
    site.clock.advance(StdDuration::from_secs(3));
    assert_eq!(browser.ok("/get/answer").await, "None");
}

#[tokio::test]
async fn always_save_extends_the_session_with_each_request() {
    let site = Site::new();
    let layer = SessionManagerLayer::new(site.store.clone())
        .with_expiry(Expiry::OnInactivity(Duration::milliseconds(400)))
        .with_always_save(true);
    let store = site.store.clone();
    let mut browser = Browser::new(&routes().layer(layer));
    browser.ok("/insert").await;
    let expiry = async |cookie: &str| {
        use super::version::SessionStore;
        store.load(&cookie.parse().unwrap()).await.unwrap().unwrap().expiry_date
    };
    let before = expiry(browser.cookie.as_ref().unwrap()).await;
    assert!(browser.get("/").await.set_cookie().is_some());
    assert!(expiry(browser.cookie.as_ref().unwrap()).await > before);
}

#[tokio::test]
async fn a_session_ends_at_the_time_that_set_expiry_says() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    browser.ok("/insert").await;
    let answer = browser.get("/expiry/days/3").await;
    assert!((259_190..=259_200).contains(&max_age(answer.set_cookie().unwrap()).unwrap()));
    site.clock.advance(StdDuration::from_secs(3 * 86_400 - 10));
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
    site.clock.advance(StdDuration::from_secs(11));
    assert_eq!(browser.ok("/get/answer").await, "None");
}

#[tokio::test]
async fn an_expiry_in_the_past_ends_the_session() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    browser.ok("/insert").await;
    browser.ok("/expiry/days/-1").await;
    assert_eq!(browser.ok("/get/answer").await, "None");
}

#[tokio::test]
async fn a_session_that_ends_with_the_browser_lives_two_weeks_in_the_store() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, None));
    assert_eq!(max_age(browser.get("/insert").await.set_cookie().unwrap()), None);
    site.clock.advance(StdDuration::from_secs(14 * 86_400 - 10));
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
    site.clock.advance(StdDuration::from_secs(11));
    assert_eq!(browser.ok("/get/answer").await, "None");
}

#[tokio::test]
async fn set_expiry_makes_the_cookie_persistent_and_back() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, None));
    assert_eq!(max_age(browser.get("/insert").await.set_cookie().unwrap()), None);
    assert!(max_age(browser.get("/expiry/days/1").await.set_cookie().unwrap()).is_some());
    assert_eq!(max_age(browser.get("/expiry/none").await.set_cookie().unwrap()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_of_one_session_all_succeed() {
    let site = Site::new();
    let app = app(&site, hour());
    let mut browser = Browser::new(&app);
    browser.ok("/insert").await;
    let requests = (0..32).map(|number| {
        let mut browser = browser.clone();
        tokio::spawn(async move { browser.ok(&format!("/insert/number/{number}")).await })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap();
    }
    let last = browser.ok("/get/number").await;
    assert!(last.starts_with("Some("), "one of them won: {last}");
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_first_requests_get_sessions_of_their_own() {
    let site = Site::new();
    let app = app(&site, hour());
    let requests = (0..64).map(|number| {
        let mut browser = Browser::new(&app);
        tokio::spawn(async move {
            browser.ok(&format!("/insert/number/{number}")).await;
            (browser.ok("/get/number").await, format!("Some(\"{number}\")"))
        })
    });
    for request in requests.collect::<Vec<_>>() {
        let (found, expected) = request.await.unwrap();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn data_beyond_the_limits_is_answered_with_500_and_the_session_stays_as_it_was() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, hour()));
    browser.ok("/insert").await;
    assert_eq!(browser.get("/fill").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(browser.ok("/get/answer").await, "Some(\"42\")");
    assert_eq!(browser.ok("/get/much").await, "None");
}

#[tokio::test]
async fn user_from_binds_a_session_to_the_user_whom_its_data_names() {
    let mut site = Site::new();
    site.store = site.store.clone().user_from(|data| Some(UserId::from(data.get("account")?.as_u64()?)));
    let mut browser = Browser::new(&app(&site, hour()));
    browser.ok("/insert").await;
    assert_eq!(site.count(7).await, 0);
    browser.ok("/insert/account/7").await;
    let before = browser.cookie.clone();
    assert_eq!((site.count(7).await, site.count(8).await), (1, 0));
    browser.ok("/insert/account/8").await;
    assert_eq!((site.count(7).await, site.count(8).await), (0, 1));
    assert_eq!(browser.cookie, before, "the id is theirs to change");
    assert_eq!(site.guestbook.sessions().revoke_user(&UserId::from(8)).await.unwrap(), 1);
    assert_eq!(browser.ok("/get/answer").await, "None");
    assert!(browser.get("/get/answer").await.headers.get(header::SET_COOKIE).is_none(), "the cookie is gone");
}
