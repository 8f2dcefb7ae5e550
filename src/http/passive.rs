//! [`Passive`]: requests that do not count as use of the session.

use std::task::{Context, Poll};

use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

/// In the extensions of a request before the session layer: the request does not count as use of
/// the session, which so reaches its idle timeout although a page polls in the background.
///
/// It is also a layer that puts itself there, around [`Guestbook::layer`](crate::Guestbook::layer).
/// Where a header or the path says which requests are passive, use
/// [`GuestbookBuilder::passive_requests`](crate::GuestbookBuilder::passive_requests).
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_guestbook::{Guestbook, http::Passive, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let polled: Router =
///     Router::new().route("/news", get(async || "nothing new")).layer(guestbook.layer()).layer(Passive);
/// let app: Router = Router::new().route("/", get(async || "hello")).layer(guestbook.layer()).merge(polled);
/// # let _ = app; Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passive;

/// The service that the layer [`Passive`] makes.
#[derive(Clone, Copy, Debug)]
pub struct PassiveService<S> {
    inner: S,
}

impl Passive {
    pub(super) fn is_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }
}

impl<S> Layer<S> for Passive {
    type Service = PassiveService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PassiveService { inner }
    }
}

impl<S, B> Service<Request<B>> for PassiveService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(Passive);
        self.inner.call(request)
    }
}
