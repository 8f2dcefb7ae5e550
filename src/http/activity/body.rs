//! [`ActivityBody`]: the inner body, observed to its end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::recording::Recording;
use crate::model::activity::Outcome;

pin_project! {
    /// The response body of the activity layer: the inner body, frame by frame and unbuffered.
    #[derive(Debug)]
    pub struct ActivityBody<R> {
        #[pin]
        inner: R,
        recording: Option<Box<Recording>>,
    }
}

impl<R: Body> ActivityBody<R> {
    pub(super) fn new(inner: R, recording: Option<Box<Recording>>) -> Self {
        Self { inner, recording }
    }

    pub(super) fn unrecorded(inner: R) -> Self {
        Self { inner, recording: None }
    }
}

impl<R: Body> Body for ActivityBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let mut inner = this.inner;
        let Some(mut recording) = this.recording.take() else { return inner.poll_frame(cx) };
        let polled = inner.as_mut().poll_frame(cx);
        match &polled {
            Poll::Pending => *this.recording = Some(recording),
            Poll::Ready(None) => recording.end(Outcome::Completed),
            Poll::Ready(Some(Err(_))) => recording.end(Outcome::BodyFailed),
            Poll::Ready(Some(Ok(frame))) => {
                recording.passed(frame.data_ref().map_or(0, Buf::remaining));
                if inner.is_end_stream() {
                    // A server does not poll such a body again.
                    recording.end(Outcome::Completed);
                } else {
                    *this.recording = Some(recording);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
