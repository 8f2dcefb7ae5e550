//! [`RequireConsent`]: a gate for what cannot be served without consent.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, uri::PathAndQuery};
use pin_project_lite::pin_project;
use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

use super::{local_path, rules::ConsentEnforcement};
use crate::{
    http::{
        body::ResponseBody,
        preflight::{is_preflight, warn_of_preflight},
        problem::Problem,
    },
    model::consent::PurposeId,
    request::RequestContext,
};

/// Lets a request pass only if its guest allows a purpose. Made by [`Guestbook::require_consent`](crate::Guestbook::require_consent).
///
/// # Consent required
///
/// This is what the `type` of its problem (RFC 9457) leads to. `purposes` are the purposes that are missing, `version` is that of the
/// notice to be agreed to, `manage_url` the page where that is done.
///
/// | what | a browser that wants a page (`GET`, `HEAD`) | everything else |
/// |---|---|---|
/// | the purpose is not allowed | 303 to the [consent page](super::ConsentRules::consent_page), the way back in `return`, the purpose in `purpose` | 403, `application/problem+json` with `purposes`, `version`, `manage_url` |
/// | the store could not be asked | 503 with `Retry-After` | 503 with `Retry-After` |
/// | the place is [blocked](crate::consent::Jurisdiction::blocked) | 451 | 451 |
/// | there is no session layer outside | 403 | 403 |
/// | it is a CORS preflight | 403 | 403 |
///
/// Every answer, of the gate or of what is behind it, says `Vary: Sec-GPC, Cookie` and `Cache-Control: private`. Where there is
/// no session layer to say the first, the refusal is the same for everybody, and not kept: `no-store`.
///
/// # CORS
///
/// A browser sends a preflight before a request of another origin, without cookies: nobody can have agreed to anything in it. A
/// gate refuses preflights, whatever else it would do, and never calls what is behind it. Put the CORS layer outside of the gate
/// and of [`Guestbook::layer`](crate::Guestbook::layer): it answers preflights itself, and adds its headers to the gate's refusals,
/// so that scripts of the other origin can read them. There is an [example](crate::http#cors).
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, http::StatusCode, routing::get};
/// use tower_guestbook::{
///     Guestbook,
///     consent::{Category, ConsentRules, Purpose, PurposeId, Purposes},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let marketing = Purpose::new("marketing", Category::Marketing).expiry(Duration::from_secs(180 * 86_400));
/// let rules = ConsentRules::new(Purposes::builder().purpose(marketing).build()?);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
/// let app: Router = Router::new()
///     .route("/offers", get(|| async { "for you" }).layer(guestbook.require_consent(PurposeId::MARKETING)?))
///     .layer(guestbook.layer());
/// # use tower::ServiceExt;
/// let response = app.oneshot(http::Request::get("/offers").body(axum::body::Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RequireConsent {
    shared: Arc<Shared>,
    passes_preflights: bool,
}

struct Shared {
    purpose: PurposeId,
    enforcement: Arc<ConsentEnforcement>,
}

/// The service that [`RequireConsent`] makes.
#[derive(Clone)]
pub struct RequireConsentService<S> {
    inner: S,
    shared: Arc<Shared>,
    passes_preflights: bool,
}

pin_project! {
    /// The response of a [`RequireConsentService`]: that of the inner service, or a refusal.
    pub struct RequireConsentFuture<F> {
        #[pin]
        gate: Gate<F>,
    }
}

pin_project! {
    #[project = GateProjection]
    enum Gate<F> {
        Open { #[pin] future: F },
        Closed { refusal: Option<Box<Refusal>> },
    }
}

enum Refusal {
    Problem(Problem),
    Required { version: u32, purpose: PurposeId, page: Option<String> },
    Page(HeaderValue),
}

impl RequireConsent {
    pub(crate) fn new(purpose: PurposeId, enforcement: Arc<ConsentEnforcement>) -> Self {
        Self { shared: Arc::new(Shared { purpose, enforcement }), passes_preflights: false }
    }

    /// Lets CORS preflights pass, whoever sends them: for routes behind the gate that answer them themselves. Default: they are
    /// refused, and the CORS layer goes outside.
    ///
    /// **Warning:** a preflight carries no cookies, and so no consent. A handler behind the gate that does not look at the method,
    /// such as one of axum's `any` or a fallback, then gives its answer to everybody who sends `OPTIONS` with two headers.
    pub fn pass_preflights(mut self) -> Self {
        self.passes_preflights = true;
        self
    }
}

impl<S> Layer<S> for RequireConsent {
    type Service = RequireConsentService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireConsentService { inner, shared: self.shared.clone(), passes_preflights: self.passes_preflights }
    }
}

