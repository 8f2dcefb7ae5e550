//! The same small application behind each of the layers that are compared.

pub mod login;

use std::{
    path::Path,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::Response,
    routing::get,
};
use tower::{Layer, Service, ServiceExt};
use tower_guestbook::{
    Consent, Guestbook, Preferences, Session, UserId,
    consent::{Category, Choices, DecisionContext, ConsentRules, LegalBasis, DecisionMethod, Mode, Purpose, PurposeId, Purposes},
    preferences::{PreferenceRules, StandardPreferences},
    store::SqliteStore,
};
use tower_sessions::{MemoryStore, SessionManagerLayer};
use tower_sessions_rusqlite_store::RusqliteStore;

/// A layer that does nothing, and one that inserts an `Arc` into the extensions: what a layer costs anyway.
#[derive(Clone)]
pub struct Nothing;
#[derive(Clone)]
pub struct Extension;

#[derive(Clone)]
pub struct NothingService<S>(S);
#[derive(Clone)]
pub struct ExtensionService<S>(S, std::sync::Arc<u64>);

impl<S> Layer<S> for Nothing {
    type Service = NothingService<S>;
    fn layer(&self, inner: S) -> NothingService<S> {
        NothingService(inner)
    }
}

impl<S> Layer<S> for Extension {
    type Service = ExtensionService<S>;
    fn layer(&self, inner: S) -> ExtensionService<S> {
        ExtensionService(inner, std::sync::Arc::new(7))
    }
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for NothingService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }
    fn call(&mut self, request: Request<Body>) -> S::Future {
        self.0.call(request)
    }
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for ExtensionService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }
    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        request.extensions_mut().insert(self.1.clone());
        self.0.call(request)
    }
}

pub fn bare() -> Router {
    Router::new().route("/", get(async || "ok"))
}

async fn ours_read(session: tower_guestbook::Session) -> Result<String, StatusCode> {
    let value: Option<u64> = session.get("number").map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    value.map(|_| "ok".to_owned()).ok_or(StatusCode::NOT_FOUND)
}

async fn ours_write(session: tower_guestbook::Session) -> Result<&'static str, StatusCode> {
    session.insert("number", &next()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("ok")
}

pub fn ours(guestbook: &Guestbook) -> Router {
    let routes = bare().route("/read", get(ours_read)).route("/write", get(ours_write));
    routes.layer(guestbook.session_layer())
}

async fn theirs_read(session: tower_sessions::Session) -> Result<String, StatusCode> {
    let value: Option<u64> = session.get("number").await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    value.map(|_| "ok".to_owned()).ok_or(StatusCode::NOT_FOUND)
}

async fn theirs_write(session: tower_sessions::Session) -> Result<&'static str, StatusCode> {
    session.insert("number", next()).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("ok")
}

/// tower-sessions does not save a value that is what it was.
fn next() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

pub fn theirs_memory() -> Router {
    let routes = bare().route("/read", get(theirs_read)).route("/write", get(theirs_write));
    routes.layer(SessionManagerLayer::new(MemoryStore::default()))
}

pub async fn rusqlite_store(path: &Path, tuned: bool) -> RusqliteStore {
    let connection = tokio_rusqlite::Connection::open(path).await.expect("a new file");
    if tuned {
        let wal = |database: &mut rusqlite::Connection| {
            database.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        };
        connection.call(wal).await.expect("SQLite has WAL");
    }
    let store = RusqliteStore::new(connection);
    store.migrate().await.expect("a new table");
    store
}

/// Their rusqlite store as its documentation opens it; `tuned` gives it a write-ahead log as ours has.
pub async fn theirs_rusqlite(path: &Path, tuned: bool) -> Router {
    let store = rusqlite_store(path, tuned).await;
    let routes = bare().route("/read", get(theirs_read)).route("/write", get(theirs_write));
    routes.layer(SessionManagerLayer::new(store))
}

pub fn guestbook(path: &Path, cache_age: std::time::Duration) -> (Guestbook, SqliteStore) {
    let store = SqliteStore::open(path).expect("a new file");
    (Guestbook::builder(store.clone()).cache_age(cache_age).build().expect("the settings are right"), store)
}

pub fn request(path: &str, cookie: Option<&str>) -> Request<Body> {
    let mut request = Request::get(path);
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    request.body(Body::empty()).expect("this is a request")
}

/// A request as a browser sends it, which is recorded; one without a `User-Agent` is a bot's and is not.
pub fn browser_request(path: &str) -> Request<Body> {
    let mut request = request(path, None);
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    request.headers_mut().insert(header::USER_AGENT, header::HeaderValue::from_static(agent));
    request
}

