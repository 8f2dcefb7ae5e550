//! [`ExportService`] and [`ErasureService`].

use std::{
    collections::HashSet,
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde_json::{Value, json};
use tower_service::Service;

use super::{RightsBody, format::Format, paced::Paced};
use crate::{
    engine::rights::{ErasureState, Rights},
    error::{Error, ErrorKind},
    http::problem::Problem,
    id::UserId,
    model::privacy::{Actor, Pseudonym},
    request::RequestContext,
    store::dyn_store::BoxFuture,
};

/// Answers `GET` with a copy of all that is kept of whoever is logged in, as a JSON document to be saved (GDPR, Articles 15 and
/// 20). Made by [`Guestbook::export_service`](crate::Guestbook::export_service); it goes inside the session layer.
///
/// With the feature `zip` there is also a ZIP file, with the same data file by file: for a request with `?format=zip`, or with
/// an `Accept` that names `application/zip` and prefers it to JSON. `?format=json` is always JSON; another format gets 406.
///
/// The answer streams: memory does not grow with the data. At most 16 are under way at a time; a reader who asks for nothing
/// for [a minute](Self::max_idle) loses the turn, and the answer ends with an error. Others get 401, another method 405; a user's second export at the
/// same time 429, and 503 if the store cannot be asked. Nobody can name a user but by being logged in.
///
/// ```
/// use axum::Router;
/// use tower_guestbook::{Guestbook, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route_service("/privacy/export", guestbook.export_service())
///     .route_service("/privacy/erasure", guestbook.erasure_service())
///     .layer(guestbook.layer());
/// # use tower::ServiceExt;
/// # let request = http::Request::get("/privacy/export").body(axum::body::Body::empty()).unwrap();
/// # assert_eq!(app.oneshot(request).await.unwrap().status(), http::StatusCode::UNAUTHORIZED);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ExportService {
    rights: Rights,
    turns: Arc<Turns>,
    max_idle: Duration,
}

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

/// Whose export is under way: one of each user, and a few in all.
#[derive(Debug, Default)]
struct Turns {
    users: Mutex<HashSet<UserId>>,
}

/// A user's turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    user: UserId,
}

/// So many exports run at the same time in a process.
const MAX_TURNS: usize = 16;

impl ExportService {
    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    pub(crate) fn new(rights: Rights) -> Self {
        Self { rights, turns: Arc::default(), max_idle: Duration::from_secs(60) }
    }

    /// How long a reader may ask for nothing while there is something to read. What the store takes does not count. Default: 60
    /// seconds.
    #[must_use]
    pub fn max_idle(mut self, idle: Duration) -> Self {
        self.max_idle = idle;
        self
    }
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

impl<B> Service<Request<B>> for ExportService {
    type Response = Response<RightsBody>;
    type Error = Infallible;
    type Future = RightsFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let session = own_visit(&self.rights, request.extensions()).map(RequestContext::session);
        if request.method() != Method::GET {
            return RightsFuture::ready(not_allowed("GET"));
        }
        let user = session.and_then(|session| session.user_id());
        let Some(user) = user else { return RightsFuture::ready(problem(Problem::LOGIN_REQUIRED)) };
        let Some(format) = Format::of(request.uri(), request.headers()) else {
            return RightsFuture::ready(problem(Problem::EXPORT_FORMAT));
        };
        let Some(turn) = Turns::take(&self.turns, user.clone()) else {
            return RightsFuture::ready(problem(Problem::EXPORT_UNDER_WAY));
        };
        let (rights, max_idle) = (self.rights.clone(), self.max_idle);
        RightsFuture::of(async move {
            match format.copy(&rights.by(Actor::User(user.clone())), &user).await {
                Ok(copied) => {
                    let mut response = Response::new(RightsBody::export(Paced::new(copied, turn, max_idle)));
                    let headers = response.headers_mut();
                    headers.insert(header::CONTENT_TYPE, format.content_type());
                    headers.insert(header::CONTENT_DISPOSITION, format.disposition());
                    headers.insert(header::CACHE_CONTROL, NO_STORE);
                    response
                }
                Err(error) => failed(&error),
            }
        })
    }
}

