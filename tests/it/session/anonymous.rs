//! The limits on anonymous sessions, which lock out nobody else.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower_guestbook::{
    ErrorKind, GuestbookBuilder,
    http::PeerAddress,
    session::{AnonymousLimits, SessionLimits},
    store::{AnonymousBound, MemoryStore, SessionStore, SplitStore, Store},
};

use crate::support::{Answer, TestClient, app, builder, minutes, send};

const KIB: u64 = 1024;

fn with<S: Store>(store: S, limits: AnonymousLimits) -> (GuestbookBuilder<S>, tower_guestbook::Clock) {
    let (builder, clock) = builder(store);
    (builder.cache_age(Duration::ZERO).anonymous_sessions(limits), clock)
}

/// Returns the number of anonymous sessions in a store, and their bytes.
async fn stored<S: SessionStore>(store: &S) -> (u64, u64) {
    let none = AnonymousBound { sessions: u64::MAX, bytes: u64::MAX };
    let total = store.trim_anonymous(none, 0).await.unwrap();
    (total.sessions, total.bytes)
}

async fn the_least_recently_used_end<S: Store + Clone>(store: S) {
    let (builder, clock) = with(store.clone(), AnonymousLimits::default().sessions(3));
    let guestbook = builder.build().unwrap();
    let app = app(&guestbook);
    let mut ada = TestClient::new(&app);
    ada.ok("/login/ada").await;
    ada.ok("/set/a/1").await;
    let mut clients: Vec<_> = (0..5).map(|_| TestClient::new(&app)).collect();
    for client in &mut clients {
        clock.advance(minutes(2));
        client.ok("/set/a/1").await;
    }
    assert_eq!(stored(&store).await.0, 3);
    for client in &mut clients[..2] {
        assert_eq!(client.value("a").await, Value::Null, "it ended");
        assert!(client.ok("/set/a/2").await.cookie().is_some(), "and another may begin");
    }
    assert_eq!(clients[4].value("a").await, json!("1"));
    assert_eq!(ada.user().await.as_deref(), Some("ada"), "sessions of users are none of it");
    assert_eq!(ada.value("a").await, json!("1"));
}

async fn a_flood_stays_within_the_bytes_and_locks_nobody_out<S: Store + Clone>(store: S) {
    let limits = AnonymousLimits::default().bytes(1_024 * KIB);
    let (builder, _) = with(store.clone(), limits);
    let guestbook = builder.build().unwrap();
    let app = app(&guestbook);
    let mut ada = TestClient::new(&app);
    ada.ok("/login/ada").await;
    ada.ok("/fill/a/60000").await;
    for number in 0..60 {
        // Half of them begin small and grow.
        let mut stranger = TestClient::new(&app);
        if number % 2 == 0 {
            stranger.ok("/set/a/1").await;
        }
        stranger.ok("/fill/a/60000").await;
        let (_, bytes) = stored(&store).await;
        assert!(bytes <= 1_024 * KIB, "{bytes} after {number}");
    }
    assert!(stored(&store).await.1 > 900 * KIB, "no more than needed ended");
    let mut visitor = TestClient::new(&app);
    visitor.ok("/set/cart/1").await;
    assert_eq!(visitor.value("cart").await, json!("1"));
    let mut eve = TestClient::new(&app);
    eve.ok("/login/eve").await;
    assert_eq!(ada.value("a").await, json!("x".repeat(60_000)));
}

async fn on<S: Store + Clone>(make: impl Fn(&str) -> S) {
    the_least_recently_used_end(make("sessions")).await;
    a_flood_stays_within_the_bytes_and_locks_nobody_out(make("bytes")).await;
}

