//! Who is here, what they do, what they like and what they agreed to: sessions, activity,
//! preferences and consent for any Tower service, on a store that is part of the program.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_guestbook::{Guestbook, Session, store::MemoryStore};
//!
//! async fn visits(session: Session) -> tower_guestbook::Result<String> {
//!     let count = session.update("visits", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
//!     Ok(format!("visit number {}", count.unwrap_or(0)))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
//! let app: Router = Router::new().route("/", get(visits)).layer(guestbook.layer());
//! # use tower::ServiceExt;
//! # let request = http::Request::get("/").body(axum::body::Body::empty()).unwrap();
//! # assert!(app.oneshot(request).await.unwrap().headers().contains_key("set-cookie"));
//! # Ok(()) }
//! ```
//!
//! # A request as data
//!
//! ```text
//! Cookie / Authorization / a named header
//!   -> http::transport    bytes -> SessionToken (secret) -> SessionKey (its SHA-256)
//!   -> store::cache       SessionKey -> session, bounded in number, bytes and age; no waiting
//!   -> Store              on a miss only: session, consent and preferences in one trip
//!   -> session::judge     (session, now) -> Keep | Touch | Expire
//!   -> Visit              put once into the request's extensions
//!   -> consent::resolve   (purpose, decisions, signals, law, now) -> allowed or not, and why
//!   -> ConsentLayer       takes out cookies that are not allowed, both ways; RequireConsent closes a gate
//!   -> handler            Session, Consent, Preferences: views of the Visit; reads do not wait
//!   -> SessionStore       changes, merged key by key, before the response's head
//!   -> Set-Cookie         only if the client has to learn something
//!
//! the same request, seen by the activity layer
//!   -> ActivityRules      does it leave a trace? (static files, health checks, prefetches, bots: no)
//!   -> RequestTrace       route, method, referring host, families of browser and system, network; nothing else
//!   -> handler            Tracker: explicit events, queued or durable
//!   -> response body      watched to its end, failure or drop, passed on frame by frame
//!   -> consent            is it allowed, now that the response has ended? otherwise it is left out or unlinked
//!   -> Recorder           a bounded queue; never waits; what is too much is dropped and counted
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
//! | `parquet` | | `Activities::offload`: activities as Parquet files, for DuckDB, ClickHouse, Spark |
//! | `metrics` | | counters and gauges of the recorder, of retention, of the audit trail and of requests of users through the `metrics` facade |
//! | `tzdb` | | a time zone database compiled in, for systems that have none |
//! | `zip` | | `Rights::export_archive` and `ExportService`: a copy of somebody's data as a ZIP file with a manifest |
//! | `testing` | | `store::testing`, the conformance suite for your own store |

mod api;
mod engine;
mod error;
mod files;
mod gate;
mod guestbook;
pub mod http;
mod id;
mod json;
mod model;
mod request;
pub mod security;
pub mod store;
mod time;

#[cfg(feature = "axum")]
pub use self::http::extract::CurrentUserId;
pub use self::{
    api::{activity, analytics, client, consent, preferences, prelude, privacy, retention, session},
    error::{Error, ErrorKind, Result},
    guestbook::{Guestbook, GuestbookBuilder},
    id::{SessionId, SessionKey, SessionToken, UserId, VisitorId},
    request::{Consent, Preferences, RequestContext, Session, Tracker},
    time::{Clock, Timestamp},
};

/// The README's examples are tests.
#[cfg(all(doctest, feature = "sqlite", feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
