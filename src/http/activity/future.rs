//! [`ActivityFuture`]: waits for a place in the queue if configured, responds, and passes the recording to the body.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{ActivityBody, recording::Recording};
use crate::{engine::recorder::Permit, model::activity::Outcome, store::dyn_store::BoxFuture};

pin_project! {
    /// The response future of an [`ActivityService`](super::ActivityService).
    ///
    /// If it is dropped before it is ready, the request is recorded as abandoned by the client.
    pub struct ActivityFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
        response: std::marker::PhantomData<fn() -> R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B> {
        Wait { waiting: Box<Waiting<S, B>> },
        Respond { #[pin] future: F, recording: Option<Box<Recording>> },
    }
}

/// The state of a waiting request, boxed to keep the other states small.
struct Waiting<S, B> {
    place: BoxFuture<'static, Option<Permit>>,
    recording: Option<Box<Recording>>,
    request: Option<Request<B>>,
    service: S,
}

impl<S, B, R> ActivityFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    pub(super) fn respond(future: S::Future, recording: Option<Box<Recording>>) -> Self {
        Self { state: State::Respond { future, recording }, response: std::marker::PhantomData }
    }

    pub(super) fn wait(
        place: BoxFuture<'static, Option<Permit>>,
        recording: Box<Recording>,
        request: Request<B>,
        service: S,
    ) -> Self {
        let waiting = Waiting { place, recording: Some(recording), request: Some(request), service };
        Self { state: State::Wait { waiting: Box::new(waiting) }, response: std::marker::PhantomData }
    }
}

impl<S, B, R> Future for ActivityFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Output = Result<Response<ActivityBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Wait { waiting } => {
                    let place = ready!(waiting.place.as_mut().poll(cx));
                    let request = waiting.request.take().expect("a request waits once");
                    let mut recording = waiting.recording.take();
                    if let Some(recording) = &mut recording {
                        recording.place = place;
                    }
                    let future = waiting.service.call(request);
                    this.state.set(State::Respond { future, recording });
                }
                StateProjection::Respond { future, recording } => {
                    let Some(mut running) = recording.take() else {
                        return future.poll(cx).map_ok(|response| response.map(ActivityBody::unrecorded));
                    };
                    return match future.poll(cx) {
                        Poll::Pending => {
                            *recording = Some(running);
                            Poll::Pending
                        }
                        Poll::Ready(Ok(response)) => {
                            let recording = running.answered(&response).then_some(running);
                            Poll::Ready(Ok(response.map(|body| ActivityBody::new(body, recording))))
                        }
                        Poll::Ready(Err(error)) => {
                            running.end(Outcome::ServiceFailed);
                            Poll::Ready(Err(error))
                        }
                    };
                }
            }
        }
    }
}

impl<S, B, R> fmt::Debug for ActivityFuture<S, B, R>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityFuture").finish_non_exhaustive()
    }
}
