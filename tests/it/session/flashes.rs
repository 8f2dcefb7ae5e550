//! Flash messages and other values that may be used once: read and removed in one step.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, routing::get};
use serde_json::json;
use tokio::sync::Barrier;
use tower_guestbook::{
    Error, Guestbook, Result, Session,
    store::{MemoryStore, SplitStore, Store},
};

use crate::support::{
    TestClient, app, builder,
    faulty_store::{Fault, FaultyStore},
    memory_app, routes,
};

const REQUESTS: usize = 8;

/// Routes whose requests all wait until each has its session before they take anything.
fn taking_together(guestbook: &Guestbook, together: &Arc<Barrier>) -> Router {
    let (flashes, state) = (together.clone(), together.clone());
    routes()
        .route(
            "/flashes/together",
            get(async move |session: Session| {
                flashes.wait().await;
                Ok::<_, Error>(Json(session.take_flashes().await?))
            }),
        )
        .route(
            "/take/together",
            get(async move |session: Session| {
                state.wait().await;
                Ok::<_, Error>(Json(session.take::<String>("state").await?))
            }),
        )
        .layer(guestbook.session_layer())
}

/// Returns the responses of `path` to parallel requests, spread over `apps`.
async fn at_once(apps: &[Router], cookie: &str, path: &'static str) -> Vec<String> {
    let requests = (0..REQUESTS).map(|number| {
        let mut client = TestClient::with_cookie(&apps[number % apps.len()], cookie);
        tokio::spawn(async move { client.ok(path).await.body })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await.unwrap());
    }
    answers.sort();
    answers
}

/// Two guestbooks on the same data, each with a cache of one hour.
async fn exactly_one_request_gets_it<S: Store>(stores: [S; 2]) {
    let together = Arc::new(Barrier::new(REQUESTS));
    let stale = |store| builder(store).0.cache_age(Duration::from_secs(3_600)).build().unwrap();
    let guestbooks = stores.map(stale);
    let apps = guestbooks.each_ref().map(|guestbook| taking_together(guestbook, &together));
    let mut client = TestClient::new(&apps[0]);
    for _ in 0..20 {
        client.ok("/set/state/secret").await;
        client.ok("/flash/saved").await;
        client.ok("/flash/sent").await;
        let cookie = client.cookie.clone().unwrap();
        let taken = at_once(&apps, &cookie, "/take/together").await;
        let mut expected = vec!["null".to_owned(); REQUESTS - 1];
        expected.insert(0, "\"secret\"".to_owned());
        assert_eq!(taken, expected);

        let shown = at_once(&apps, &cookie, "/flashes/together").await;
        let shown: Vec<_> = shown.into_iter().filter(|body| body != "[]").collect();
        let both = r#"[{"level":"info","text":"saved"},{"level":"info","text":"sent"}]"#;
        assert_eq!(shown, [both]);
        // The other cache still has them, in the next round as well.
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn take_flashes_gives_each_message_to_one_of_parallel_requests_in_memory() {
    let store = MemoryStore::new();
    exactly_one_request_gets_it([store.clone(), store]).await;
    let pair = SplitStore::new(MemoryStore::new(), MemoryStore::new());
    exactly_one_request_gets_it([pair.clone(), pair]).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn take_flashes_gives_each_message_to_one_of_parallel_requests_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let open = || tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    exactly_one_request_gets_it([open(), open()]).await;
}

#[tokio::test]
async fn take_flashes_does_not_ask_the_store_if_the_session_holds_none() {
    let store = FaultyStore::default();
    let (builder, _) = builder(store.clone());
    let guestbook = builder.build().unwrap();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/set/a/1").await;
    client.ok("/session").await;
    let asked = store.asked();
    assert_eq!(client.ok("/flashes").await.json(), json!([]));
    assert_eq!(store.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn take_flashes_that_fails_leaves_the_messages() {
    let store = FaultyStore::default();
    let (builder, _) = builder(store.clone());
    let guestbook = builder.build().unwrap();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/flash/saved").await;
    client.ok("/session").await;
    store.set(Fault::ReadOnly);
    assert_eq!(client.get("/flashes").await.status.as_u16(), 503);
    store.set(Fault::Good);
    assert_eq!(client.ok("/flashes").await.json(), json!([{"level": "info", "text": "saved"}]));
}

#[tokio::test]
async fn take_flashes_keeps_the_order_of_one_request_and_sees_its_own_messages() -> Result<()> {
    let (_, guestbook, _) = memory_app();
    let leave = async |session: Session| {
        for number in 0..20 {
            session.flash("info", &number.to_string())?;
        }
        Ok::<_, Error>(())
    };
    let own = async |session: Session| {
        session.flash("info", "own")?;
        let taken = session.take_flashes().await?;
        let texts: Vec<_> = taken.into_iter().map(|flash| flash.text).collect();
        Ok::<_, Error>(Json(json!([texts, session.take_flashes().await?.len()])))
    };
    let cleared = async |session: Session| {
        session.clear()?;
        Ok::<_, Error>(Json(session.take_flashes().await?.len()))
    };
    let app = Router::new()
        .route("/leave", get(leave))
        .route("/own", get(own))
        .route("/clear", get(cleared))
        .layer(guestbook.session_layer());
    let mut client = TestClient::new(&app);
    client.ok("/leave").await;
    let mut expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    expected.push("own".to_owned());
    assert_eq!(client.ok("/own").await.json(), json!([expected, 0]));
    assert_eq!(client.ok("/own").await.json(), json!([["own"], 0]));
    client.ok("/leave").await;
    assert_eq!(client.ok("/clear").await.json(), json!(0), "cleared");
    Ok(())
}

#[tokio::test]
async fn take_returns_the_value_once_and_leaves_a_value_of_another_type() {
    let (_, guestbook, _) = memory_app();
    let app = routes()
        .route("/take", get(async |session: Session| Ok::<_, Error>(Json(session.take::<String>("a").await?))))
        .route("/take/number", get(async |session: Session| Ok::<_, Error>(Json(session.take::<u64>("a").await?))))
        .route(
            "/take/ours",
            get(async |session: Session| Ok::<_, Error>(Json(session.take::<u64>("guestbook.x").await?))),
        )
        .layer(guestbook.session_layer());
    let mut client = TestClient::new(&app);
    let answer = client.ok("/take").await;
    assert_eq!((answer.json(), answer.set_cookie()), (json!(null), None), "nothing begins a session");
    client.ok("/set/a/word").await;
    assert_eq!(client.get("/take/number").await.status.as_u16(), 500);
    assert_eq!(client.get("/take/ours").await.status.as_u16(), 400);
    assert_eq!(client.ok("/take").await.json(), json!("word"));
    assert_eq!(client.ok("/take").await.json(), json!(null));
}
