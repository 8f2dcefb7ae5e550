//! [`ConsentLayer`]: removes cookies whose purpose is not allowed.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{ConsentFuture, enforcement::ConsentEnforcement};
use crate::request::RequestContext;

/// A layer that removes cookies whose purpose is not allowed, from requests and from responses.
///
/// Made by [`Guestbook::consent_layer`](crate::Guestbook::consent_layer);
/// [`Guestbook::layer`](crate::Guestbook::layer) includes it. It also removes cookies from the
/// browser when their purpose is no longer allowed.
///
/// It reads the decisions from the [`RequestContext`] of the session layer, which goes outside.
/// Without a session layer no optional cookie passes, and a warning is logged once. It never
/// refuses a request: the page is served without what is optional. Routes that cannot be served
/// without consent go behind [`Guestbook::require_consent`](crate::Guestbook::require_consent).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, body::Body, http::header, response::AppendHeaders, routing::get};
/// use tower::ServiceExt;
/// use tower_guestbook::{
///     Guestbook,
///     consent::{Category, ConsentRules, Notice, Purpose, PurposeId, Purposes},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let marketing = Purpose::new(PurposeId::MARKETING, Category::Marketing)
///     .cookies(["ads_*"])
///     .expiry(Duration::from_secs(180 * 86_400));
/// let rules = ConsentRules::new(Purposes::builder().purpose(marketing).build()?)
///     .notice(Notice::new(PurposeId::MARKETING, 1, "en", "We show you advertisements that fit you.")?);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
///
/// let page = || async { (AppendHeaders([(header::SET_COOKIE, "ads_id=1")]), "the page") };
/// let app: Router = Router::new()
///     .route("/", get(page))
///     .layer(guestbook.consent_layer())
///     .layer(guestbook.session_layer());
///
/// // Nobody has agreed, so the page is served without the cookie.
/// let request = http::Request::get("/").body(Body::empty()).unwrap();
/// let response = app.oneshot(request).await.unwrap();
/// assert!(response.status().is_success());
/// assert!(!response.headers().contains_key(header::SET_COOKIE));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ConsentLayer {
    enforcement: Option<Arc<ConsentEnforcement>>,
}

/// The service of [`ConsentLayer`].
#[derive(Clone)]
pub struct ConsentService<S> {
    inner: S,
    enforcement: Option<Arc<ConsentEnforcement>>,
}

impl ConsentLayer {
    pub(crate) fn new(enforcement: Option<Arc<ConsentEnforcement>>) -> Self {
        Self { enforcement }
    }
}

impl<S> Layer<S> for ConsentLayer {
    type Service = ConsentService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConsentService { inner, enforcement: self.enforcement.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for ConsentService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ConsentFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(enforcement) = &self.enforcement else { return ConsentFuture::new(self.inner.call(request), None) };
        let context =
            RequestContext::find(request.extensions(), |context| context.decides_by(&enforcement.consents)).cloned();
        match &context {
            Some(context) if context.enters_consent_layer() => {
                if enforcement.warned_of_two_layers.take() {
                    tracing::warn!(
                        "the consent layer of a guestbook is applied twice: remove the inner one, which does nothing"
                    );
                }
                return ConsentFuture::new(self.inner.call(request), None);
            }
            None if enforcement.warned_of_no_session.take() => tracing::warn!(
                "the consent layer has no session layer outside, so no optional cookie passes: use \
                 guestbook.layer(), or in axum add .layer(guestbook.session_layer()) after .layer(guestbook.consent_layer())"
            ),
            _ => {}
        }
        let carried = enforcement.cookies.clean_request(request.headers_mut(), context.as_ref());
        ConsentFuture::new(self.inner.call(request), Some((enforcement.clone(), context, carried)))
    }
}

impl fmt::Debug for ConsentLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentLayer").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for ConsentService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentService").finish_non_exhaustive()
    }
}
