//! The sessions of a guestbook as a store of [tower-sessions], so that axum-login and everything
//! else that is built on it runs on any store of this crate.
//!
//! ```
//! # #[cfg(feature = "tower-sessions-0-14")] {
//! use axum_login::tower_sessions::{Expiry, SessionManagerLayer};
//! use tower_guestbook::{
//!     Guestbook,
//!     session::tower_sessions::{AXUM_LOGIN_KEY, TowerSessionsStore},
//!     store::MemoryStore,
//! };
//! # use axum::{Router, body::Body, http::Request, routing::get};
//! # use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId};
//! # use tower::ServiceExt;
//! # #[derive(Clone, Debug)] struct User(i64);
//! # impl AuthUser for User { type Id = i64; fn id(&self) -> i64 { self.0 } fn session_auth_hash(&self) -> &[u8] { b"hash" } }
//! # #[derive(Clone)] struct Backend;
//! # impl AuthnBackend for Backend {
//! #     type User = User; type Credentials = (); type Error = std::convert::Infallible;
//! #     async fn authenticate(&self, _: ()) -> Result<Option<User>, Self::Error> { Ok(Some(User(7))) }
//! #     async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Self::Error> { Ok(Some(User(*id))) }
//! # }
//! # async fn login(mut auth: AuthSession<Backend>) { auth.login(&User(7)).await.unwrap() }
//! # async fn name(auth: AuthSession<Backend>) -> String { format!("{:?}", auth.user) }
//! # fn routes() -> Router { Router::new().route("/login", get(login)).route("/", get(name)) }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).secret_session_keys([AXUM_LOGIN_KEY]).build()?;
//! let store = TowerSessionsStore::new(guestbook.sessions());
//! let sessions = SessionManagerLayer::new(store).with_expiry(Expiry::OnSessionEnd);
//! let app: Router = routes().layer(AuthManagerLayerBuilder::new(Backend, sessions).build());
//!
//! # let ask = |path: &str, cookie: &str| Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
//! # let response = app.clone().oneshot(ask("/login", "")).await.unwrap();
//! # let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
//! // After a login as user 7:
//! assert_eq!(guestbook.sessions().list(&7.into()).await?.len(), 1);
//! assert_eq!(guestbook.sessions().revoke_user(&7.into()).await?, 1);
//! # let body = app.oneshot(ask("/", &cookie)).await.unwrap().into_body();
//! # assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "None");
//! # Ok(()) }
//! # }
//! ```
//!
//! Keep the [`Guestbook`](crate::Guestbook): it deletes what is expired, erases and exports. The
//! guide [from tower-sessions] has the steps of a migration.
//!
//! # Rules
//!
//! - **Ids.** The session key is a hash of the id; the id itself is not stored. A record that is
//!   created with an id that is or was in use gets another one.
//! - **Users.** [`user_from`](TowerSessionsStore::user_from) finds the user in the data of each
//!   record that is stored. By default it is the user of axum-login. A record with another user
//!   than before becomes a new session of that user under the same id.
//!   [`Sessions`](crate::session::Sessions) lists and revokes these sessions, exports contain them,
//!   an erasure ends them, and the [bound](crate::GuestbookBuilder::sessions_per_user) on the
//!   sessions of a user holds.
//! - **Saving** replaces the whole record, as tower-sessions does: of two parallel requests that
//!   write, the last one wins. A record that was never stored is stored.
//! - **What has ended stays ended.** A save of a session that was deleted during the request, or of
//!   a user's session that was revoked, stores nothing and succeeds: the client keeps its response,
//!   and its next request is logged out. Every process knows such a session for at least
//!   [a minute](crate::store::ENDED_MEMORY), the process that served it for an hour. A `cycle_id`
//!   in such a request begins a new session with the same data: tower-sessions creates it as it does
//!   at a login.
//! - **Expiry.** A session ends at the expiry date of its record. The lifetime of the guestbook
//!   does not shorten it, unless [`limit_lifetime`](TowerSessionsStore::limit_lifetime) says so.
//!   The guestbook deletes expired sessions; `continuously_delete_expired` works but is not needed.
//! - **Size.** [`SessionLimits`](crate::session::SessionLimits) hold: 64 KiB in 256 keys by
//!   default. Keys that begin with `guestbook.` are reserved.
//! - **Anonymous sessions** count towards the [bound](crate::session::AnonymousLimits) of the
//!   store. The share of each network does not apply, because a store is not given the client's
//!   address.
//! - **Reading** uses the cache of the guestbook: a revocation by another process takes effect
//!   within its [age](crate::GuestbookBuilder::cache_age), one second by default.
//! - **Not known** are the client's device and network, and when the user proved who they are:
//!   [`SessionInfo`](crate::session::SessionInfo) shows no device and no address.
//!
//! # Errors
//!
//! | variant of `session_store::Error` | when |
//! |---|---|
//! | `Encode` | the data is larger than the limits, nested too deeply, or has a reserved key |
//! | `Decode` | what is stored cannot be read as a record |
//! | `Backend` | the store is unavailable or late, the user is erased, the user has too many sessions |
//!
//! An id that nobody knows is no error: `load` finds nothing, `delete` does nothing.
//! `SessionManagerLayer` answers a failed save with status 500 and an empty body.
//!
//! [tower-sessions]: https://docs.rs/tower-sessions
//! [from tower-sessions]: https://docs.rs/crate/tower-guestbook/latest/source/docs/FROM-TOWER-SESSIONS.md

pub use crate::engine::tower_sessions::{
    AXUM_LOGIN_KEY, ImportProgress, ImportRecord, ImportReport, RecordData, TowerSessionsStore, axum_login_user,
};