pub async fn call(app: &mut Router, request: Request<Body>) -> Response {
    let response = Service::call(app, request).await.unwrap_or_else(|never| match never {});
    assert_eq!(response.status(), StatusCode::OK);
    response
}

/// Writes once, for a session; its cookie among nine others, as a browser sends it.
pub async fn cookie(app: &Router) -> String {
    let response = app.clone().oneshot(request("/write", None)).await.unwrap_or_else(|never| match never {});
    let set = response.headers()[header::SET_COOKIE].to_str().expect("text");
    set.split(';').next().expect("a pair").to_owned()
}

/// Everything at once: a user who is logged in, has decided and has preferences.
pub struct Whole {
    pub guestbook: Guestbook,
    /// Routes behind all layers.
    pub all: Router,
    /// The same routes behind the session layer alone.
    pub sessions: Router,
    pub cookie: String,
}

async fn whole(
    session: Session,
    consent: Consent,
    preferences: Preferences<StandardPreferences>,
) -> Result<String, StatusCode> {
    let value: Option<u64> = session.get("number").map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let is_known = value.is_some() && consent.allows(PurposeId::ANALYTICS) && preferences.notifications.email;
    is_known.then(|| "ok".to_owned()).ok_or(StatusCode::NOT_FOUND)
}

async fn login(session: Session) -> Result<&'static str, StatusCode> {
    session.login("ada").await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    session.insert("number", &7).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("ok")
}

fn everything(store: SqliteStore) -> Guestbook {
    let half_a_year = std::time::Duration::from_secs(180 * 86_400);
    let purposes = Purposes::builder()
        .purpose(Purpose::new("necessary", Category::Necessary))
        .purpose(Purpose::new("analytics", Category::Analytics).expiry(half_a_year))
        .purpose(
            Purpose::new("marketing", Category::Marketing).sells_or_shares(true).expiry(half_a_year).cookies(["ads"]),
        )
        .purpose(
            Purpose::new("measurement", Category::Analytics)
                .mode(Mode::ExemptWithObjection)
                .basis(LegalBasis::LegitimateInterests),
        );
    let rules = ConsentRules::new(purposes.build().expect("they fit")).accept_grants_without_notice();
    let preferences = PreferenceRules::standard()
        .expect("it is a schema")
        .negotiate_language("language", ["en", "de"])
        .negotiate_color_scheme("theme")
        .consent_view("privacy.allow_analytics", PurposeId::ANALYTICS);
    Guestbook::builder(store).consent(rules).preferences(preferences).build().expect("the settings are right")
}

impl Whole {
    pub async fn new(path: &Path) -> Self {
        let guestbook = everything(SqliteStore::open(path).expect("a new file"));
        let ada = UserId::try_from("ada").expect("a name");
        let choices = Choices::new(DecisionMethod::Api).grant(PurposeId::ANALYTICS).decline(PurposeId::MARKETING);
        let consents = guestbook.consents().expect("they are configured");
        consents.decide(&ada.clone().into(), choices, &DecisionContext::default()).await.expect("stored");
        let preferences = guestbook.preferences::<StandardPreferences>().expect("they are configured");
        let dark = serde_json::json!({ "theme": "dark", "notifications": { "sms": true } });
        preferences.update(&ada, &dark, None).await.expect("stored");
        let gate = guestbook.require_consent(PurposeId::ANALYTICS).expect("it is declared");
        let routes = Router::new()
            .route("/", get(async || "ok"))
            .route("/gated", get(async || "ok").layer(gate))
            .route("/open", get(async || "ok").layer(Nothing))
            .route("/session", get(ours_read))
            .route("/whole", get(whole))
            .route("/login", get(login));
        let all = routes.clone().layer(guestbook.layer());
        let sessions = routes.layer(guestbook.session_layer());
        let login = whole_request("/login", "a=1");
        let response = all.clone().oneshot(login).await.unwrap_or_else(|never| match never {});
        let set = response.headers()[header::SET_COOKIE].to_str().expect("text");
        let cookie = set.split(';').next().expect("a pair").to_owned();
        Self { guestbook, all, sessions, cookie }
    }
}

pub fn whole_request(path: &str, cookie: &str) -> Request<Body> {
    Request::get(path)
        .header(header::HOST, "shop.example")
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header(header::ACCEPT_LANGUAGE, "de-AT, de;q=0.8, en;q=0.5")
        .header(header::COOKIE, cookie)
        .body(Body::empty())
        .expect("this is a request")
}
