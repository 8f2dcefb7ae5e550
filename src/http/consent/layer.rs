//! [`ConsentLayer`]: keeps out what is not allowed.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{ConsentFuture, rules::ConsentEnforcement};
use crate::request::RequestContext;

/// Keeps cookies out, both ways, whose purpose the guest has not allowed, and has those removed that are not allowed any more.
/// Made by [`Guestbook::consent_layer`](crate::Guestbook::consent_layer); [`Guestbook::layer`](crate::Guestbook::layer) puts
/// it in its place.
///
/// The decisions themselves were put into the [`RequestContext`] by the session layer, which goes outside. Where that is missing nothing
/// optional passes. A request is never refused here: what is optional is left out, and the page is served. What cannot be
/// served without consent goes behind [`Guestbook::require_consent`](crate::Guestbook::require_consent).
#[derive(Clone)]
pub struct ConsentLayer {
    enforcement: Option<Arc<ConsentEnforcement>>,
}

/// The service that [`ConsentLayer`] makes.
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
                if enforcement.twice.take() {
                    tracing::warn!(
                        "the consent layer of a guestbook is applied twice: the inner one does nothing, remove it"
                    );
                }
                return ConsentFuture::new(self.inner.call(request), None);
            }
            None if enforcement.no_session.take() => tracing::warn!(
                "the consent layer has no session layer outside, so nothing optional is allowed to anybody: use \
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