impl<B> Service<Request<B>> for ErasureService {
    type Response = Response<RightsBody>;
    type Error = Infallible;
    type Future = RightsFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(pseudonym) = Self::asks_for_state(request.method(), request.uri()) {
            let rights = self.rights.clone();
            return RightsFuture::of(async move { state(&rights, pseudonym).await });
        }
        let session = own_visit(&self.rights, request.extensions()).map(RequestContext::session);
        if !matches!(*request.method(), Method::DELETE | Method::POST) {
            return RightsFuture::ready(not_allowed("DELETE, POST"));
        }
        let Some((session, user)) = session.and_then(|session| session.user_id().map(|user| (session, user))) else {
            return RightsFuture::ready(problem(Problem::LOGIN_REQUIRED));
        };
        if !session.authenticated_within(self.max_login_age) {
            return RightsFuture::ready(problem(Problem::RECENT_LOGIN_REQUIRED));
        }
        let rights = self.rights.clone();
        RightsFuture::of(async move {
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
            let mut response = Response::new(RightsBody::whole(json.to_string().into()));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, NO_STORE);
            headers.insert("clear-site-data", CLEAR_SITE_DATA);
            response
        })
    }
}

impl Turns {
    fn take(turns: &Arc<Self>, user: UserId) -> Option<Turn> {
        let mut users = turns.users.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = users.len() < MAX_TURNS && users.insert(user.clone());
        is_free.then(|| Turn { turns: turns.clone(), user })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.users.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.user);
    }
}

/// The answer about a right.
pub struct RightsFuture {
    answer: BoxFuture<'static, Response<RightsBody>>,
}

impl RightsFuture {
    pub(in crate::http) fn of(answer: impl Future<Output = Response<RightsBody>> + Send + 'static) -> Self {
        Self { answer: Box::pin(answer) }
    }

    pub(in crate::http) fn ready(response: Response<RightsBody>) -> Self {
        Self::of(std::future::ready(response))
    }
}

impl Future for RightsFuture {
    type Output = Result<Response<RightsBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for RightsFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RightsFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for ExportService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportService").field("max_idle", &self.max_idle).finish_non_exhaustive()
    }
}

impl fmt::Debug for ErasureService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErasureService").field("max_login_age", &self.max_login_age).finish_non_exhaustive()
    }
}

/// The visit of the guestbook whose rights are asked for. The users of another one have nothing to do with it.
pub(in crate::http) fn own_visit<'a>(rights: &Rights, extensions: &'a Extensions) -> Option<&'a RequestContext> {
    let context = RequestContext::find(extensions, |context| context.is_of(rights.sessions()));
    if context.is_none() {
        tracing::error!("privacy rights have no session layer outside, and nobody is logged in: use guestbook.layer()");
    }
    context
}

fn problem(problem: Problem) -> Response<RightsBody> {
    problem.response_with(RightsBody::whole)
}

fn failed(error: &Error) -> Response<RightsBody> {
    tracing::error!(error = %error.chain(), "a privacy right could not be given");
    match error.kind() {
        ErrorKind::UserErased => problem(Problem::LOGIN_REQUIRED),
        kind => problem(Problem::rights_failed(kind)),
    }
}

/// It is not done, and will be.
async fn pending(rights: &Rights, user: &UserId, error: &Error) -> Response<RightsBody> {
    tracing::warn!(error = %error.chain(), "an erasure is pending");
    let pseudonym = rights.pseudonym(user).await.ok();
    let json = json!({ "state": ErasureState::Pending, "pseudonym": pseudonym });
    let mut response = Response::new(RightsBody::whole(json.to_string().into()));
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
async fn state(rights: &Rights, pseudonym: Pseudonym) -> Response<RightsBody> {
    match rights.erasure_state(pseudonym).await {
        Ok(ErasureState::None) => problem(Problem::NO_SUCH_ERASURE),
        Ok(state) => {
            let mut response = Response::new(RightsBody::whole(json!({ "state": state }).to_string().into()));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, NO_STORE);
            response
        }
        Err(error) => failed(&error),
    }
}

fn not_allowed(methods: &'static str) -> Response<RightsBody> {
    let mut response = Response::new(RightsBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

/// The parameter by which the state of an erasure is asked for.
const STATE: &str = "erasure";

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CLEAR_SITE_DATA: HeaderValue = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
