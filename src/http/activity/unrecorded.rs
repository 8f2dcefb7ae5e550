//! [`Unrecorded`]: excludes routes from recording.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Excludes a request from recording: a layer for routes, and an extension for responses.
///
/// In the extensions of a response, or of a request before the activity layer, it makes that layer
/// skip the request. As a layer, it adds itself to the responses of a route. Explicit events are
/// recorded all the same.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_guestbook::http::Unrecorded;
///
/// let app: Router = Router::new().route("/poll", get(async || "nothing new").layer(Unrecorded));
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unrecorded;

/// The service of the layer [`Unrecorded`].
#[derive(Clone, Copy, Debug)]
pub struct UnrecordedService<S> {
    inner: S,
}

impl<S> Layer<S> for Unrecorded {
    type Service = UnrecordedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        UnrecordedService { inner }
    }
}

impl<S, B, R> Service<Request<B>> for UnrecordedService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = UnrecordedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        UnrecordedFuture { future: self.inner.call(request) }
    }
}

pin_project! {
    /// The response future of an [`UnrecordedService`].
    #[derive(Debug)]
    pub struct UnrecordedFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, R, E> Future for UnrecordedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = ready!(self.project().future.poll(cx))?;
        response.extensions_mut().insert(Unrecorded);
        Poll::Ready(Ok(response))
    }
}
