//! A late response does not overwrite a cookie that the browser has got meanwhile.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode, header},
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_guestbook::{
    Clock, CurrentUserId, Session, SessionToken,
    http::SessionCookie,
    session::{Lifetime, SessionLimits},
    store::MemoryStore,
};

use crate::{
    consent::{Site, rules, set_cookies},
    support::{
        Answer, TestClient, app, builder,
        faulty_store::{Fault, FaultyStore},
        routes, send,
    },
};

const TOP_LEVEL: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

async fn get_with(app: &Router, path: &str, cookie: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header(header::COOKIE, cookie);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::empty()).unwrap()).await
}

async fn read_head(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        let length = connection.read(&mut buffer).await.unwrap();
        assert!(length > 0, "the server closed after {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(text).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn late_response_to_a_stale_cookie_keeps_the_cookie_of_a_login() {
    let (builder, _) = builder(MemoryStore::new());
    let cookie = SessionCookie::new().name("session_id").insecure_without_secure();
    let guestbook = builder.cookie(cookie).build().unwrap();
    let tracked = post(async |CurrentUserId(user): CurrentUserId, _: Bytes| user.as_str().to_owned());
    let app = routes().route("/api/track/action", tracked).layer(guestbook.session_layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let stale = SessionToken::generate().unwrap().expose_secret().to_string();
    let mut late = TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST /api/track/action HTTP/1.1\r\nhost: x\r\ncookie: session_id={stale}\r\ncontent-length: 10\r\n");
    late.write_all(format!("{head}\r\n12345").as_bytes()).await.unwrap();

    let mut login = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /login/ada HTTP/1.1\r\nhost: x\r\ncookie: session_id={stale}\r\n\r\n");
    login.write_all(head.as_bytes()).await.unwrap();
    let logged_in = read_head(&mut login).await;
    assert!(logged_in.starts_with("http/1.1 200") && logged_in.contains("set-cookie: session_id="), "{logged_in}");

    late.write_all(b"67890").await.unwrap();
    let answer = read_head(&mut late).await;
    assert!(answer.starts_with("http/1.1 401"), "{answer}");
    assert!(!answer.contains("set-cookie"), "{answer}");
}

#[tokio::test]
async fn late_write_with_a_stale_cookie_replaces_no_login() {
    let (builder, clock) = builder(MemoryStore::new());
    let (arrived, mut on_arrival) = tokio::sync::mpsc::channel::<()>(1);
    let (go, on_go) = tokio::sync::mpsc::channel::<()>(1);
    let on_go = std::sync::Arc::new(tokio::sync::Mutex::new(on_go));
    let slow = get(async move |session: Session| {
        arrived.send(()).await.unwrap();
        on_go.lock().await.recv().await.unwrap();
        session.insert("seen", &true).unwrap();
        "slow"
    });
    let app = routes().route("/slow", slow).layer(builder.build().unwrap().session_layer());
    let stale = SessionToken::generate().unwrap().expose_secret().to_string();
    let cookie = format!("__Host-session={stale}");
    let late = tokio::spawn({
        let (app, cookie) = (app.clone(), cookie.clone());
        async move { get_with(&app, "/slow", &cookie, &TOP_LEVEL).await }
    });
    on_arrival.recv().await.unwrap();
    let mut ada = TestClient::with_cookie(&app, stale);
    ada.ok("/login/ada").await;
    go.send(()).await.unwrap();
    let late = late.await.unwrap();
    assert_eq!((late.status, late.set_cookie()), (StatusCode::OK, None), "neither set nor removed");
    assert_eq!(ada.user().await.as_deref(), Some("ada"));
    clock.advance(Duration::from_secs(61));
    assert!(get_with(&app, "/set/a/1", &cookie, &[]).await.cookie().is_some_and(|cookie| cookie.len() == 43));
}

#[tokio::test]
async fn stale_session_cookie_is_removed_only_by_top_level_navigation() {
    let (builder, _) = builder(MemoryStore::new());
    let app = app(&builder.build().unwrap());
    let forged = format!("__Host-session={}", &*SessionToken::generate().unwrap().expose_secret());
    for cookie in [forged.as_str(), "__Host-session=malformed", "__Host-session="] {
        let kept: [&[(&str, &str)]; 6] = [
            &[],
            &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            &[("sec-fetch-mode", "navigate")],
            &[("sec-fetch-dest", "document")],
        ];
        for headers in kept {
            for path in ["/", "/user", "/session"] {
                let answer = get_with(&app, path, cookie, headers).await;
                assert_eq!(answer.set_cookie(), None, "{cookie} {path} {headers:?}");
            }
        }
        let answer = get_with(&app, "/user", cookie, &TOP_LEVEL).await;
        assert!(answer.removes_cookie(), "{cookie}");
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
        assert!(get_with(&app, "/logout", cookie, &[]).await.removes_cookie(), "a logout keeps nothing");
    }
}

#[tokio::test]
async fn stale_visitor_cookie_is_removed_only_by_top_level_navigation() {
    let site = Site::new(MemoryStore::new(), rules());
    let cookie = "__Host-consent=malformed";
    for headers in [&[][..], &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]] {
        for path in ["/", "/states"] {
            assert_eq!(set_cookies(&get_with(&site.app, path, cookie, headers).await), [""; 0], "{path} {headers:?}");
        }
    }
    let answer = get_with(&site.app, "/", cookie, &TOP_LEVEL).await;
    assert_eq!(set_cookies(&answer), ["__Host-consent=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"]);
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An application with a logo, and a client who is remembered for 14 days.
async fn remembered(store: impl tower_guestbook::store::Store) -> (Router, TestClient, Clock) {
    let (builder, clock) = builder(store);
    let guestbook = builder.session_limits(SessionLimits { bytes: 100, ..SessionLimits::default() }).build().unwrap();
    let logo = async || ([(header::CACHE_CONTROL, "public, max-age=31536000, immutable")], "logo");
    let app = routes().route("/logo.png", get(logo)).layer(guestbook.session_layer());
    let mut client = TestClient::new(&app);
    client.ok("/remember/ada").await;
    (app, client, clock)
}

async fn renewal(app: &Router, client: &TestClient, path: &str, headers: &[(&str, &str)]) -> Option<String> {
    let token = client.cookie.as_ref().unwrap();
    let answer = get_with(app, path, &format!("__Host-session={token}"), headers).await;
    tokio::task::yield_now().await;
    assert_eq!(answer.status, StatusCode::OK);
    let set = answer.set_cookie().map(str::to_owned);
    if let Some(set) = &set {
        let max_age: u64 = set.rsplit_once("Max-Age=").unwrap().1.parse().unwrap();
        // To within a touch.
        assert!(set.starts_with(&format!("__Host-session={token}; ")) && 1_209_600 - max_age < 60, "{set}");
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    }
    set
}

#[tokio::test]
async fn persistent_cookie_is_renewed_once_a_day_and_not_with_assets() {
    let (app, client, clock) = remembered(MemoryStore::new()).await;
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    let script = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    clock.advance(Duration::from_secs(61));
    assert_eq!(renewal(&app, &client, "/user", &TOP_LEVEL).await, None, "not at each touch");
    for _ in 0..3 {
        clock.advance(DAY);
        for headers in [&image[..], &[("sec-fetch-dest", "style")], &[("sec-fetch-dest", "iframe")]] {
            assert_eq!(renewal(&app, &client, "/user", headers).await, None, "{headers:?}");
        }
        for headers in [&[][..], &image, &script] {
            let token = client.cookie.as_ref().unwrap();
            let asset = get_with(&app, "/logo.png", &format!("__Host-session={token}"), headers).await;
            assert_eq!(asset.set_cookie(), None, "{headers:?}");
            assert_eq!(asset.header(header::CACHE_CONTROL), Some("public, max-age=31536000, immutable"));
        }
        let headers = if clock.now().as_millis() % 2 == 0 { &TOP_LEVEL } else { &script };
        assert!(renewal(&app, &client, "/", headers).await.is_some(), "an asset before does not use it up");
        clock.advance(DAY - Duration::from_millis(1));
        assert_eq!(renewal(&app, &client, "/user", &TOP_LEVEL).await, None);
        clock.advance(Duration::from_millis(1));
        assert!(renewal(&app, &client, "/user", &[]).await.is_some(), "a client that says nothing of what it wants");
    }
}

#[tokio::test]
async fn parallel_requests_renew_a_cookie_once() {
    let (app, client, clock) = remembered(MemoryStore::new()).await;
    clock.advance(DAY);
    let both = tokio::join!(renewal(&app, &client, "/", &TOP_LEVEL), renewal(&app, &client, "/", &TOP_LEVEL));
    assert!(both.0.is_some() != both.1.is_some(), "{both:?}");
}

#[tokio::test]
async fn renewal_works_for_a_session_at_its_size_limit() {
    let (app, mut client, clock) = remembered(MemoryStore::new()).await;
    client.ok("/fill/k/97").await;
    clock.advance(DAY);
    assert!(renewal(&app, &client, "/", &TOP_LEVEL).await.is_some());
    client.ok("/rotate").await;
}

#[tokio::test]
async fn renewal_never_sends_a_rotated_token() {
    let (builder, clock) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let (arrived, on_arrival) = tokio::sync::mpsc::channel::<()>(1);
    let (go, on_go) = tokio::sync::mpsc::channel::<()>(1);
    let on_go = std::sync::Arc::new(tokio::sync::Mutex::new(on_go));
    let slow = get(async move || {
        arrived.send(()).await.unwrap();
        on_go.lock().await.recv().await.unwrap();
        "slow"
    });
    let mut on_arrival = on_arrival;
    let app = routes().route("/slow", slow).layer(guestbook.session_layer());
    for ending in ["/rotate", "/logout", "/login/ada"] {
        let mut client = TestClient::new(&app);
        client.ok("/remember/ada").await;
        clock.advance(DAY);
        let cookie = format!("__Host-session={}", client.cookie.clone().unwrap());
        let late = tokio::spawn({
            let app = app.clone();
            async move { get_with(&app, "/slow", &cookie, &TOP_LEVEL).await }
        });
        on_arrival.recv().await.unwrap();
        client.ok(ending).await;
        go.send(()).await.unwrap();
        let late = late.await.unwrap();
        assert_eq!((late.body.as_str(), late.set_cookie()), ("slow", None), "{ending}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_renewal_is_retried_later_and_the_response_is_sent() {
    let store = FaultyStore::default();
    let (app, mut client, clock) = remembered(store.clone()).await;
    for fault in [Fault::ReadOnly, Fault::Failing] {
        clock.advance(DAY);
        // It is in the cache, and was read by a script, not by a browser.
        let token = client.cookie.clone().unwrap();
        get_with(&app, "/logo.png", &format!("__Host-session={token}"), &[("sec-fetch-dest", "image")]).await;
        store.set(fault);
        assert_eq!(renewal(&app, &client, "/", &TOP_LEVEL).await, None, "{fault:?}");
        store.set(Fault::Good);
        clock.advance(Duration::from_secs(61));
        assert!(renewal(&app, &client, "/", &TOP_LEVEL).await.is_some(), "{fault:?}");
    }
    assert_eq!(client.user().await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn response_that_read_the_session_is_always_private() {
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let said = |control: &'static str| {
        get(async move |user: Option<CurrentUserId>| ([(header::CACHE_CONTROL, control)], format!("{user:?}")))
    };
    let app = routes()
        .route("/public", said("public, max-age=600, community=\"private-beta\""))
        .route("/qualified", said("public, private=\"set-cookie\""))
        .route("/private", said("max-age=60, Private"))
        .route("/unread", get(async || ([(header::CACHE_CONTROL, "public, max-age=600")], "same for all")))
        .layer(guestbook.session_layer());
    let mut ada = TestClient::new(&app);
    ada.ok("/login/ada").await;
    for mut client in [ada.clone(), TestClient::new(&app)] {
        let mut control = async |path: &str| {
            let headers = client.ok(path).await.headers;
            let lines: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().cloned().collect();
            lines.iter().map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(control("/public").await, ["public, max-age=600, community=\"private-beta\"", "private"]);
        assert_eq!(control("/qualified").await, ["public, private=\"set-cookie\"", "private"]);
        assert_eq!(control("/private").await, ["max-age=60, Private"]);
        assert_eq!(control("/unread").await, ["public, max-age=600"]);
    }
    assert_eq!(ada.ok("/user").await.header(header::CACHE_CONTROL), Some("no-store"), "where the handler says nothing");
    let lifetime = Lifetime::remembered();
    assert_eq!(lifetime.renewal_interval(), DAY);
}
