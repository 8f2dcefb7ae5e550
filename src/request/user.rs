//! [`CurrentUser`]: the application's own user of a request.

use std::{sync::Arc, time::Duration};

use http::Extensions;

use super::{READ, RequestContext};
use crate::{
    engine::users::{LoadedUser, Users},
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::session::CredentialStamp,
    request::TokenStatus,
};

/// The user who is logged in, as the application's [`UserLoader`](crate::session::UserLoader)
/// returns it. `U` is the type of its users.
///
/// The user is loaded at most once a request, and only if a route asks for it. Without a login the
/// answer is 401, and 503 if the loader fails, both with `application/problem+json`. A user who is
/// gone, or whose credentials have changed since the login, is logged out.
///
/// `Option<CurrentUser<U>>` is for routes that also welcome strangers. Outside of axum use
/// [`from_extensions`](Self::from_extensions).
///
/// ```
/// use axum::{Router, body::Body, http::{Request, header}, routing::{get, post}};
/// use tower::ServiceExt;
/// use tower_guestbook::{CurrentUser, Guestbook, Session, UserId, session::UserLoader, store::MemoryStore};
///
/// struct Account { name: String }
///
/// struct Accounts;
///
/// impl UserLoader for Accounts {
///     type User = Account;
///     type Error = std::num::ParseIntError;
///
///     async fn load(&self, id: &UserId) -> Result<Option<Account>, Self::Error> {
///         Ok((id.parse::<i64>()? == 42).then(|| Account { name: "Ada".to_owned() }))
///     }
/// }
///
/// async fn hello(CurrentUser(account): CurrentUser<Account>) -> String {
///     format!("Hello, {}", account.name)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).users(Accounts).build()?;
/// let app: Router = Router::new()
///     .route("/", get(hello))
///     .route("/login", post(async |session: Session| session.login(42).await))
///     .layer(guestbook.layer());
///
/// let login = app.clone().oneshot(Request::post("/login").body(Body::empty()).unwrap()).await.unwrap();
/// let cookie = login.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
/// let request = Request::get("/").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
/// let body = app.oneshot(request).await.unwrap().into_body();
/// assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "Hello, Ada");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CurrentUser<U>(pub Arc<U>);

impl<U> Clone for CurrentUser<U> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<U: Send + Sync + 'static> CurrentUser<U> {
    /// Returns the user of the request with these extensions; `None` if nobody is logged in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the request did not come through the session layer, or if
    /// the guestbook loads no users of this type; [`ErrorKind::Unavailable`] and
    /// [`ErrorKind::Timeout`] if the loader fails.
    pub async fn from_extensions(extensions: &Extensions) -> Result<Option<Self>> {
        let Some(context) = extensions.get::<RequestContext>() else {
            let text = "the request did not come through the session layer: add guestbook.layer()";
            return Err(Error::new(ErrorKind::Configuration, text));
        };
        context.users()?.check_type::<U>()?;
        Ok(context.load_user().await?.and_then(|user| user.downcast()).map(Self))
    }
}

/// What the session says of a login, without loading the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginStatus {
    LoggedIn,
    /// The login was too long ago.
    TooOld,
    LoggedOut,
    /// The store could not be asked.
    Unavailable,
}

impl RequestContext {
    /// Returns whether a user is logged in, since at most `max_age` when the request arrived.
    #[inline]
    pub(crate) fn login_status(&self, max_age: Option<Duration>) -> LoginStatus {
        self.mark(READ);
        let state = self.state();
        let Some(head) = state.current.as_ref().map(|current| &current.record.head) else {
            return match state.token_status {
                TokenStatus::Unavailable => LoginStatus::Unavailable,
                _ => LoginStatus::LoggedOut,
            };
        };
        let is_recent = |max_age| {
            // A session that began in this request is from after its arrival.
            head.authenticated_at.is_some_and(|at| self.inner.client.arrived_at.since(at) <= max_age)
        };
        match head.user {
            None => LoginStatus::LoggedOut,
            Some(_) if max_age.is_some_and(|max_age| !is_recent(max_age)) => LoginStatus::TooOld,
            Some(_) => LoginStatus::LoggedIn,
        }
    }

    /// Returns the user who is logged in, as the application's loader returns it, at most once a
    /// request. `None` if nobody is logged in. A user whom the loader no longer knows, or whose
    /// credentials have changed since the login, is logged out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if there is no loader, [`ErrorKind::Unavailable`] and
    /// [`ErrorKind::Timeout`].
    pub(crate) async fn load_user(&self) -> Result<Option<LoadedUser>> {
        let users = self.users()?;
        self.mark(READ);
        let (id, stamp) = {
            let state = self.state();
            if state.token_status == TokenStatus::Unavailable {
                return Err(super::unavailable());
            }
            let Some(head) = state.current.as_ref().map(|current| &current.record.head) else { return Ok(None) };
            let Some(id) = &head.user else { return Ok(None) };
            match &state.user {
                Some(known) if known.0 == *id => return Ok(Some(known.1.clone())),
                _ => (id.clone(), head.stamp),
            }
        };
        let user = users.find(&id, stamp).await?;
        match &user {
            Some(user) => self.state().user = Some(Box::new((id, user.clone()))),
            None => self.end_login(&id).await,
        }
        Ok(user)
    }

    /// Returns the stamp of the user's credentials as they are now; `None` without a loader, or if
    /// it makes no stamps.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the loader does not know the user, [`ErrorKind::Unavailable`]
    /// and [`ErrorKind::Timeout`].
    pub(super) async fn current_stamp(&self, id: &UserId) -> Result<Option<CredentialStamp>> {
        match self.inner.services.users() {
            Some(users) => users.current_stamp(id).await,
            None => Ok(None),
        }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if there is no loader.
    pub(crate) fn users(&self) -> Result<&Users> {
        self.inner.services.users().ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                "the guestbook loads no users: build it with .users(loader), see UserLoader",
            )
        })
    }

    /// Ends the session of a user who must not use the service any more.
    async fn end_login(&self, user: &UserId) {
        let Some(current) = self.state().current.clone() else { return };
        if current.record.head.user.as_ref() != Some(user) {
            return;
        }
        let id = current.record.head.id;
        match self.sessions().delete(current.key, id).await {
            Ok(_) => tracing::info!(session = %id, "a session has ended: its user is gone or has other credentials"),
            // The next request finds it and tries again.
            Err(error) => tracing::warn!(session = %id, %error, "a session whose user is gone cannot be ended"),
        }
        self.session().over();
    }
}
