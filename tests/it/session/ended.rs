//! Writes to a session that ended during the request, or just before: a write that is not stored is
//! not acknowledged.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    http::{StatusCode, header},
    routing::get,
};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tower_guestbook::{
    Error, ErrorKind, Guestbook, Session,
    store::{MemoryStore, SplitStore, Store},
};

use crate::support::{Answer, TestClient, builder, routes};

/// An application with slow requests: each reports that it runs, and continues when allowed.
struct Slow {
    app: Router,
    guestbook: Guestbook,
    begun: mpsc::UnboundedReceiver<()>,
    go_on: Arc<Semaphore>,
}

impl Slow {
    fn new<S: Store>(store: S) -> Self {
        let guestbook = builder(store).0.build().unwrap();
        let (begin, begun) = mpsc::unbounded_channel();
        let go_on = Arc::new(Semaphore::new(0));
        let wait = {
            let go_on = go_on.clone();
            move || {
                let (begin, go_on) = (begin.clone(), go_on.clone());
                async move {
                    begin.send(()).unwrap();
                    go_on.acquire().await.unwrap().forget();
                }
            }
        };
        let (write, save, update) = (wait.clone(), wait.clone(), wait);
        let app = routes()
            .route(
                "/slow/write",
                get(async move |session: Session| {
                    session.insert("late", "written")?;
                    write().await;
                    Ok::<_, Error>("Stored")
                }),
            )
            .route(
                "/slow/save",
                get(async move |session: Session| {
                    session.insert("late", "written")?;
                    save().await;
                    let saved = session.save().await.map_err(|error| error.kind());
                    // Ignoring the error and writing again changes nothing.
                    session.insert("later", "written")?;
                    let again = session.save().await.map_err(|error| error.kind());
                    Ok::<_, Error>(format!("{saved:?} {again:?}"))
                }),
            )
            .route(
                "/slow/visits",
                get(async move |session: Session| {
                    update().await;
                    let visits = session.update("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1)).await?;
                    Ok::<_, Error>(Json(visits))
                }),
            )
            .layer(guestbook.session_layer());
        Self { app, guestbook, begun, go_on }
    }

    /// Sends `path` with the cookie of `client`, runs `meanwhile` during the request, and returns
    /// the response.
    async fn during(
        &mut self,
        client: &TestClient,
        path: &'static str,
        meanwhile: impl AsyncFnOnce(&Guestbook),
    ) -> Answer {
        let mut slow = client.clone();
        let answer = tokio::spawn(async move { slow.get(path).await });
        self.begun.recv().await.unwrap();
        meanwhile(&self.guestbook).await;
        self.go_on.add_permits(1);
        answer.await.unwrap()
    }
}

fn is_session_ended(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED
        && answer.header(header::CONTENT_TYPE) == Some("application/problem+json")
        && answer.header(header::WWW_AUTHENTICATE) == Some("Session")
        && answer.json()["title"] == "Session ended"
        && answer.set_cookie().is_none()
}

async fn a_write_of_a_logged_in_session_that_ended_is_401<S: Store>(store: S) {
    let mut slow = Slow::new(store);
    let mut client = TestClient::new(&slow.app);
    client.ok("/login/ada").await;
    let parallel = client.clone();
    let answer = slow.during(&client, "/slow/write", async |_| drop(parallel.clone().ok("/logout").await)).await;
    assert!(is_session_ended(&answer), "{answer:?}");
    // Just before: the token was valid until a moment ago.
    assert!(is_session_ended(&client.get("/set/a/1").await));
    let error = client.get("/save/a/1").await;
    assert_eq!(error.status, StatusCode::UNAUTHORIZED);
    assert!(error.body.contains("session ended: the session has ended"), "{}", error.body);
    // A request that writes nothing is not affected.
    assert_eq!(client.get("/get/a").await.status, StatusCode::OK);

    // A revocation, a new login in the same browser, and a new token that the request does not
    // know.
    client.ok("/login/ada").await;
    let revoke = async |guestbook: &Guestbook| {
        assert_eq!(guestbook.sessions().revoke_user(&"ada".try_into().unwrap()).await.unwrap(), 1)
    };
    assert!(is_session_ended(&slow.during(&client, "/slow/write", revoke).await));
    client.ok("/login/ada").await;
    let parallel = client.clone();
    let login = async |_: &Guestbook| drop(parallel.clone().ok("/login/ada").await);
    assert!(is_session_ended(&slow.during(&client, "/slow/write", login).await));
    let mut rotated = TestClient::new(&slow.app);
    rotated.ok("/login/ada").await;
    let old = rotated.clone();
    rotated.ok("/rotate").await;
    assert!(is_session_ended(&old.clone().get("/set/a/1").await));
    assert_eq!(rotated.value("a").await, json!(null));
}

async fn save_says_that_the_session_ended<S: Store>(store: S) {
    let mut slow = Slow::new(store);
    for login in ["/login/ada", "/set/a/1"] {
        let mut client = TestClient::new(&slow.app);
        client.ok(login).await;
        let parallel = client.clone();
        let move_on = async |_: &Guestbook| drop(parallel.clone().ok("/login/ada").await);
        let answer = slow.during(&client, "/slow/save", move_on).await;
        let ended = format!("{:?} {:?}", Err::<(), _>(ErrorKind::Ended), Err::<(), _>(ErrorKind::Ended));
        assert_eq!((answer.status, &answer.body, answer.set_cookie()), (StatusCode::OK, &ended, None), "{login}");
    }
}

async fn an_anonymous_session_that_logged_in_meanwhile_keeps_the_new_cookie<S: Store>(store: S) {
    let mut slow = Slow::new(store);
    let mut client = TestClient::new(&slow.app);
    client.ok("/set/a/1").await;
    let mut browser = client.clone();
    let answer = slow.during(&client, "/slow/write", async |_| drop(browser.ok("/login/ada").await)).await;
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::OK, None));
    let late = client.get("/set/late/1").await;
    assert_eq!((late.status, late.set_cookie()), (StatusCode::OK, None));
    assert_eq!(client.get("/save/late/1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.user().await.as_deref(), Some("ada"));
    assert_eq!(browser.value("late").await, json!(null), "what the old token wrote is not in the new session");
    let answer = slow.during(&client, "/slow/visits", async |_| {}).await;
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::UNAUTHORIZED, None));
}

