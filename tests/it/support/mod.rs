//! An application with a route for each thing a session can do, and a client who keeps a cookie like
//! a browser.

pub(crate) mod faulty_store;
pub(crate) mod log;
#[cfg(feature = "sqlite")]
pub(crate) mod server;

use std::{net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, Request, StatusCode, header},
    routing::get,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
#[cfg(feature = "sqlite")]
use tower_guestbook::privacy::{Actor, AuditAction, AuditKey, AuditNote};
use tower_guestbook::{
    Clock, CurrentUserId, Error, Guestbook, GuestbookBuilder, Session, SessionId, Timestamp,
    http::PeerAddress,
    session::Lifetime,
    store::{MemoryStore, Store},
};

/// A start that is far from zero, so that subtractions show.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A note for store methods that require one.
#[cfg(feature = "sqlite")]
pub(crate) fn note() -> AuditNote {
    AuditNote::new(AuditAction::Rectified, Actor::System, None, AuditKey::new([7; 32]))
}

/// The [problem](Answer::problem) of a handler that returned an error of a store that is
/// unavailable.
pub(crate) const HANDLER_UNAVAILABLE: &str = "503 Service Unavailable";

/// Takes out of a database what came after schema 16.
#[cfg(feature = "sqlite")]
pub(crate) const UNDO_AFTER_SCHEMA_16: &str = "
    ALTER TABLE sessions DROP COLUMN stamp;
    ALTER TABLE legal_holds RENAME TO holds; ALTER TABLE privacy_requests RENAME TO requests;
    DROP INDEX privacy_requests_by_user; DROP INDEX privacy_requests_open; DROP INDEX privacy_requests_by_end;
    CREATE INDEX requests_by_user ON requests (user); CREATE INDEX requests_open ON requests (user);
    CREATE INDEX requests_by_end ON requests (closed_at);
    ALTER TABLE consent_records RENAME COLUMN consent_state TO standing;
    ALTER TABLE consent_subjects RENAME COLUMN consent_states TO standings;
    ALTER TABLE audit_checkpoint RENAME COLUMN signature TO seal;
    ALTER TABLE rollups RENAME COLUMN finalized TO sealed;
    DROP TRIGGER anonymous_session_begins; DROP TRIGGER anonymous_session_ends; DROP TRIGGER anonymous_session_changes;
    DROP INDEX anonymous_sessions_by_use; DROP TABLE anonymous_total; ALTER TABLE sessions DROP COLUMN bytes;
    ALTER TABLE sessions DROP COLUMN realm; ALTER TABLE sessions DROP COLUMN epoch;
    ALTER TABLE ended_sessions DROP COLUMN realm; ALTER TABLE ended_sessions DROP COLUMN logged_in;
    DROP TABLE credential_epochs; DROP TABLE realm_epochs; ALTER TABLE activities DROP COLUMN origin;";

pub(crate) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

pub(crate) fn builder<S: Store>(store: S) -> (GuestbookBuilder<S>, Clock) {
    let clock = Clock::manual(START);
    (Guestbook::builder(store).clock(clock.clone()), clock)
}

/// An application on a memory store with the default settings.
pub(crate) fn memory_app() -> (Router, Guestbook, Clock) {
    let (builder, clock) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    (app(&guestbook), guestbook, clock)
}

