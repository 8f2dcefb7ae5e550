//! [`RequireConsent`]: a gate for routes that need consent.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, uri::PathAndQuery};
use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

use super::enforcement::ConsentEnforcement;
use crate::{
    http::{
        body::ResponseBody,
        gate::{GateFuture, Refusal, wants_a_page},
        local_path,
        preflight::{is_preflight, warn_of_preflight},
        problem::Problem,
    },
    model::consent::PurposeId,
    request::RequestContext,
};

/// A layer that lets a request pass only if a purpose is allowed. Made by
/// [`Guestbook::require_consent`](crate::Guestbook::require_consent).
///
/// # Examples
///
/// The gate refuses until the visitor has agreed to the notice.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, body::Body, http::{Request, StatusCode, header}, routing::{get, post}};
/// use tower::ServiceExt;
/// use tower_guestbook::{
///     Consent, Guestbook,
///     consent::{Category, Choices, ConsentRules, DecisionMethod, Notice, Purpose, PurposeId, Purposes},
///     store::MemoryStore,
/// };
///
/// async fn prompt(consent: Consent) -> tower_guestbook::Result<String> {
///     Ok(consent.prompt("en").await?.snapshot)
/// }
///
/// async fn agree(consent: Consent, snapshot: String) -> tower_guestbook::Result<()> {
///     let choices = Choices::new(DecisionMethod::Custom).grant(PurposeId::MARKETING).notice(snapshot);
///     consent.decide(choices).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let marketing =
///     Purpose::new(PurposeId::MARKETING, Category::Marketing).expiry(Duration::from_secs(180 * 86_400));
/// let rules = ConsentRules::new(Purposes::builder().purpose(marketing).build()?)
///     .notice(Notice::new(PurposeId::MARKETING, 1, "en", "We show you offers that fit you.")?);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
///
/// let offers = get(|| async { "for you" }).layer(guestbook.require_consent(PurposeId::MARKETING)?);
/// let app: Router = Router::new()
///     .route("/offers", offers)
///     .route("/consent", get(prompt).post(agree))
///     .layer(guestbook.layer());
///
/// let offers = || Request::get("/offers");
/// let refused = app.clone().oneshot(offers().body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(refused.status(), StatusCode::FORBIDDEN);
///
/// let shown = app.clone().oneshot(Request::get("/consent").body(Body::empty()).unwrap()).await.unwrap();
/// let agreed = app.clone().oneshot(Request::post("/consent").body(shown.into_body()).unwrap()).await.unwrap();
/// let cookie = agreed.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
///
/// let request = offers().header(header::COOKIE, cookie).body(Body::empty()).unwrap();
/// assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::OK);
/// # Ok(()) }
/// ```
///
/// # Consent required
///
/// The `type` of the problem (RFC 9457) links to this section. `purposes` names the missing
/// purpose, `version` is the version of its notice, and `manage_url` is the page where the person
/// can agree.
///
/// | case | answer |
/// |---|---|
/// | the purpose is not allowed | 403, `application/problem+json` |
/// | there is no session layer outside | the same, and an error is logged |
/// | the store is unavailable | 503 with `Retry-After` |
/// | the place is [blocked](crate::consent::Jurisdiction::blocked) | 451 |
/// | a CORS preflight | 403 |
///
/// In the first two cases a browser that opens a page with `GET` or `HEAD` is redirected with 303
/// to the [consent page](super::ConsentRules::consent_page), if there is one. The query parameter
/// `return` is the path to return to, and `purpose` the missing purpose.
///
/// All responses of the gate and of the service behind it have `Vary: Sec-GPC, Cookie` and
/// `Cache-Control: private`. Without a session layer, which adds `Vary`, the refusal is the same
/// for all clients and is not cached: `no-store`.
///
/// # CORS
///
/// Browsers send a preflight without cookies before a cross-origin request, so it carries no
/// consent. A gate refuses all preflights and never passes them to the service behind it. Place the
/// CORS layer outside the gate and [`Guestbook::layer`](crate::Guestbook::layer): it answers
/// preflights itself, and adds its headers to the refusals of the gate, so that scripts of the
/// other origin can read them. There is an [example](crate::http#cors).
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

