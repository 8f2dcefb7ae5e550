//! A failing store, a slow store, a failing handler, a client that disconnects.

use std::{
    future::{Future, pending, poll_fn},
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    routing::get,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_guestbook::{
    Guestbook, Result, Session, UserId, http::OnStoreError, session::SessionLimits, store::MemoryStore,
};

use crate::support::{
    HANDLER_UNAVAILABLE, TestClient, app, builder,
    faulty_store::{Fault, FaultyStore},
    routes, until,
};

fn faulty_store(policy: OnStoreError) -> (Router, Guestbook, FaultyStore) {
    let store = FaultyStore::default();
    let (builder, _) = builder(store.clone());
    // No cache: each request reads the store.
    let guestbook = builder.on_store_error(policy).cache_age(Duration::ZERO).build().unwrap();
    (app(&guestbook), guestbook, store)
}

#[tokio::test(start_paused = true)]
async fn failing_or_hanging_load_is_a_503_and_keeps_the_login() {
    let (app, _guestbook, store) = faulty_store(OnStoreError::Refuse);
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    for mood in [Fault::Failing, Fault::Stuck] {
        store.set(mood);
        let answer = client.get("/user").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/problem+json"));
        assert_eq!(answer.header(header::RETRY_AFTER), Some("1"));
        assert_eq!(answer.json()["status"], json!(503));
        assert_eq!(answer.set_cookie(), None);
        assert_eq!(TestClient::new(&app).get("/").await.status, StatusCode::OK, "who has no session does not notice");
    }
    store.set(Fault::Good);
    assert_eq!(client.user().await.as_deref(), Some("ada"));
}

#[tokio::test(start_paused = true)]
async fn continue_without_session_neither_reads_writes_nor_logs_in() {
    let (app, _guestbook, store) = faulty_store(OnStoreError::ContinueWithoutSession);
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    client.ok("/set/a/1").await;
    for mood in [Fault::Failing, Fault::Stuck] {
        store.set(mood);
        assert_eq!(client.value("a").await, Value::Null);
        for path in ["/set/a/2", "/login/eve", "/logout"] {
            let answer = client.get(path).await;
            assert_eq!((answer.problem().as_str(), answer.set_cookie()), (HANDLER_UNAVAILABLE, None), "{path}");
        }
    }
    store.set(Fault::Good);
    assert_eq!(client.value("a").await, json!("1"));
    assert_eq!(client.user().await.as_deref(), Some("ada"));
}

#[tokio::test(start_paused = true)]
async fn failed_save_is_not_acknowledged() {
    for policy in [OnStoreError::Refuse, OnStoreError::ContinueWithoutSession] {
        let (app, _guestbook, store) = faulty_store(policy);
        let mut client = TestClient::new(&app);
        client.ok("/set/a/1").await;
        store.set(Fault::ReadOnly);
        assert_eq!(client.get("/set/a/2").await.status, StatusCode::SERVICE_UNAVAILABLE);
        let mut newcomer = TestClient::new(&app);
        let refused = newcomer.get("/set/a/2").await;
        assert_eq!((refused.status, refused.set_cookie()), (StatusCode::SERVICE_UNAVAILABLE, None));
        assert_eq!(client.get("/login/ada").await.problem(), HANDLER_UNAVAILABLE);
        assert_eq!(client.get("/logout").await.problem(), HANDLER_UNAVAILABLE);
        store.set(Fault::Good);
        assert_eq!(client.value("a").await, json!("1"));
    }
}

#[tokio::test]
async fn cached_session_is_served_without_the_store() {
    let store = FaultyStore::default();
    let (builder, clock) = builder(store.clone());
    let guestbook = builder.build().unwrap();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    client.ok("/user").await;
    let before = store.asked();
    for _ in 0..10 {
        clock.advance(Duration::from_millis(99));
        assert!(client.user().await.is_some());
        client.ok("/").await;
    }
    assert_eq!(store.asked(), before);
    clock.advance(Duration::from_millis(10));
    client.ok("/user").await;
    assert_eq!(store.asked(), before + 1, "an entry is used for a second");
}

#[tokio::test]
async fn changes_are_saved_for_every_response_status() {
    let (app, _guestbook, _) = faulty_store(OnStoreError::Refuse);
    let mut client = TestClient::new(&app);
    let answer = client.get("/fail/a/1").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.set_cookie().is_some());
    assert_eq!(client.value("a").await, json!("1"));
}