pub(crate) fn app(guestbook: &Guestbook) -> Router {
    routes().layer(guestbook.session_layer())
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/session", get(describe))
        .route("/user", get(async |CurrentUserId(user): CurrentUserId| user.as_str().to_owned()))
        .route("/maybe", get(async |session: Option<Session>| Json(session.is_some())))
        .route(
            "/get/{key}",
            get(async |session: Session, Path(key): Path<String>| Ok::<_, Error>(Json(session.get::<Value>(&key)?))),
        )
        .route(
            "/set/{key}/{value}",
            get(async |session: Session, Path((key, value)): Path<(String, String)>| {
                session.insert(&key, &value)?;
                Ok::<_, Error>(Json(session.exists()))
            }),
        )
        .route(
            "/save/{key}/{value}",
            get(async |session: Session, Path((key, value)): Path<(String, String)>| {
                session.insert(&key, &value)?;
                session.save().await
            }),
        )
        .route(
            "/fill/{key}/{bytes}",
            get(async |session: Session, Path((key, bytes)): Path<(String, usize)>| {
                session.insert(&key, &"x".repeat(bytes))
            }),
        )
        .route("/remove/{key}", get(async |session: Session, Path(key): Path<String>| session.remove(&key)))
        .route("/clear", get(async |session: Session| session.clear()))
        .route(
            "/count",
            get(async |session: Session| {
                let count = session.update("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
                Ok::<_, Error>(Json(count))
            }),
        )
        .route(
            "/login/{user}",
            get(async |session: Session, Path(user): Path<String>| {
                session.login(user).await?;
                Ok::<_, Error>(
                    session.issued_token().map(|token| token.expose_secret().to_string()).unwrap_or_default(),
                )
            }),
        )
        .route(
            "/remember/{user}",
            get(async |session: Session, Path(user): Path<String>| {
                session.login_with(user, Lifetime::remembered()).await
            }),
        )
        .route("/logout", get(async |session: Session| session.logout().await))
        .route(
            "/rotate",
            get(async |session: Session| {
                session.rotate().await?;
                Ok::<_, Error>(
                    session.issued_token().map(|token| token.expose_secret().to_string()).unwrap_or_default(),
                )
            }),
        )
        .route("/others", get(async |session: Session| Ok::<_, Error>(Json(session.logout_others().await?))))
        .route("/everywhere", get(async |session: Session| Ok::<_, Error>(Json(session.logout_everywhere().await?))))
        .route("/list", get(async |session: Session| Ok::<_, Error>(Json(session.list().await?))))
        .route(
            "/revoke/{id}",
            get(async |session: Session, Path(id): Path<SessionId>| Ok::<_, Error>(Json(session.revoke(id).await?))),
        )
        .route("/flash/{text}", get(async |session: Session, Path(text): Path<String>| session.flash("info", &text)))
        .route("/flashes", get(async |session: Session| Ok::<_, Error>(Json(session.take_flashes().await?))))
        .route(
            "/fail/{key}/{value}",
            get(async |session: Session, Path((key, value)): Path<(String, String)>| {
                session.insert(&key, &value)?;
                Ok::<_, Error>(StatusCode::INTERNAL_SERVER_ERROR)
            }),
        )
}

async fn describe(session: Session) -> Json<Value> {
    Json(json!({
        "id": session.id(),
        "user": session.user_id(),
        "created_at": session.created_at(),
        "last_seen": session.last_seen(),
        "expires_at": session.expires_at(),
        "authenticated_at": session.authenticated_at(),
        "keys": session.keys(),
    }))
}

/// A client that keeps one cookie.
#[derive(Clone)]
pub(crate) struct TestClient {
    pub(crate) app: Router,
    pub(crate) cookie: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl TestClient {
    pub(crate) fn new(app: &Router) -> Self {
        Self { app: app.clone(), cookie: None }
    }

    pub(crate) fn with_cookie(app: &Router, cookie: impl Into<String>) -> Self {
        Self { app: app.clone(), cookie: Some(cookie.into()) }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let mut request = Request::get(path).header(header::USER_AGENT, FIREFOX);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, format!("other=1; __Host-session={cookie}"));
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(PeerAddress(SocketAddr::from(([203, 0, 113, 77], 40_000))));
        let answer = send(&self.app, request).await;
        // The way back to the client takes long enough for a touch.
        tokio::task::yield_now().await;
        match answer.cookie() {
            Some(cookie) if cookie.is_empty() => self.cookie = None,
            Some(cookie) => self.cookie = Some(cookie),
            None => {}
        }
        answer
    }

    /// What the request must answer when it goes well.
    pub(crate) async fn ok(&mut self, path: &str) -> Answer {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer
    }

    pub(crate) async fn user(&mut self) -> Option<String> {
        let answer = self.get("/user").await;
        (answer.status == StatusCode::OK).then_some(answer.body)
    }

    pub(crate) async fn value(&mut self, key: &str) -> Value {
        self.ok(&format!("/get/{key}")).await.json()
    }
}

impl Answer {
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let mut cookies = self.headers.get_all(header::SET_COOKIE).iter();
        let cookie = cookies.next().map(|cookie| cookie.to_str().unwrap());
        assert!(cookies.next().is_none(), "one Set-Cookie at most");
        cookie
    }

    /// The value that our cookie was set to, empty for a removal.
    pub(crate) fn cookie(&self) -> Option<String> {
        let text = self.set_cookie()?.strip_prefix("__Host-session=")?;
        Some(text.split(';').next().unwrap().to_owned())
    }

    pub(crate) fn removes_cookie(&self) -> bool {
        self.set_cookie().is_some_and(|cookie| cookie.starts_with("__Host-session=;") && cookie.contains("Max-Age=0"))
    }

    /// Its status and title as a problem: a title of their own sets the problems of layers apart
    /// from an error of a handler.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header(header::CONTENT_TYPE), Some("application/problem+json"), "{}", self.body);
        format!("{} {}", self.status.as_u16(), self.json()["title"].as_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// Lets background tasks of a current-thread runtime run until `done`, a bounded number of times.
pub(crate) async fn until(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..10_000 {
        if done().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it did not happen");
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Makes a test for each check, which runs it on every kind of store.
macro_rules! on_each_store {
    ($($name:ident => $check:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            use tower_guestbook::store::{MemoryStore, SplitStore};

            $check(MemoryStore::new()).await;
            $check(SplitStore::new(MemoryStore::new(), MemoryStore::new())).await;
            #[cfg(feature = "sqlite")]
            {
                let directory = tempfile::tempdir().unwrap();
                let open = |name| tower_guestbook::store::SqliteStore::open(directory.path().join(name)).unwrap();
                $check(open("one.db")).await;
                $check(SplitStore::new(open("sessions.db"), open("records.db"))).await;
            }
        }
    )*};
}
pub(crate) use on_each_store;
