//! [`PartStream`]: a stream of bytes whose parts are made on demand.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use crate::{error::Result, store::dyn_store::BoxFuture};

/// A source of parts.
pub(super) trait PartSource: Send + 'static {
    /// Makes the next part, which may be empty; `None` after the last.
    fn part(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

/// The stream of the parts that are not empty. It ends after an error.
pub(super) struct PartStream<M> {
    state: State<M>,
}

enum State<M> {
    Idle(Box<M>),
    Busy(BoxFuture<'static, (Box<M>, Result<Option<Bytes>>)>),
    Done,
}

impl<M: PartSource> PartStream<M> {
    pub(super) fn of(maker: M) -> Self {
        Self { state: State::Idle(Box::new(maker)) }
    }

    pub(super) async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<M: PartSource> Stream for PartStream<M> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let state = std::mem::replace(&mut self.state, State::Done);
        let mut busy = match state {
            State::Done => return Poll::Ready(None),
            State::Idle(mut maker) => Box::pin(async move {
                let part = maker.part().await;
                (maker, part)
            }),
            State::Busy(busy) => busy,
        };
        let polled = busy.as_mut().poll(context);
        if polled.is_pending() {
            self.state = State::Busy(busy);
        }
        let (maker, part) = ready!(polled);
        match part {
            Ok(Some(part)) => {
                self.state = State::Idle(maker);
                if part.is_empty() {
                    // An empty part was work too: other tasks get their turn before the next one.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(part)))
            }
            Ok(None) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}