async fn an_anonymous_session_that_is_gone_begins_anew<S: Store>(store: S) {
    let mut slow = Slow::new(store);
    let all = async |guestbook: &Guestbook| {
        guestbook.sessions().revoke_all().await.unwrap();
    };
    let mut client = TestClient::new(&slow.app);
    client.ok("/set/a/1").await;
    let answer = slow.during(&client, "/slow/write", all).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "Stored"));
    let mut anew = TestClient::with_cookie(&slow.app, answer.cookie().expect("a new session has a cookie"));
    assert_eq!((anew.value("late").await, anew.value("a").await), (json!("written"), json!(null)));

    // A page that counts requests, and one that comes just after the end.
    assert_eq!(slow.during(&anew, "/slow/visits", async |_| {}).await.json(), json!(1));
    assert_eq!(slow.during(&anew, "/slow/visits", async |_| {}).await.json(), json!(2));
    let answer = slow.during(&anew, "/slow/visits", all).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!(1)));
    let mut again = TestClient::with_cookie(&slow.app, answer.cookie().expect("a new session has a cookie"));
    assert_eq!(again.value("visits").await, json!(1));
    all(&slow.guestbook).await;
    let before = again.cookie.clone();
    assert_eq!(again.ok("/set/a/1").await.status, StatusCode::OK);
    assert!(again.cookie.is_some() && again.cookie != before);
    assert_eq!(again.value("a").await, json!("1"));

    // An explicit save returns the error; later writes begin a session.
    let answer = slow.during(&again, "/slow/save", all).await;
    assert_eq!(answer.body, format!("{:?} Ok(())", Err::<(), _>(ErrorKind::Ended)));
    let mut third = TestClient::with_cookie(&slow.app, answer.cookie().expect("a new session has a cookie"));
    assert_eq!((third.value("late").await, third.value("later").await), (json!(null), json!("written")));
}

async fn each<S: Store>(make: impl Fn(&str) -> S) {
    a_write_of_a_logged_in_session_that_ended_is_401(make("write")).await;
    save_says_that_the_session_ended(make("save")).await;
    an_anonymous_session_that_logged_in_meanwhile_keeps_the_new_cookie(make("login")).await;
    an_anonymous_session_that_is_gone_begins_anew(make("anew")).await;
}

#[tokio::test]
async fn write_after_the_end_is_401_or_begins_a_session_in_memory() {
    each(|_| MemoryStore::new()).await;
    each(|_| SplitStore::new(MemoryStore::new(), MemoryStore::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn write_after_the_end_is_401_or_begins_a_session_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| tower_guestbook::store::SqliteStore::open(directory.path().join(name)).unwrap();
    each(open).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn write_after_another_process_ended_the_session_is_401() {
    let directory = tempfile::tempdir().unwrap();
    let open = || tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let here = builder(open()).0.cache_age(Duration::from_secs(3_600)).build().unwrap();
    let there = builder(open()).0.build().unwrap();
    let app = routes().layer(here.session_layer());
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    assert_eq!(client.user().await.as_deref(), Some("ada"), "now in the cache");
    assert_eq!(there.sessions().revoke_user(&"ada".try_into().unwrap()).await.unwrap(), 1);
    assert!(is_session_ended(&client.get("/set/a/1").await));
    assert_eq!(client.user().await, None, "the cache has learnt it");
}
