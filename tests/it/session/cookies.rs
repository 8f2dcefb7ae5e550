//! Cookies that clients send, by mistake or on purpose, and the responses.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use tower_guestbook::{SessionToken, http::SessionCookie, store::MemoryStore};

use crate::support::{Answer, TestClient, app, builder, memory_app, minutes, send};

/// A browser opens a page with these cookies.
async fn with_cookies(app: &Router, lines: &[&[u8]]) -> Answer {
    let request = Request::get("/user").header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    let mut request = request.body(Body::empty()).unwrap();
    for line in lines {
        request.headers_mut().append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    send(app, request).await
}

async fn logged_in(app: &Router) -> String {
    let mut client = TestClient::new(app);
    client.ok("/login/ada").await;
    client.cookie.unwrap()
}

#[tokio::test]
async fn forged_and_malformed_tokens_authenticate_nobody() {
    let (app, _, _) = memory_app();
    let token = logged_in(&app).await;
    let mut swapped = token.clone().into_bytes();
    for byte in &mut swapped {
        *byte = if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
    }
    let forged = SessionToken::generate().unwrap().expose_secret().to_string();
    let spellings: Vec<Vec<u8>> = vec![
        forged.into(),
        token[..42].into(),
        format!("{token}=").into(),
        format!("{token}A").into(),
        format!("\"{token}\"").into(),
        format!("%{:02x}{}", token.as_bytes()[0], &token[1..]).into(),
        swapped,
        Vec::new(),
        vec![b'A'; 8192],
        vec![0xff; 43],
        b"\xc3\x28\xff\xfe".to_vec(),
    ];
    for spelling in spellings {
        let line = [b"__Host-session=".as_slice(), &spelling].concat();
        let answer = with_cookies(&app, &[&line]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.removes_cookie(), "a token that was never valid is taken back");
    }
    assert_eq!(with_cookies(&app, &[format!("__Host-session={token}").as_bytes()]).await.body, "ada");
}

#[tokio::test]
async fn first_valid_session_cookie_counts() {
    let (app, _, _) = memory_app();
    let token = logged_in(&app).await;
    let good = format!("__Host-session={token}");
    let forged = format!("__Host-session={}", &*SessionToken::generate().unwrap().expose_secret());
    let junk = "__Host-session=junk";
    for lines in [[&forged, junk, &good], [junk, junk, &good], [&good, junk, &forged]] {
        let joined = lines.join("; ");
        assert_eq!(with_cookies(&app, &[joined.as_bytes()]).await.body, "ada");
        let lines = lines.map(str::as_bytes);
        assert_eq!(with_cookies(&app, &lines).await.body, "ada");
    }
    let fifth = [junk, junk, junk, junk, &good].join("; ");
    assert_eq!(with_cookies(&app, &[fifth.as_bytes()]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn removal_cookie_is_sent_only_for_a_stale_cookie() {
    let (app, _, clock) = memory_app();
    let token = logged_in(&app).await;
    let mut live = TestClient::with_cookie(&app, &token);
    assert_eq!(live.ok("/user").await.set_cookie(), None);
    assert_eq!(TestClient::new(&app).get("/user").await.set_cookie(), None);
    assert_eq!(with_cookies(&app, &[b"other=1; session=2"]).await.set_cookie(), None);

    let mut parallel = live.clone();
    live.ok("/rotate").await;
    assert_eq!(parallel.get("/user").await.set_cookie(), None, "the rotation just gave this browser a new cookie");

    clock.advance(minutes(30));
    let stale = format!("__Host-session={}", live.cookie.unwrap());
    let removal = with_cookies(&app, &[stale.as_bytes()]).await;
    assert_eq!(removal.set_cookie(), Some("__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"));
    assert_eq!(removal.header(header::CACHE_CONTROL), Some("no-store"));
}

#[tokio::test]
async fn random_and_mutated_cookie_headers_authenticate_nobody() {
    let (app, _, _) = memory_app();
    let token = logged_in(&app).await;
    let good = format!("__Host-session={token}").into_bytes();
    let noise = vec(prop_oneof![0x20u8..=0x7e, 0x80u8..=0xff, Just(b'\t'), Just(b';'), Just(b'=')], 0..200);
    let splices = vec((any::<proptest::sample::Index>(), 0x20u8..=0xff), 1..4);
    let mut runner = TestRunner::new(Config::default());
    for round in 0..10_000 {
        let header = if round % 2 == 0 {
            noise.new_tree(&mut runner).unwrap().current()
        } else {
            let mut header = good.clone();
            for (index, byte) in splices.new_tree(&mut runner).unwrap().current() {
                let index = index.index(header.len());
                if byte == 0x7f {
                    header.truncate(index)
                } else {
                    header[index] = byte
                }
                if header.is_empty() {
                    break;
                }
            }
            header
        };
        let Ok(value) = HeaderValue::from_bytes(&header) else { continue };
        // A mutation that leaves the pair unchanged is no forgery.
        let intact = String::from_utf8_lossy(&header).contains(std::str::from_utf8(&good).unwrap());
        let request = Request::get("/user").header(header::COOKIE, value).body(Body::empty()).unwrap();
        let answer = send(&app, request).await;
        let expected = if intact { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status, expected, "{:?}", String::from_utf8_lossy(&header));
    }
}

#[tokio::test]
async fn header_transports_are_off_by_default() {
    let (plain, _, _) = memory_app();
    let token = logged_in(&plain).await;
    let by = |name: &str, value: String| Request::get("/user").header(name, value).body(Body::empty()).unwrap();
    for (name, value) in [("authorization", format!("Bearer {token}")), ("x-session-id", token.clone())] {
        assert_eq!(send(&plain, by(name, value)).await.status, StatusCode::UNAUTHORIZED);
    }
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.accept_bearer().accept_header("X-Session-ID").build().unwrap();
    let open = app(&guestbook);
    let token = TestClient::new(&open).ok("/login/ada").await.body;
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("authorization", format!("bearer  {token}")),
        ("x-session-id", token.clone()),
    ] {
        let answer = send(&open, by(name, value)).await;
        assert_eq!(answer.body, "ada");
        assert_eq!(answer.header(header::VARY), Some("cookie, authorization, x-session-id"));
        assert_eq!(answer.set_cookie(), None);
    }
    // A foreign bearer token does not remove the cookie.
    let mut request = by("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.".into());
    request.headers_mut().insert(header::COOKIE, format!("__Host-session={token}").parse().unwrap());
    assert_eq!(send(&open, request).await.body, "ada");
    // A token in a header is meant for this request: the cookie does not replace it.
    let mut request = by("x-session-id", SessionToken::generate().unwrap().expose_secret().to_string());
    request.headers_mut().insert(header::COOKIE, format!("__Host-session={token}").parse().unwrap());
    let refused = send(&open, request).await;
    assert_eq!((refused.status, refused.set_cookie()), (StatusCode::UNAUTHORIZED, None));
}

#[tokio::test]
async fn only_responses_that_read_the_session_are_private() {
    let (app, _, _) = memory_app();
    let mut client = TestClient::with_cookie(&app, logged_in(&app).await);
    let public = client.ok("/").await;
    assert_eq!((public.header(header::VARY), public.header(header::CACHE_CONTROL)), (None, None));
    let private = client.ok("/user").await;
    assert_eq!(private.header(header::VARY), Some("cookie"));
    assert_eq!(private.header(header::CACHE_CONTROL), Some("no-store"));
    let stranger = TestClient::new(&app).ok("/session").await;
    assert_eq!((stranger.header(header::VARY), stranger.header(header::CACHE_CONTROL)), (Some("cookie"), None));
}

#[tokio::test]
async fn custom_cookie_name_and_scope_work() {
    let (builder, _) = builder(MemoryStore::new());
    let cookie = SessionCookie::new().name("sid").domain("example.com").path("/app");
    let guestbook = builder.cookie(cookie).build().unwrap();
    let answer = TestClient::new(&app(&guestbook)).ok("/login/ada").await;
    let set = answer.set_cookie().unwrap().to_owned();
    assert!(set.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/app; Domain=example.com"), "{set}");
    let pair = set.split(';').next().unwrap();
    assert_eq!(with_cookies(&app(&guestbook), &[pair.as_bytes()]).await.body, "ada");
}

#[tokio::test]
async fn missing_session_layer_error_names_the_fix() {
    let bare = crate::support::routes();
    let answer = TestClient::new(&bare).get("/user").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/problem+json"));
    assert!(
        answer.body.contains("guestbook.layer()")
            && !answer.body.contains("session_layer()")
            && answer.body.contains("cargo tree"),
        "{}",
        answer.body
    );
    let anonymous = TestClient::new(&memory_app().0).get("/user").await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert_eq!(anonymous.header(header::CONTENT_TYPE), Some("application/problem+json"));
    assert!(anonymous.header(header::WWW_AUTHENTICATE).is_some());
}