#[tokio::test]
async fn changes_are_saved_when_the_handler_never_responds() {
    let store = FaultyStore::default();
    let (builder, _) = builder(store.clone());
    let guestbook = builder.build().unwrap();
    let stuck = routes()
        .route(
            "/stuck",
            get(async |session: Session| {
                session.insert("a", "from a request without an end").unwrap();
                pending::<()>().await
            }),
        )
        .route(
            "/panic",
            get(async |session: Session| {
                session.insert("b", "from a request that panics").unwrap();
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .layer(guestbook.session_layer());
    let mut client = TestClient::new(&stuck);
    client.ok("/login/ada").await;
    let request = |path: &str| {
        let cookie = format!("__Host-session={}", client.cookie.as_ref().unwrap());
        Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap()
    };

    let mut leaving = Box::pin(stuck.clone().oneshot(request("/stuck")));
    for _ in 0..10 {
        poll_fn(|context| Poll::Ready(leaving.as_mut().poll(context).is_pending())).await;
        tokio::task::yield_now().await;
    }
    drop(leaving);
    let panicking = tokio::spawn(stuck.clone().oneshot(request("/panic")));
    assert!(panicking.await.unwrap_err().is_panic());

    guestbook.shutdown().await;
    assert_eq!(client.value("a").await, json!("from a request without an end"));
    assert_eq!(client.value("b").await, json!("from a request that panics"));
}

#[tokio::test]
async fn client_disconnect_at_any_point_leaves_a_consistent_session() {
    for polls in 0..40 {
        let (app, guestbook, _) = faulty_store(OnStoreError::Refuse);
        let mut client = TestClient::new(&app);
        client.ok("/login/ada").await;
        let mut leaving = client.clone();
        for path in ["/set/a/1", "/count", "/rotate"] {
            let mut request = Box::pin(leaving.get(path));
            for _ in 0..polls {
                if poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_ready())).await {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(request);
        }
        guestbook.shutdown().await;
        let ada = UserId::try_from("ada").unwrap();
        let sessions = guestbook.sessions().list(&ada).await.unwrap();
        assert_eq!(sessions.len(), 1, "one live session after {polls} polls");
        let held = [client.cookie.clone(), leaving.cookie.clone()];
        let mut alive = 0;
        for cookie in held.into_iter().flatten().collect::<std::collections::HashSet<_>>() {
            let mut client = TestClient::with_cookie(&app, cookie);
            if client.user().await.is_some() {
                alive += 1;
                let (a, count) = (client.value("a").await, client.value("count").await);
                assert!([Value::Null, json!("1")].contains(&a) && [Value::Null, json!(1)].contains(&count));
            }
        }
        assert!(alive <= 1, "a rotated token must not work beside the new one");
    }
}

/// A route that reports that it runs, waits for a signal, and writes.
fn slow_writer(guestbook: &Guestbook) -> (Router, tokio::sync::broadcast::Sender<()>) {
    let (gate, _) = tokio::sync::broadcast::channel::<()>(4);
    let sender = gate.clone();
    let handler = move |session: Session| {
        let mut gate = gate.subscribe();
        async move {
            gate.recv().await.unwrap();
            session.insert("late", "write").unwrap();
            "done"
        }
    };
    (routes().route("/slow", get(handler)).layer(guestbook.session_layer()), sender)
}

#[tokio::test]
async fn write_during_a_rotation_is_kept_and_visible() {
    let guestbook = builder(FaultyStore::default()).0.build().unwrap();
    let (app, gate) = slow_writer(&guestbook);
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    let mut slow = client.clone();
    let slow_request = tokio::spawn(async move { slow.get("/slow").await });
    until(async || gate.receiver_count() > 0).await;
    client.ok("/rotate").await;
    assert_eq!(client.value("late").await, Value::Null, "now in the cache under the new key");
    gate.send(()).unwrap();
    let answer = slow_request.await.unwrap();
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::OK, None));
    assert_eq!(client.value("late").await, json!("write"));
}

#[tokio::test]
async fn session_ended_during_a_request_stays_ended() {
    let guestbook = builder(FaultyStore::default()).0.build().unwrap();
    let (app, gate) = slow_writer(&guestbook);
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    let ada = UserId::try_from("ada").unwrap();
    let mut slow = client.clone();
    let slow_request = tokio::spawn(async move { (slow.get("/slow").await, slow) });
    until(async || gate.receiver_count() > 0).await;
    client.ok("/logout").await;
    gate.send(()).unwrap();
    let (answer, mut slow) = slow_request.await.unwrap();
    assert_eq!((answer.status, answer.json()["title"].as_str()), (StatusCode::UNAUTHORIZED, Some("Session ended")));
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(slow.user().await, None);
    assert!(guestbook.sessions().list(&ada).await.unwrap().is_empty());
}

#[tokio::test]
async fn streaming_body_can_write_to_a_session_but_not_begin_one() {
    let guestbook = builder(MemoryStore::new()).0.build().unwrap();
    let stream = async |session: Session| {
        Body::new(http_body_util::StreamBody::new(Once(Some(move || {
            let early = session.insert("late", "from the body");
            session.exists() == early.is_ok()
        }))))
    };
    let app = routes().route("/stream", get(stream)).layer(guestbook.session_layer());
    let mut stranger = TestClient::new(&app);
    let answer = stranger.ok("/stream").await;
    assert_eq!((answer.body.as_str(), answer.set_cookie()), ("true", None));
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    client.ok("/stream").await;
    guestbook.shutdown().await;
    assert_eq!(client.value("late").await, json!("from the body"));
}

/// A stream of one frame, made on demand.
struct Once<F>(Option<F>);

impl<F: FnOnce() -> bool + Unpin> futures_core::Stream for Once<F> {
    type Item = Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(|frame| Ok(http_body::Frame::data(frame().to_string().into()))))
    }
}

#[tokio::test]
async fn parallel_growth_beyond_the_limit_is_reported_and_not_stored() {
    let store = MemoryStore::new();
    let (builder, _) = builder(store);
    let limits = SessionLimits { bytes: 1_000, ..SessionLimits::default() };
    let guestbook = builder.session_limits(limits).build().unwrap();
    let app = app(&guestbook);
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    client.ok("/user").await;
    let (mut one, mut two) = (client.clone(), client.clone());
    let (first, second) = tokio::join!(one.get("/fill/a/600"), two.get("/fill/b/600"));
    let mut statuses = [first.status, second.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::PAYLOAD_TOO_LARGE]);
    let stored = [client.value("a").await, client.value("b").await];
    assert_eq!(stored.iter().filter(|value| value.is_null()).count(), 1);
}

#[tokio::test]
async fn body_is_passed_on_unchanged() {
    let guestbook = builder(MemoryStore::new()).0.build().unwrap();
    let big = Router::new()
        .route(
            "/",
            get(async |session: Session| {
                session.insert("a", "b").unwrap();
                vec![7u8; 1 << 20]
            }),
        )
        .layer(guestbook.session_layer());
    let response = big.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_LENGTH], "1048576");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 1 << 20);
}
