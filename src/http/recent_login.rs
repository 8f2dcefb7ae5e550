//! [`RequireRecentLogin`]: a gate for what must not be done from a forgotten session (OWASP ASVS 7.5.1, 7.5.3).

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::ResponseBody,
    first_time::FirstTime,
    preflight::{is_preflight, warn_of_preflight},
    problem::Problem,
};
use crate::request::RequestContext;

/// Lets a request pass only if its user logged in at most so long ago; others get 401 with
/// `application/problem+json`.
///
/// It goes inside the session layer. A request that did not come through one is refused: the gate
/// fails closed.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::post};
/// use tower_guestbook::{Guestbook, http::RequireRecentLogin, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route("/password", post(|| async { "changed" }))
///     .layer(RequireRecentLogin::new(Duration::from_secs(300)))
///     .layer(guestbook.layer());
/// # let _ = app; Ok(()) }
/// ```
///
/// A CORS preflight carries no cookies, and gets 403, whatever else the gate would do. Put the CORS
/// layer outside of the gate and of [`Guestbook::layer`](crate::Guestbook::layer): there is an
/// [example](crate::http#cors).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RequireRecentLogin {
    max_age: Duration,
    passes_preflights: bool,
}

/// The service that [`RequireRecentLogin`] makes.
#[derive(Clone, Debug)]
pub struct RequireRecentLoginService<S> {
    inner: S,
    gate: RequireRecentLogin,
}

pin_project! {
    /// The response of a [`RequireRecentLoginService`]: that of the inner service, or a refusal.
    pub struct RequireRecentLoginFuture<F> {
        #[pin]
        gate: Gate<F>,
    }
}

pin_project! {
    #[project = GateProjection]
    enum Gate<F> {
        Open { #[pin] future: F },
        Closed { problem: Problem },
    }
}

impl RequireRecentLogin {
    /// The gate for logins of at most `max_age` ago.
    pub const fn new(max_age: Duration) -> Self {
        Self { max_age, passes_preflights: false }
    }

    /// Lets all CORS preflights pass: for routes behind the gate that answer them
    /// themselves. Default: they are refused, and the CORS layer goes outside.
    ///
    /// **Warning:** a preflight carries no cookies, and so no login. A handler behind the gate that
    /// does not look at the method, such as one of axum's `any` or a fallback, is then open to
    /// everybody who sends `OPTIONS` with two headers.
    pub const fn pass_preflights(mut self) -> Self {
        self.passes_preflights = true;
        self
    }
}

impl<S> Layer<S> for RequireRecentLogin {
    type Service = RequireRecentLoginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireRecentLoginService { inner, gate: *self }
    }
}

impl<S, B, R> Service<Request<B>> for RequireRecentLoginService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = RequireRecentLoginFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if is_preflight(&request) {
            let gate = match self.gate.passes_preflights {
                true => Gate::Open { future: self.inner.call(request) },
                false => {
                    warn_of_preflight();
                    Gate::Closed { problem: Problem::PREFLIGHT }
                }
            };
            return RequireRecentLoginFuture { gate };
        }
        let session = request.extensions().get::<RequestContext>().map(RequestContext::session);
        if session.is_none() && NO_SESSION.take() {
            tracing::error!(
                "a gate for recent logins has no session layer outside, and stays closed: use guestbook.layer()"
            );
        }
        let gate = match session {
            Some(session) if session.authenticated_within(self.gate.max_age) => {
                Gate::Open { future: self.inner.call(request) }
            }
            Some(session) if session.user_id().is_some() => Gate::Closed { problem: Problem::RECENT_LOGIN_REQUIRED },
            _ => Gate::Closed { problem: Problem::LOGIN_REQUIRED },
        };
        RequireRecentLoginFuture { gate }
    }
}

impl<F, R, E> Future for RequireRecentLoginFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().gate.project() {
            GateProjection::Open { future } => Ok(ready!(future.poll(cx))?.map(ResponseBody::inner)),
            GateProjection::Closed { problem } => Ok(problem.response()),
        })
    }
}

impl<F> fmt::Debug for RequireRecentLoginFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireRecentLoginFuture").finish_non_exhaustive()
    }
}

static NO_SESSION: FirstTime = FirstTime::new();
