//! Sessions, activity, consent, preferences and privacy rights for any Tower service.
//!
//! A guestbook knows who is here, what they did, what they prefer and what they agreed to, and
//! erases them on request. It is a set of layers on one store: SQLite embedded by default.
//!
//! ```
//! use axum::{Json, Router, body::Body, http::{Request, StatusCode}, routing::{get, post}};
//! use tower::ServiceExt;
//! use tower_guestbook::{CurrentUserId, Guestbook, Result, Session, store::MemoryStore};
//!
//! async fn login(session: Session, Json(password): Json<String>) -> Result<StatusCode> {
//!     if password != "correct horse" {
//!         return Ok(StatusCode::UNAUTHORIZED);
//!     }
//!     session.login(42).await?;
//!     Ok(StatusCode::NO_CONTENT)
//! }
//!
//! async fn home(CurrentUserId(user): CurrentUserId) -> String {
//!     format!("user {}", user.as_str())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
//! let routes = Router::new().route("/login", post(login)).route("/", get(home));
//! let app: Router = routes.layer(guestbook.layer());
//! # let post = Request::post("/login").header("content-type", "application/json");
//! # let response = app.clone().oneshot(post.body(Body::from("\"correct horse\"")).unwrap()).await.unwrap();
//! # assert_eq!(response.status(), StatusCode::NO_CONTENT);
//! # let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
//! # let home = Request::get("/").header("cookie", cookie).body(Body::empty()).unwrap();
//! # let body = app.clone().oneshot(home).await.unwrap().into_body();
//! # assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "user 42");
//! let stranger = Request::get("/").body(Body::empty()).unwrap();
//! assert_eq!(app.oneshot(stranger).await.unwrap().status(), StatusCode::UNAUTHORIZED);
//! # Ok(()) }
//! ```
//!
//! # A request as data
//!
//! ```text
//! Cookie / Authorization / a named header
//!   -> http::transport    bytes -> SessionToken (secret) -> SessionKey (its SHA-256)
//!   -> store::cache       SessionKey -> session; bounded in number, bytes and age; synchronous
//!   -> Store              on a miss only: session, consent and preferences in one trip
//!   -> session_status     (session, now) -> Keep | Touch | Expire
//!   -> RequestContext     put once into the request's extensions
//!   -> consent::resolve   (purpose, decisions, signals, law, now) -> allowed or not, and why
//!   -> ConsentLayer       removes cookies that are not allowed, both ways
//!   -> RequireConsent     refuses a route whose purpose is not allowed
//!   -> handler            Session, Consent, Preferences: views of the RequestContext
//!   -> SessionStore       changes, merged key by key, before the response's head
//!   -> Set-Cookie         only if something changed for the client
//!
//! the same request in the activity layer
//!   -> ActivityRules      is it recorded? (static files, health checks, prefetches, bots: no)
//!   -> RequestTrace       route, method, referrer's host, browser and system families, network
//!   -> handler            Tracker: explicit events, queued or durable
//!   -> response body      watched to its end, failure or drop, passed on frame by frame
//!   -> consent            is it allowed, now that the response has ended?
//!   -> Recorder           a bounded queue that never blocks; overload is dropped and counted
//!   -> ActivityStore      batches, one transaction each; every event once, by its id
//! ```
//!
//! # Map
//!
//! A [`Guestbook`] is built once on a store. It hands out layers and services, and owns the
//! background tasks. There is one module for each subject. What a handler works with is also here
//! at the root.
//!
//! | module | in a handler | outside a request |
//! |---|---|---|
//! | [`session`] | [`Session`] | [`Sessions`](session::Sessions) |
//! | [`activity`] | [`Tracker`] | [`Activities`](activity::Activities), [`Recorder`](activity::Recorder) |
//! | [`analytics`] | | [`Analytics`](analytics::Analytics) |
//! | [`consent`] | [`Consent`] | [`Consents`](consent::Consents) |
//! | [`preferences`] | [`Preferences`] | [`UserPreferences`](preferences::UserPreferences) |
//! | [`privacy`] | | [`Rights`](privacy::Rights), [`AuditTrail`](privacy::AuditTrail), [`ErasureJournal`](privacy::ErasureJournal) |
//! | [`retention`] | | [`Retention`](retention::Retention) |
//! | [`client`] | | device, browser and network of a client |
//! | [`http`] | layers, gates, cookies, services | |
//! | [`store`] | | the store traits and the stores |
//! | [`security`] | | which requirement of OWASP ASVS is met by which test |
//! | [`prelude`] | what most programs import | |
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `sqlite` | yes | `SqliteStore`, with SQLite compiled in |
//! | `axum` | yes | extractors `Session`, `Option<Session>`, `CurrentUserId`, `Tracker`, `Consent`, `Preferences<T>`; `Error` as an answer; `Guestbook::privacy_router`; axum's `ConnectInfo` as peer address and `MatchedPath` as route |
//! | `likely-subtags` | | languages are matched by their likely scripts and regions (CLDR): `zh-TW` finds `zh-Hant`, `no` finds `nb`; adds 130 KiB |
//! | `parquet` | | `Activities::offload`: activities as Parquet files, for DuckDB, ClickHouse, Spark |
//! | `metrics` | | counters and gauges of the recorder, of retention, of the audit trail and of requests of users through the `metrics` facade |
//! | `tower-sessions` | | `session::tower_sessions`: the store of the guestbook as a store of tower-sessions 0.15 |
//! | `tower-sessions-0-14` | | the same for 0.14, which axum-login 0.18 uses |
//! | `tzdb` | | a time zone database compiled in, for systems that have none |
//! | `zip` | | `Rights::export_archive` and `ExportService`: a copy of somebody's data as a ZIP file with a manifest |
//! | `testing` | | `testing::login_as` for the tests of an application; `store::testing`, the conformance suite for your own store |

mod api;
mod engine;
mod error;
mod files;
mod gate;
mod guestbook;
mod hex;
pub mod http;
mod id;
mod json;
mod mac;
mod model;
mod request;
pub mod security;
pub mod store;
mod time;

#[cfg(feature = "testing")]
pub use self::api::testing;
#[cfg(feature = "axum")]
pub use self::http::extract::{CurrentUserId, Permitted};
pub use self::{
    api::{activity, analytics, client, consent, preferences, prelude, privacy, retention, session},
    error::{Error, ErrorKind, Result},
    guestbook::{Guestbook, GuestbookBuilder},
    id::{SessionId, SessionKey, SessionToken, UserId, VisitorId},
    request::{Consent, CurrentUser, Preferences, RequestContext, Session, Tracker},
    time::{Clock, Timestamp},
};

/// The README's examples are tests.
#[cfg(all(doctest, feature = "sqlite", feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are those of the guide for users of tower-sessions.
#[cfg(all(doctest, feature = "sqlite", feature = "axum", feature = "tower-sessions", feature = "tower-sessions-0-14"))]
#[doc = include_str!("../docs/FROM-TOWER-SESSIONS.md")]
struct FromTowerSessions;