/// The service of [`RequireConsent`].
#[derive(Clone)]
pub struct RequireConsentService<S> {
    inner: S,
    shared: Arc<Shared>,
    passes_preflights: bool,
}

impl RequireConsent {
    pub(crate) fn new(purpose: PurposeId, enforcement: Arc<ConsentEnforcement>) -> Self {
        Self { shared: Arc::new(Shared { purpose, enforcement }), passes_preflights: false }
    }

    /// Lets all CORS preflights pass, for routes behind the gate that answer them. Default:
    /// preflights are refused, and the CORS layer goes outside.
    ///
    /// **Warning:** a preflight carries no cookies, and so no consent. A handler that ignores the
    /// method, such as axum's `any` or a fallback, then answers every client that sends `OPTIONS`
    /// with two headers.
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
    type Future = GateFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let refusal = match is_preflight(&request) {
            true if self.passes_preflights => None,
            true => Some(self.shared.refused_preflight(&request)),
            false => self.shared.refusal(&request),
        };
        match refusal {
            None => GateFuture::open(self.inner.call(request)),
            Some(refusal) => GateFuture::closed(refusal),
        }
    }
}

impl Shared {
    /// Returns the context that this guestbook has made for the request.
    fn context<'a, B>(&self, request: &'a Request<B>) -> Option<&'a RequestContext> {
        RequestContext::find(request.extensions(), |context| context.decides_by(&self.enforcement.consents))
    }

    fn refused_preflight<B>(&self, request: &Request<B>) -> Refusal {
        warn_of_preflight();
        if let Some(context) = self.context(request) {
            context.depends_on_consent();
        }
        Problem::PREFLIGHT.into()
    }

    /// Returns why the request must not pass, if so.
    fn refusal<B>(&self, request: &Request<B>) -> Option<Refusal> {
        let Some(context) = self.context(request) else {
            tracing::error!(
                purpose = self.purpose.as_str(),
                "require_consent() has no session layer outside: it refuses all requests"
            );
            return Some(self.required(request));
        };
        context.depends_on_consent();
        if context.is_blocked() {
            return Some(Problem::BLOCKED_PLACE.into());
        }
        let verdict = context.verdict(&self.purpose);
        if verdict.is_some_and(|verdict| verdict.is_allowed()) {
            return None;
        }
        if context.is_consent_unknown() {
            return Some(Problem::CONSENT_UNAVAILABLE.into());
        }
        tracing::debug!(purpose = self.purpose.as_str(), reason = ?verdict.map(|verdict| verdict.reason()), "consent required");
        Some(self.required(request))
    }

    fn required<B>(&self, request: &Request<B>) -> Refusal {
        let page = self.enforcement.page.clone();
        match &page {
            Some(page) if wants_a_page(request.method(), request.headers()) => {
                let join = if page.contains('?') { '&' } else { '?' };
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("purpose", self.purpose.as_str());
                // Nested routers shorten the path of the request; the session layer saw all of it.
                let seen = self.context(request).and_then(RequestContext::target);
                let target = seen.or_else(|| request.uri().path_and_query()).map_or("/", PathAndQuery::as_str);
                query.append_pair("return", local_path(target).unwrap_or("/"));
                let location = HeaderValue::try_from(format!("{page}{join}{}", query.finish()));
                location.map_or_else(|_| Problem::CONSENT_UNAVAILABLE.into(), Refusal::page)
            }
            _ => {
                let purpose = self.enforcement.consents.purposes().get(&self.purpose);
                let version = purpose.map_or(0, crate::model::consent::Purpose::version);
                let members = json!({ "purposes": [self.purpose], "version": version, "manage_url": page });
                Problem::CONSENT_REQUIRED.response_with_members(|bytes| bytes, members).into()
            }
        }
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
