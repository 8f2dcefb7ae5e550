//! [`ErasureService`].

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

/// Answers `DELETE` and `POST` by striking out whoever is logged in, for good (GDPR, Article 17). Made by
/// [`Guestbook::erasure_service`](crate::Guestbook::erasure_service); it goes inside the session layer, and
/// [`CrossOriginGuardLayer`](crate::http::CrossOriginGuardLayer) belongs around it.
///
/// The user must have logged in a short while ago (default: 5 minutes), or the answer is 401. When it answers with 200 everything is
/// erased: the body counts what was, the session's cookie is removed, and `Clear-Site-Data` has the browser forget the rest.
///
/// If the store or the journal does not answer in time, or fails half-way, the answer is 202 with `{"state":"pending"}`: the user is
/// refused from then on, and the erasure is tried until it is done. As they cannot log in any more, `Location` names where to ask how
/// far it is: a `GET` of the same path with the `pseudonym` of the answer in the query, `?erasure=…`, answers everybody who knows it
/// with a `state` of [`ErasureState`](crate::privacy::ErasureState), and 404 if nothing is known of it. A 5xx, by the [kind](ErrorKind::status)
/// of the failure, says that nothing has happened.
#[derive(Clone)]
pub struct ErasureService {
    rights: Rights,
    max_login_age: Duration,
}

impl ErasureService {
    pub(crate) fn new(rights: Rights) -> Self {
        Self { rights, max_login_age: Duration::from_secs(300) }
    }

    /// The pseudonym in the query of a `GET`, for whoever asks how far an erasure is.
    pub(in crate::http) fn asks_for_state(method: &Method, uri: &Uri) -> Option<Pseudonym> {
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        let pairs = form_urlencoded::parse(uri.query().filter(|_| is_get)?.as_bytes());
        let (_, value) = pairs.into_iter().find(|(name, _)| name == STATE)?;
        serde_json::from_value(Value::String(value.into_owned())).ok()
    }

    /// How long ago the user may have logged in. Default: 5 minutes.
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
            // It is over already; what is left to do is to tell the browser.
            if let Err(error) = session.logout().await {
                tracing::warn!(%error, "an erased user's cookie may stay in the browser");
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

/// It is not done, and will be.
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
    let place = pseudonym.and_then(|pseudonym| HeaderValue::try_from(format!("?{STATE}={pseudonym}")).ok());
    headers.extend(place.map(|place| (header::LOCATION, place)));
    response
}

/// How far an erasure is.
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

/// The parameter by which the state of an erasure is asked for.
const STATE: &str = "erasure";

const CLEAR_SITE_DATA: HeaderValue = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
