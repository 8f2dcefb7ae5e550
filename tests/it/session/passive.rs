//! Requests that do not count as use of their session, and uses that are no request.

use std::time::Duration;

use axum::{Json, Router, body::Body, http::Request, routing::get};
use tower_guestbook::{Session, http::Passive, session::Lifetime, store::MemoryStore};

use crate::support::{self, TestClient, builder, minutes, routes, send};

#[tokio::test]
async fn passive_requests_do_not_put_off_the_idle_timeout() {
    for cache_age in [Duration::from_secs(1), Duration::ZERO] {
        let (builder, clock) = builder(MemoryStore::new());
        let guestbook = builder
            .session_lifetime(Lifetime::new(minutes(30), minutes(600)))
            .cache_age(cache_age)
            .passive_requests(|request| request.headers.contains_key("x-poll") || request.uri.path() == "/get/polled")
            .build()
            .unwrap();
        let marked = Router::new().route("/marked", get(async |session: Session| Json(session.exists())));
        let marked = marked.layer(guestbook.session_layer()).layer(Passive);
        let app = routes().layer(guestbook.session_layer()).merge(marked);
        let mut ada = TestClient::new(&app);
        ada.ok("/login/ada").await;
        let cookie = format!("__Host-session={}", ada.cookie.clone().unwrap());
        let poll = async || {
            let request = Request::get("/user").header("x-poll", "1").header("cookie", &cookie);
            let answer = send(&app, request.body(Body::empty()).unwrap()).await;
            tokio::task::yield_now().await;
            answer.status.as_u16()
        };
        for _ in 0..2 {
            for _ in 0..29 {
                clock.advance(minutes(1));
                assert_eq!(poll().await, 200);
                assert_eq!(ada.ok("/get/polled").await.body, "null");
                assert_eq!(ada.ok("/marked").await.body, "true");
            }
            ada.ok("/user").await;
        }
        clock.advance(minutes(29));
        ada.ok("/get/polled").await;
        clock.advance(minutes(1));
        assert_eq!(poll().await, 401, "30 minutes after the last request that counts");
        assert_eq!(ada.user().await, None);
    }
}

#[tokio::test]
async fn touch_puts_off_the_idle_timeout_and_says_whether_the_session_is_over() {
    let (builder, clock) = builder(MemoryStore::new());
    let guestbook = builder.session_lifetime(Lifetime::new(minutes(30), minutes(100))).build().unwrap();
    let (give, mut take) = tokio::sync::mpsc::channel(2);
    let hold = get(async move |session: Session| give.send(session).await.unwrap());
    let app = support::routes().route("/socket", hold).layer(guestbook.session_layer());
    let mut ada = TestClient::new(&app);
    ada.ok("/socket").await;
    assert!(!take.recv().await.unwrap().touch().await.unwrap(), "there is no session");
    ada.ok("/login/ada").await;
    ada.ok("/socket").await;
    // A connection that outlives its request.
    let socket = take.recv().await.unwrap();
    for _ in 0..3 {
        clock.advance(minutes(29));
        assert!(socket.touch().await.unwrap());
        assert_eq!(socket.last_seen(), Some(clock.now()));
    }
    assert_eq!(ada.user().await.as_deref(), Some("ada"), "87 minutes after the login");
    clock.advance(minutes(13));
    assert!(!socket.touch().await.unwrap(), "the absolute limit holds");
    assert_eq!(socket.user_id(), None);
    assert_eq!(ada.user().await, None);

    ada.ok("/login/ada").await;
    ada.ok("/socket").await;
    let socket = take.recv().await.unwrap();
    assert!(socket.touch().await.unwrap());
    ada.ok("/logout").await;
    assert!(!socket.touch().await.unwrap(), "it has ended elsewhere");
}
