//! [`PrivacyFuture`].

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;

use super::PrivacyBody;
use crate::store::dyn_store::BoxFuture;

/// The response future of the privacy services.
pub struct PrivacyFuture {
    answer: BoxFuture<'static, Response<PrivacyBody>>,
}

impl PrivacyFuture {
    pub(in crate::http) fn of(answer: impl Future<Output = Response<PrivacyBody>> + Send + 'static) -> Self {
        Self { answer: Box::pin(answer) }
    }

    pub(in crate::http) fn ready(response: Response<PrivacyBody>) -> Self {
        Self::of(std::future::ready(response))
    }
}

impl Future for PrivacyFuture {
    type Output = Result<Response<PrivacyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for PrivacyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyFuture").finish_non_exhaustive()
    }
}
