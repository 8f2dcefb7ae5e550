//! [`SessionFuture`]: load, respond, commit.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    error::{Error, ErrorKind, Result},
    http::{
        ResponseBody,
        caching::is_public,
        problem::{Problem, retry_after},
    },
    request::RequestContext,
    store::dyn_store::BoxFuture,
};

pin_project! {
    /// The response of a [`SessionService`](super::SessionService).
    ///
    /// Dropped before it is ready, because the client left, say, it saves what the handler changed
    /// in the background.
    pub struct SessionFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B, R> {
        Load { loading: Box<Loading<S, B>> },
        Respond { #[pin] future: F, context: RequestContext },
        Pass { #[pin] future: F },
        Commit { commit: BoxFuture<'static, Result<()>>, response: Box<Option<Response<R>>>, context: RequestContext },
    }
}

/// What only a request needs that waits for the store: boxed, so that the others do not carry it
/// around.
struct Loading<S, B> {
    load: BoxFuture<'static, Result<RequestContext>>,
    request: Option<Request<B>>,
    service: S,
}

impl<S, B, R> SessionFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    pub(super) fn respond(future: S::Future, context: RequestContext) -> Self {
        Self { state: State::Respond { future, context } }
    }

    /// For a layer that has nothing to do.
    pub(super) fn pass(future: S::Future) -> Self {
        Self { state: State::Pass { future } }
    }

    pub(super) fn load(load: BoxFuture<'static, Result<RequestContext>>, request: Request<B>, service: S) -> Self {
        Self { state: State::Load { loading: Box::new(Loading { load, request: Some(request), service }) } }
    }
}

impl<S, B, R> Future for SessionFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Load { loading } => {
                    let Ok(context) = ready!(loading.load.as_mut().poll(cx)) else {
                        return Poll::Ready(Ok(Problem::STORE_UNAVAILABLE.response()));
                    };
                    let mut request = loading.request.take().expect("a request is loaded once");
                    request.extensions_mut().insert(context.clone());
                    State::Respond { future: loading.service.call(request), context }
                }
                StateProjection::Respond { future, context } => {
                    let response = ready!(future.poll(cx))?;
                    if !context.needs_finish() {
                        return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                    }
                    let (renewal, is_changed) = context.take_renewal(|| is_public(response.headers()));
                    if renewal.is_none() && !is_changed {
                        return Poll::Ready(Ok(finish(response.map(ResponseBody::inner), context)));
                    }
                    let (context, saver) = (context.clone(), context.clone());
                    let commit = Box::pin(async move {
                        saver.commit().await?;
                        if let Some(token) = renewal {
                            saver.renew(token).await;
                        }
                        Ok(())
                    });
                    State::Commit { commit, response: Box::new(Some(response)), context }
                }
                StateProjection::Pass { future } => {
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                StateProjection::Commit { commit, response, context } => {
                    let response = match ready!(commit.as_mut().poll(cx)) {
                        Ok(()) => response.take().expect("a commit is ready once").map(ResponseBody::inner),
                        Err(error) => refusal(&error),
                    };
                    return Poll::Ready(Ok(finish(response, context)));
                }
            };
            this.state.set(next);
        }
    }
}

/// The answer if the changes were not saved.
fn refusal<R>(error: &Error) -> Response<ResponseBody<R>> {
    match error.kind() {
        ErrorKind::Ended => return Problem::SESSION_ENDED.response(),
        ErrorKind::RateLimited => return too_many(error),
        _ => tracing::error!(%error, "session changes could not be saved"),
    }
    match error.kind() {
        ErrorKind::TooLarge => Problem::SESSION_TOO_LARGE.response(),
        _ => Problem::STORE_UNAVAILABLE.response(),
    }
}

fn too_many<R>(error: &Error) -> Response<ResponseBody<R>> {
    let mut response = Problem::TOO_MANY_SESSIONS.response();
    retry_after(response.headers_mut(), error);
    response
}

fn finish<R>(mut response: Response<R>, context: &RequestContext) -> Response<R> {
    context.finish(response.headers_mut());
    response
}

impl<S, B, R> fmt::Debug for SessionFuture<S, B, R>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").finish_non_exhaustive()
    }
}
