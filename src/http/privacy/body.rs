//! [`PrivacyBody`]: a complete answer, or an export that streams.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::paced_export::PacedExport;
use crate::{
    error::Error,
    http::{NoBody, ResponseBody},
};

/// The body of a response of the privacy services. An export that fails, or whose client reads too
/// slowly, ends with an error, so that nobody takes it for complete.
#[derive(Debug)]
pub struct PrivacyBody {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Complete(ResponseBody<NoBody>),
    Export(PacedExport),
}

impl PrivacyBody {
    pub(in crate::http) fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Complete(ResponseBody::ours(bytes)) }
    }

    pub(super) fn export(export: PacedExport) -> Self {
        Self { kind: Kind::Export(export) }
    }
}

impl Body for PrivacyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.kind {
            Kind::Complete(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Export(export) => export.poll_next(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Complete(body) => body.is_end_stream(),
            Kind::Export(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Complete(body) => body.size_hint(),
            Kind::Export(_) => SizeHint::default(),
        }
    }
}
