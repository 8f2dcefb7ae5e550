//! [`CrossOriginGuardLayer`]: no other site changes anything in the name of a user.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Method, Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_http::csrf::{self, Csrf, CsrfLayer, ProtectionError, ResponseForProtectionError};
use tower_layer::Layer;
use tower_service::Service;

use super::{body::ResponseBody, problem::Problem};
use crate::error::{Error, ErrorKind, Result};

/// Refuses requests that would change something and come from another origin, with 403 and
/// `application/problem+json`.
///
/// `GET`, `HEAD` and `OPTIONS` pass. Of the others, `Sec-Fetch-Site` decides, then `Origin` against
/// the `Host`; a request with neither comes from no browser and passes. The decision is
/// `tower-http`'s (`csrf`); this layer adds the answer and keeps that crate's version out of yours.
///
/// A proxy that rewrites `Host` makes same-origin requests of old browsers look foreign: list your
/// [origin](Self::allow_origin) then.
///
/// ```
/// use axum::{Router, body::Body, routing::post};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_guestbook::http::CrossOriginGuardLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guard = CrossOriginGuardLayer::new().allow_origin("https://app.example")?;
/// let app = Router::new().route("/", post(|| async {})).layer(guard);
/// let from = |origin| Request::post("/").header("origin", origin).body(Body::empty()).unwrap();
///
/// assert_eq!(app.clone().oneshot(from("https://evil.example")).await.unwrap().status(), StatusCode::FORBIDDEN);
/// assert_eq!(app.oneshot(from("https://app.example")).await.unwrap().status(), StatusCode::OK);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossOriginGuardLayer {
    layer: CsrfLayer,
}

/// The service that [`CrossOriginGuardLayer`] makes.
#[derive(Clone)]
pub struct CrossOriginGuard<S> {
    service: Csrf<Inner<S>, Refuse>,
}

impl CrossOriginGuardLayer {
    /// A guard that lets no foreign origin pass.
    pub fn new() -> Self {
        Self { layer: CsrfLayer::new() }
    }

    /// Lets `origin` pass: `https://app.example`, with a port if it is not the scheme's own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if that is no origin.
    pub fn allow_origin(self, origin: &str) -> Result<Self> {
        let layer = self.layer.add_trusted_origin(origin).map_err(|error| {
            Error::new(ErrorKind::Configuration, "an origin is scheme://host or scheme://host:port").with_source(error)
        })?;
        Ok(Self { layer })
    }

    /// Lets the requests pass that `predicate` names, from any origin: for webhooks, which prove
    /// themselves otherwise. A second predicate replaces the first.
    #[must_use]
    pub fn insecure_bypass(self, predicate: impl Fn(&Method, &Uri) -> bool + Send + Sync + 'static) -> Self {
        Self { layer: self.layer.with_insecure_bypass(predicate) }
    }
}

impl<S> Layer<S> for CrossOriginGuardLayer {
    type Service = CrossOriginGuard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CrossOriginGuard { service: self.layer.clone().with_rejection_response(Refuse).layer(Inner(inner)) }
    }
}

impl<S, B, R> Service<Request<B>> for CrossOriginGuard<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = CrossOriginGuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CrossOriginGuardFuture { future: self.service.call(request) }
    }
}

impl<S: fmt::Debug> fmt::Debug for CrossOriginGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossOriginGuard").finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a [`CrossOriginGuard`]: that of the inner service, or a refusal.
    pub struct CrossOriginGuardFuture<F>
    where
        InnerFuture<F>: Future,
    {
        #[pin]
        future: csrf::ResponseFuture<InnerFuture<F>>,
    }
}

impl<F, R, E> Future for CrossOriginGuardFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx)
    }
}

impl<F> fmt::Debug for CrossOriginGuardFuture<F>
where
    InnerFuture<F>: Future,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossOriginGuardFuture").finish_non_exhaustive()
    }
}

/// The inner service, with a body that a refusal can have as well.
#[derive(Clone, Debug)]
struct Inner<S>(S);

pin_project! {
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct InnerFuture<F> {
        #[pin]
        future: F,
    }
}

impl<S, B, R> Service<Request<B>> for Inner<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = InnerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        InnerFuture { future: self.0.call(request) }
    }
}

impl<F, R, E> Future for InnerFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(ready!(self.project().future.poll(cx))?.map(ResponseBody::inner)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Refuse;

impl<R> ResponseForProtectionError<ResponseBody<R>> for Refuse {
    fn response_for_protection_error(&mut self, error: ProtectionError) -> Response<ResponseBody<R>> {
        tracing::info!(%error, "a cross-origin request was refused");
        Problem::CROSS_ORIGIN.response()
    }
}
