//! [`GateFuture`]: the response future of every gate.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{body::ResponseBody, problem::Problem};

pin_project! {
    /// The response future of a gate: the response of the service behind it, or a refusal.
    pub struct GateFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S::Future, S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, S, B> {
        /// The request has passed.
        Open { #[pin] future: F },
        Closed { refusal: Option<Refusal> },
        /// The service waits for the result of the check.
        Checking { check: Check, next: Option<(S, Request<B>)> },
    }
}

/// A check that has to wait for something: a refusal, or `None` to let the request pass.
pub(super) type Check = Pin<Box<dyn Future<Output = Option<Refusal>> + Send>>;

/// The response of a closed gate.
#[derive(Debug)]
pub(super) struct Refusal(Box<Response<Bytes>>);

impl Refusal {
    /// A redirect with 303 to this page.
    pub(super) fn page(location: HeaderValue) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(header::LOCATION, location);
        response.into()
    }
}

/// Refusals depend on who asks, so they are not cached.
impl From<Response<Bytes>> for Refusal {
    fn from(mut response: Response<Bytes>) -> Self {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        Self(Box::new(response))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        problem.response_with(|bytes| bytes).into()
    }
}

impl<S, B> GateFuture<S, B>
where
    S: Service<Request<B>>,
{
    /// The request has passed.
    #[inline]
    pub(super) fn open(future: S::Future) -> Self {
        Self { state: State::Open { future } }
    }

    pub(super) fn closed(refusal: impl Into<Refusal>) -> Self {
        Self { state: State::Closed { refusal: Some(refusal.into()) } }
    }

    /// Calls `service`, which is ready, once the check lets the request pass.
    pub(super) fn checking(check: Check, service: S, request: Request<B>) -> Self {
        Self { state: State::Checking { check, next: Some((service, request)) } }
    }
}

impl<S, B, R> Future for GateFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Open { future } => {
                    return Poll::Ready(Ok(ready!(future.poll(cx))?.map(ResponseBody::inner)));
                }
                StateProjection::Closed { refusal } => {
                    let refusal = refusal.take().expect("a future is not polled after completion");
                    return Poll::Ready(Ok(refusal.0.map(ResponseBody::ours)));
                }
                StateProjection::Checking { check, next } => match ready!(check.as_mut().poll(cx)) {
                    Some(refusal) => State::Closed { refusal: Some(refusal) },
                    None => {
                        let (mut service, request) = next.take().expect("a check ends once");
                        State::Open { future: service.call(request) }
                    }
                },
            };
            this.state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for GateFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}

/// Returns whether a person opens a page. Browsers say so in `Sec-Fetch-Mode`; older ones ask for
/// HTML.
pub(super) fn wants_a_page(method: &Method, headers: &HeaderMap) -> bool {
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
