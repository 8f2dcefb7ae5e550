//! [`ErasureService`]: the erasure of the logged-in user over HTTP.

use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde_json::{Value, json};
use tower_service::Service;

use super::{
    PrivacyBody, PrivacyFuture,
    shared::{NO_STORE, failed, not_allowed, own_context, problem},
};
use crate::{
    engine::rights::{ErasureState, Rights},
    error::{Error, ErrorKind},
    http::problem::Problem,
    id::UserId,
    model::privacy::{Actor, Pseudonym},
    request::RequestContext,
};

/// Answers `DELETE` and `POST` by erasing the data of the logged-in user (GDPR, Article 17).
///
/// [`Guestbook::erasure_service`](crate::Guestbook::erasure_service) returns it. It goes inside the
/// session layer; put a [`CrossOriginGuardLayer`](crate::http::CrossOriginGuardLayer) around it.
///
/// - **200**: everything is erased. The body is the [receipt](crate::privacy::ErasureReceipt), with
///   the `user_id`. The session's cookie is removed, and `Clear-Site-Data` makes the browser delete
///   its data of the site.
/// - **202**, with `{"state":"pending"}`: the store or the journal did not answer in time, or
///   failed half-way. The user is refused from now on, and the erasure is retried until it is done.
///   The user cannot log in, so `Location` has the place to ask: a `GET` of the same path with
///   `?erasure=` and the `pseudonym` of the answer. It returns a `state`, see
///   [`ErasureState`](crate::privacy::ErasureState), or 404 for an unknown pseudonym.
/// - **401**: nobody is logged in, or the login is older than 5 minutes, by
///   [default](Self::max_login_age).
/// - **405**: another method.
/// - **5xx**, by the [kind](ErrorKind::status) of the failure: nothing has happened.
///
/// ```
/// use axum::Router;
/// use tower_guestbook::{Guestbook, http::CrossOriginGuardLayer, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route_service("/privacy/erasure", guestbook.erasure_service())
///     .layer(CrossOriginGuardLayer::new())
///     .layer(guestbook.layer());
/// # use axum::body::Body;
/// # use http::{Request, StatusCode};
/// # use tower::ServiceExt;
///
/// let request = Request::delete("/privacy/erasure").body(Body::empty()).unwrap();
/// assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ErasureService {
    rights: Rights,
    max_login_age: Duration,
}

impl ErasureService {
    pub(crate) fn new(rights: Rights) -> Self {
        Self { rights, max_login_age: Duration::from_secs(300) }
    }

    /// The pseudonym in the query of a `GET` that asks for the state of an erasure.
    pub(in crate::http) fn asks_for_state(method: &Method, uri: &Uri) -> Option<Pseudonym> {
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        let pairs = form_urlencoded::parse(uri.query().filter(|_| is_get)?.as_bytes());
        let (_, value) = pairs.into_iter().find(|(name, _)| name == STATE)?;
        serde_json::from_value(Value::String(value.into_owned())).ok()
    }

    /// Sets how long ago the user may have logged in. Default: 5 minutes.
    #[must_use]
    pub fn max_login_age(mut self, age: Duration) -> Self {
        self.max_login_age = age;
        self
    }
}

impl<B> Service<Request<B>> for ErasureService {
    type Response = Response<PrivacyBody>;
    type Error = Infallible;
    type Future = PrivacyFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(pseudonym) = Self::asks_for_state(request.method(), request.uri()) {
            let rights = self.rights.clone();
            return PrivacyFuture::of(async move { state(&rights, pseudonym).await });
        }
        let session = own_context(&self.rights, request.extensions()).map(RequestContext::session);
        if !matches!(*request.method(), Method::DELETE | Method::POST) {
            return PrivacyFuture::ready(not_allowed("DELETE, POST"));
        }
        let Some((session, user)) = session.and_then(|session| session.user_id().map(|user| (session, user))) else {
            return PrivacyFuture::ready(problem(Problem::LOGIN_REQUIRED));
        };
        if !session.authenticated_within(self.max_login_age) {
            return PrivacyFuture::ready(problem(Problem::RECENT_LOGIN_REQUIRED));
        }
        let rights = self.rights.clone();
        PrivacyFuture::of(async move {
            let receipt = match rights.by(Actor::User(user.clone())).erase(&user).await {
                Ok(receipt) => receipt,
                Err(error) if error.kind() == ErrorKind::Pending => return pending(&rights, &user, &error).await,
                Err(error) => return failed(&error),
            };
            // The session has ended already; the browser is told to remove its cookie.
            if let Err(error) = session.logout().await {
                tracing::warn!(%error, "the cookie of an erased user may stay in the browser");
            }
            let mut json = serde_json::to_value(&receipt).unwrap_or_default();
            if let Some(json) = json.as_object_mut() {
                json.insert("user_id".into(), json!(user));
            }
            let mut response = Response::new(PrivacyBody::whole(json.to_string().into()));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, NO_STORE);
            headers.insert("clear-site-data", CLEAR_SITE_DATA);
            response
        })
    }
}

impl fmt::Debug for ErasureService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErasureService").field("max_login_age", &self.max_login_age).finish_non_exhaustive()
    }
}

/// The answer while the erasure is not done.
async fn pending(rights: &Rights, user: &UserId, error: &Error) -> Response<PrivacyBody> {
    tracing::warn!(error = %error.chain(), "an erasure is pending");
    let pseudonym = rights.pseudonym(user).await.ok();
    let json = json!({ "state": ErasureState::Pending, "pseudonym": pseudonym });
    let mut response = Response::new(PrivacyBody::whole(json.to_string().into()));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert("clear-site-data", CLEAR_SITE_DATA);
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    let location = pseudonym.and_then(|pseudonym| HeaderValue::try_from(format!("?{STATE}={pseudonym}")).ok());
    headers.extend(location.map(|location| (header::LOCATION, location)));
    response
}

/// The state of an erasure.
async fn state(rights: &Rights, pseudonym: Pseudonym) -> Response<PrivacyBody> {
    match rights.erasure_state(pseudonym).await {
        Ok(ErasureState::None) => problem(Problem::NO_SUCH_ERASURE),
        Ok(state) => {
            let mut response = Response::new(PrivacyBody::whole(json!({ "state": state }).to_string().into()));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, NO_STORE);
            response
        }
        Err(error) => failed(&error),
    }
}

/// The parameter that asks for the state of an erasure.
const STATE: &str = "erasure";

const CLEAR_SITE_DATA: HeaderValue = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
