//! Extractors for axum: views of the [`RequestContext`] that the layer put into the request.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;
use serde::{Serialize, de::DeserializeOwned};

use super::{problem::Problem, require_login::user_unavailable};
use crate::{
    engine::users::Permission,
    error::Error,
    id::UserId,
    request::{Consent, CurrentUser, Preferences, RequestContext, Session, Tracker},
};

/// The user who is logged in. Without one the answer is 401 with `application/problem+json`.
///
/// `Option<CurrentUserId>` is for routes that also welcome strangers.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_guestbook::CurrentUserId;
///
/// async fn profile(CurrentUserId(user): CurrentUserId) -> String {
///     format!("Hello, {}", user.as_str())
/// }
/// let app: Router = Router::new().route("/profile", get(profile));
/// # let _ = app;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUserId(pub UserId);

/// The user who is logged in and has a permission: the application's own user, of the type that
/// [`Permission`] names. Without a login the answer is 401, without the permission 403.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_guestbook::{Permitted, session::Permission};
///
/// struct Account { name: String, is_admin: bool }
///
/// /// Sees everything.
/// struct Admin;
///
/// impl Permission for Admin {
///     type User = Account;
///
///     fn is_granted(account: &Account) -> bool {
///         account.is_admin
///     }
/// }
///
/// async fn everything(Permitted(account): Permitted<Admin>) -> String {
///     format!("For {} only", account.name)
/// }
/// let app: Router = Router::new().route("/everything", get(everything));
/// # let _ = app;
/// ```
#[derive(Debug)]
pub struct Permitted<P: Permission>(pub Arc<P::User>);

/// Why an extractor refused a request; an answer of `application/problem+json`.
#[derive(Clone, Copy, Debug)]
pub struct Rejection {
    problem: Problem,
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        session(parts)
    }
}

/// `None` if the request has no live session.
impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(Some(session(parts)?).filter(Session::exists))
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentUserId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        session(parts)?.user_id().map(Self).ok_or(Rejection { problem: Problem::LOGIN_REQUIRED })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentUserId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(session(parts)?.user_id().map(Self))
    }
}

impl<S: Sync, U: Send + Sync + 'static> FromRequestParts<S> for CurrentUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        current_user(parts).await?.ok_or(Rejection { problem: Problem::LOGIN_REQUIRED })
    }
}

impl<S: Sync, U: Send + Sync + 'static> OptionalFromRequestParts<S> for CurrentUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        current_user(parts).await
    }
}

impl<S: Sync, P: Permission> FromRequestParts<S> for Permitted<P> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let user = current_user(parts).await?.ok_or(Rejection { problem: Problem::LOGIN_REQUIRED })?;
        if P::is_granted(&user.0) { Ok(Self(user.0)) } else { Err(Rejection { problem: Problem::NOT_PERMITTED }) }
    }
}

async fn current_user<U: Send + Sync + 'static>(parts: &Parts) -> Result<Option<CurrentUser<U>>, Rejection> {
    session(parts)?;
    let user = CurrentUser::from_extensions(&parts.extensions).await;
    user.map_err(|error| Rejection { problem: user_unavailable(&error) })
}

impl<S: Sync> FromRequestParts<S> for Tracker {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::from_extensions(&parts.extensions).ok_or_else(|| {
            tracing::error!("{}", Problem::TRACKER_MISSING.detail);
            Rejection { problem: Problem::TRACKER_MISSING }
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Consent {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        session(parts)?;
        Self::from_extensions(&parts.extensions).ok_or_else(|| {
            tracing::error!("{}", Problem::CONSENT_MISSING.detail);
            Rejection { problem: Problem::CONSENT_MISSING }
        })
    }
}

impl<S, T> FromRequestParts<S> for Preferences<T>
where
    S: Sync,
    T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        session(parts)?;
        Self::from_parts(&parts.headers, &parts.extensions).ok_or_else(|| {
            tracing::error!("{}", Problem::PREFERENCES_MISSING.detail);
            Rejection { problem: Problem::PREFERENCES_MISSING }
        })
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.problem.response_with(Body::from)
    }
}

/// A problem (RFC 9457) with the status of the [kind](crate::ErrorKind::status); a 5xx has no
/// detail. So a handler can return [`Result`](crate::Result).
///
/// ```
/// use axum::{Router, routing::post};
/// use tower_guestbook::{Guestbook, Session, store::MemoryStore};
///
/// async fn save(session: Session) -> tower_guestbook::Result<()> {
///     session.insert("draft", &"x".repeat(100_000))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new().route("/draft", post(save)).layer(guestbook.layer());
/// # use tower::ServiceExt;
/// let request = http::Request::post("/draft").body(axum::body::Body::empty()).unwrap();
/// assert_eq!(app.oneshot(request).await.unwrap().status(), 413, "TooLarge: nothing was stored");
/// # Ok(()) }
/// ```
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into()
    }
}

fn session(parts: &Parts) -> Result<Session, Rejection> {
    let context = parts.extensions.get::<RequestContext>().map(RequestContext::session);
    context.ok_or_else(|| {
        tracing::error!("{}", Problem::LAYER_MISSING.detail);
        Rejection { problem: Problem::LAYER_MISSING }
    })
}
