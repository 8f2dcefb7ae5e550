//! For the tests of an application (feature `testing`).
//!
//! - [`login_as`] logs a user in without the application's login form.
//! - [`Clock::manual`](crate::Clock::manual) lets a test decide what time it is.
//! - [`MemoryStore`](crate::store::MemoryStore) keeps everything in memory.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, body::Body, http::{Request, StatusCode, header}, routing::get};
//! use tower::ServiceExt;
//! use tower_guestbook::{Clock, CurrentUserId, Guestbook, Timestamp, store::MemoryStore, testing::login_as};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
//! let guestbook = Guestbook::builder(MemoryStore::new()).clock(clock.clone()).build()?;
//! let app: Router = Router::new()
//!     .route("/me", get(async |CurrentUserId(user): CurrentUserId| user.as_str().to_owned()))
//!     .layer(guestbook.layer());
//!
//! let cookie = login_as(&guestbook, 42).await?;
//! let request = || Request::get("/me").header(header::COOKIE, &cookie).body(Body::empty()).unwrap();
//! assert_eq!(app.clone().oneshot(request()).await.unwrap().status(), StatusCode::OK);
//!
//! clock.advance(Duration::from_secs(30 * 60));
//! assert_eq!(app.oneshot(request()).await.unwrap().status(), StatusCode::UNAUTHORIZED, "the idle timeout");
//! # Ok(()) }
//! ```

use http::HeaderValue;

use crate::{Guestbook, Result, UserId, error::Error, model::session::Login};

/// Logs `user` in and returns the value of a `Cookie` header that carries the session's token.
///
/// # Errors
///
/// As for [`Guestbook::log_in`].
///
/// # Panics
///
/// If the cookie's name cannot stand in a header, which `build()` refuses.
pub async fn login_as<U>(guestbook: &Guestbook, user: U) -> Result<HeaderValue>
where
    U: TryInto<UserId>,
    Error: From<U::Error>,
{
    let token = guestbook.log_in(Login::new(user)).await?;
    let cookie = format!("{}={}", guestbook.cookie_name(), &*token.expose_secret());
    Ok(HeaderValue::try_from(cookie).expect("the name of a cookie and a token are visible ASCII"))
}