#[tokio::test]
async fn anonymous_limit_ends_the_least_recently_used_in_memory() {
    on(|_| MemoryStore::new()).await;
    on(|_| SplitStore::new(MemoryStore::new(), MemoryStore::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn anonymous_limit_ends_the_least_recently_used_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    on(|name| tower_guestbook::store::SqliteStore::open(directory.path().join(name)).unwrap()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn anonymous_limit_is_shared_by_processes() {
    let directory = tempfile::tempdir().unwrap();
    let open = || tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let limits = AnonymousLimits::default().sessions(64);
    let (one, two) = (with(open(), limits).0.build().unwrap(), with(open(), limits).0.build().unwrap());
    let apps = [app(&one), app(&two)];
    let store = open();
    for number in 0..200 {
        TestClient::new(&apps[number % 2]).ok("/set/a/1").await;
        let (sessions, _) = stored(&store).await;
        assert!(sessions <= 64, "{sessions} after {number}");
    }
    assert!(stored(&store).await.0 >= 63);
}

/// Sends a request without a cookie, from an address.
async fn from(app: &Router, address: [u8; 4], path: &str, cookie: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, format!("__Host-session={cookie}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerAddress(SocketAddr::from((address, 40_000))));
    send(app, request).await
}

#[tokio::test]
async fn network_beginning_too_many_sessions_gets_429() {
    let store = MemoryStore::new();
    let limits = AnonymousLimits::default().sessions(40).per_network(10, 1_024 * KIB);
    let (builder, clock) = with(store.clone(), limits);
    let guestbook = builder.build().unwrap();
    let app = app(&guestbook);
    let mut visitor = from(&app, [203, 0, 113, 7], "/set/a/1", None).await.cookie().unwrap();
    let mut accepted = 0;
    let refused = loop {
        // Another address of the same network each time.
        let answer = from(&app, [198, 51, 100, accepted], "/set/a/1", None).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 40, "nobody refuses it");
    };
    // A process does not read the total each time.
    assert!((20..25).contains(&accepted), "until more than half of the bound is used, not {accepted}");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header(header::CONTENT_TYPE), Some("application/problem+json"));
    assert_eq!((refused.json()["title"].as_str(), refused.set_cookie()), (Some("Too many new sessions"), None));
    // One of ten is returned in a tenth of ten minutes.
    assert_eq!(refused.header(header::RETRY_AFTER), Some("60"));

    // Others are not affected, nor are logged-in users, logins and reads.
    assert_eq!(from(&app, [192, 0, 2, 1], "/set/a/1", None).await.status, StatusCode::OK);
    assert_eq!(from(&app, [203, 0, 113, 9], "/set/a/1", None).await.status, StatusCode::OK);
    assert_eq!(from(&app, [198, 51, 100, 1], "/login/ada", None).await.status, StatusCode::OK);
    assert_eq!(from(&app, [198, 51, 100, 1], "/get/a", None).await.status, StatusCode::OK);
    for _ in 0..15 {
        let proxy = from(&app, [10, 0, 0, 1], "/set/a/1", None).await;
        assert_eq!(proxy.status, StatusCode::OK, "an address that says nothing about the client");
    }
    visitor = from(&app, [203, 0, 113, 7], "/set/a/2", Some(&visitor)).await.cookie().unwrap_or(visitor);
    assert_eq!(from(&app, [203, 0, 113, 7], "/get/a", Some(&visitor)).await.json(), json!("2"));

    clock.advance(Duration::from_secs(60));
    assert_eq!(from(&app, [198, 51, 100, 1], "/set/a/1", None).await.status, StatusCode::OK);
    assert_eq!(from(&app, [198, 51, 100, 1], "/set/a/1", None).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn network_storing_too_much_gets_429() {
    let limits = AnonymousLimits::default().bytes(400 * KIB).per_network(1_000, 100 * KIB);
    let (builder, _) = with(MemoryStore::new(), limits);
    let guestbook = builder.build().unwrap();
    let app = app(&guestbook);
    let stranger = [198, 51, 100, 1];
    let cookie = from(&app, stranger, "/set/a/1", None).await.cookie().unwrap();
    let mut stored = 0;
    loop {
        let answer = from(&app, stranger, "/fill/a/60000", None).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert_eq!(answer.status, StatusCode::OK);
        stored += 1;
        assert!(stored < 7, "nobody refuses it");
    }
    assert_eq!(stored, 4);
    let grows = from(&app, stranger, "/fill/a/1000", Some(&cookie)).await;
    assert_eq!(grows.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(from(&app, stranger, "/get/a", Some(&cookie)).await.json(), json!("1"));
    assert_eq!(from(&app, stranger, "/set/a/2", Some(&cookie)).await.status, StatusCode::OK, "it grows by nothing");
    assert_eq!(from(&app, stranger, "/get/a", Some(&cookie)).await.json(), json!("2"));
    assert_eq!(from(&app, [203, 0, 113, 1], "/fill/a/60000", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn build_refuses_anonymous_limits_below_one_session() {
    let build = |limits| with(MemoryStore::new(), limits).0.build().map(drop).map_err(|error| error.kind());
    let of_session = SessionLimits::default().bytes as u64;
    let good = AnonymousLimits::default().sessions(1).bytes(of_session).per_network(1, of_session);
    assert_eq!(build(good), Ok(()));
    for wrong in [good.sessions(0), good.bytes(of_session - 1), good.per_network(0, of_session), good.per_network(1, 9)]
    {
        assert_eq!(build(wrong), Err(ErrorKind::Configuration), "{wrong:?}");
    }
}

#[tokio::test]
async fn full_memory_store_ends_only_anonymous_sessions() {
    let guestbook = builder(MemoryStore::new().capacity(3)).0.cache_age(Duration::ZERO).build().unwrap();
    let app = app(&guestbook);
    let mut clients: Vec<_> = (0..3).map(|_| TestClient::new(&app)).collect();
    clients[0].ok("/login/ada").await;
    clients[1].ok("/set/a/1").await;
    clients[2].ok("/set/a/1").await;
    TestClient::new(&app).ok("/login/eve").await;
    assert_eq!((clients[1].value("a").await, clients[2].value("a").await), (Value::Null, json!("1")));
    TestClient::new(&app).ok("/login/bob").await;
    let refused = TestClient::new(&app).get("/login/mia").await;
    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(clients[0].user().await.as_deref(), Some("ada"));
}
