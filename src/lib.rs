//! Who is here, what they do, what they like and what they agreed to: sessions, activity, preferences and consent for any Tower
//! service, on a store that is part of the program.
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
//! - [`Guestbook`]: built once on a store; hands out layers, owns the background tasks.
//! - [`Session`]: what a handler works with. [`Sessions`]: the same for administration, outside a request.
//! - [`Tracker`]: what a handler records. [`Activities`]: history, counts, deletion. [`recorder`]: the queue and its worker,
//!   and what happens when they are overloaded or the store fails.
//! - [`Consent`]: what a handler asks and records; [`Consents`]: the same outside a request; [`http::ConsentRules`]: purposes and how
//!   they are enforced. [`Preferences`], [`UserPreferences`], [`user_preferences::PreferenceRules`]: likewise.
//! - [`AuditTrail`]: who did what to whose data, chained, so that it says where it was changed.
//! - [`Retention`]: what is old is deleted, by [`retention::RetentionRules`], by itself.
//! - [`http::PrivacyService`]: what users may do about their own data, over HTTP: one service, or one router.
//! - [`journal`]: what makes erasures hold although a backup is restored.
//! - [`Analytics`]: active users, pages, visits, reports; funnels, patterns, paths, cohorts, experiments. [`analysis`]: the questions,
//!   their definitions, the answers.
//! - [`http`]: the layers and gates, the cookie, where a client's address comes from, extractors.
//! - [`session`], [`activity`], [`client`], [`consent`], [`preferences`]: the nouns: plain data and rules. [`store`]: the contract of a store, and the stores.
//! - [`security`]: which requirement of OWASP ASVS is met by what, and shown by which test.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `sqlite` | yes | `SqliteStore`, with SQLite compiled in |
//! | `axum` | yes | extractors `Session`, `Option<Session>`, `CurrentUser`, `Tracker`, `Consent`, `Preferences<T>`; `Error` as an answer; `Guestbook::privacy_router`; axum's `ConnectInfo` as peer address and `MatchedPath` as route |
//! | `parquet` | | `Activities::offload`: activities as Parquet files, for DuckDB, ClickHouse, Spark |
//! | `metrics` | | counters and gauges of the recorder, of retention, of the audit trail and of requests of users through the `metrics` facade |
//! | `tzdb` | | a time zone database compiled in, for systems that have none |
//! | `zip` | | `Rights::export_archive` and `ExportService`: a copy of somebody's data as a ZIP file with a manifest |
//! | `testing` | | `store::testing`, the conformance suite for your own store |

mod accounts;
pub mod activities;
pub mod activity;
pub mod analysis;
pub mod analytics;
pub mod audit;
pub mod client;
pub mod consent;
pub mod consents;
pub mod error;
mod files;
mod gate;
pub mod guestbook;
pub mod http;
pub mod id;
pub mod journal;
mod json;
mod pending;
pub mod preferences;
pub mod privacy;
mod rate;
pub mod recorder;
pub mod retention;
pub mod rights;
pub mod security;
pub mod session;
pub mod sessions;
pub mod store;
mod tasks;
pub mod time;
pub mod user_preferences;
pub mod visit;

#[cfg(feature = "axum")]
pub use self::http::CurrentUser;
#[cfg(feature = "sqlite")]
pub use self::store::SqliteStore;
pub use self::{
    activities::Activities,
    analytics::Analytics,
    audit::AuditTrail,
    consents::Consents,
    error::{Error, ErrorKind, Result},
    guestbook::{Guestbook, GuestbookBuilder},
    http::{ActivityLayer, ConsentLayer, GuestbookLayer, SessionLayer},
    id::{SessionId, SessionKey, SessionToken, UserId, VisitorId},
    retention::Retention,
    rights::Rights,
    sessions::Sessions,
    time::{Clock, Timestamp},
    user_preferences::UserPreferences,
    visit::{Consent, Flash, Preferences, Session, Tracker, Visit},
};

/// The README's examples are tests.
#[cfg(all(doctest, feature = "sqlite", feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
