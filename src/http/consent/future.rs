//! [`ConsentFuture`]: the response future of the consent layer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{cookie_policy::OptionalCookies, enforcement::ConsentEnforcement};
use crate::request::RequestContext;

pin_project! {
    /// The response future of [`ConsentService`](super::ConsentService).
    pub struct ConsentFuture<F> {
        #[pin]
        future: F,
        watch: Option<Watch>,
    }
}

/// The policy, the context of the request, and the optional cookies that the request carried.
type Watch = (Arc<ConsentEnforcement>, Option<RequestContext>, OptionalCookies);

impl<F> ConsentFuture<F> {
    pub(super) fn new(future: F, watch: Option<Watch>) -> Self {
        Self { future, watch }
    }
}

impl<F, R, E> Future for ConsentFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if let Some((enforcement, context, carried)) = this.watch {
            enforcement.cookies.clean_response(response.headers_mut(), context.as_ref(), carried);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for ConsentFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentFuture").finish_non_exhaustive()
    }
}