impl<S, B, R> Service<Request<B>> for RequireConsentService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = RequireConsentFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let refusal = match is_preflight(&request) {
            true if self.passes_preflights => None,
            true => Some(self.shared.refused_preflight(&request)),
            false => self.shared.refusal(&request),
        };
        let gate = match refusal {
            None => Gate::Open { future: self.inner.call(request) },
            Some(refusal) => Gate::Closed { refusal: Some(Box::new(refusal)) },
        };
        RequireConsentFuture { gate }
    }
}

impl Shared {
    /// The visit of this guestbook.
    fn context<'a, B>(&self, request: &'a Request<B>) -> Option<&'a RequestContext> {
        RequestContext::find(request.extensions(), |context| context.decides_by(&self.enforcement.consents))
    }

    fn refused_preflight<B>(&self, request: &Request<B>) -> Refusal {
        warn_of_preflight();
        if let Some(context) = self.context(request) {
            context.depends_on_consent();
        }
        Refusal::Problem(Problem::PREFLIGHT)
    }

    /// Why the request must not pass.
    fn refusal<B>(&self, request: &Request<B>) -> Option<Refusal> {
        let Some(context) = self.context(request) else {
            tracing::error!(purpose = self.purpose.as_str(), "a gate has no session layer outside: it stays closed");
            return Some(self.required(request));
        };
        context.depends_on_consent();
        if context.is_blocked() {
            return Some(Refusal::Problem(Problem::BLOCKED_PLACE));
        }
        let verdict = context.verdict(&self.purpose);
        if verdict.is_some_and(|verdict| verdict.is_allowed()) {
            return None;
        }
        if context.is_consent_unknown() {
            return Some(Refusal::Problem(Problem::CONSENT_UNAVAILABLE));
        }
        tracing::debug!(purpose = self.purpose.as_str(), why = ?verdict.map(|verdict| verdict.reason()), "a gate stays closed");
        Some(self.required(request))
    }

    fn required<B>(&self, request: &Request<B>) -> Refusal {
        let page = self.enforcement.page.clone();
        match &page {
            Some(page) if wants_a_page(request.method(), request.headers()) => {
                let join = if page.contains('?') { '&' } else { '?' };
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("purpose", self.purpose.as_str());
                // A nested router has cut the path of the request: the layer outside saw all of it.
                let seen = self.context(request).and_then(RequestContext::target);
                let target = seen.or_else(|| request.uri().path_and_query()).map_or("/", PathAndQuery::as_str);
                query.append_pair("return", local_path(target).unwrap_or("/"));
                let location = HeaderValue::try_from(format!("{page}{join}{}", query.finish()));
                location.map_or(Refusal::Problem(Problem::CONSENT_UNAVAILABLE), Refusal::Page)
            }
            _ => {
                let purpose = self.enforcement.consents.purposes().get(&self.purpose);
                let version = purpose.map_or(0, crate::model::consent::Purpose::version);
                Refusal::Required { version, purpose: self.purpose.clone(), page }
            }
        }
    }
}

impl Refusal {
    fn response<R>(self) -> Response<ResponseBody<R>> {
        let mut response = match self {
            Self::Problem(problem) => problem.response(),
            Self::Required { version, purpose, page } => {
                let members = json!({ "purposes": [purpose], "version": version, "manage_url": page });
                Problem::CONSENT_REQUIRED.response_with_members(members)
            }
            Self::Page(location) => {
                let mut response = Response::new(ResponseBody::ours(bytes::Bytes::new()));
                *response.status_mut() = StatusCode::SEE_OTHER;
                response.headers_mut().insert(header::LOCATION, location);
                response
            }
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        response
    }
}

impl<F, R, E> Future for RequireConsentFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().gate.project() {
            GateProjection::Open { future } => Ok(ready!(future.poll(cx))?.map(ResponseBody::inner)),
            GateProjection::Closed { refusal } => Ok(refusal.take().expect("a refusal is ready once").response()),
        })
    }
}

/// Whether a person follows a link: only they can do something with a page. A browser says so itself; others ask for HTML.
fn wants_a_page(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    match headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => headers
            .get_all(header::ACCEPT)
            .iter()
            .any(|accept| accept.as_bytes().windows(9).any(|part| part.eq_ignore_ascii_case(b"text/html"))),
    }
}

impl fmt::Debug for RequireConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireConsent").field("purpose", &self.shared.purpose).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for RequireConsentService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireConsentService").field("purpose", &self.shared.purpose).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for RequireConsentFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireConsentFuture").finish_non_exhaustive()
    }
}
