//! [`PrivacyBody`]: an answer in one piece, or an export in many.

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

/// The body of an answer about privacy rights. An export that fails half-way, or whose reader is too slow, ends with an error, so
/// that nobody takes it for complete.
#[derive(Debug)]
pub struct PrivacyBody {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Whole(ResponseBody<NoBody>),
    Export(PacedExport),
}

impl PrivacyBody {
    pub(in crate::http) fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole(ResponseBody::ours(bytes)) }
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
            Kind::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Export(export) => export.poll_next(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Export(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(body) => body.size_hint(),
            Kind::Export(_) => SizeHint::default(),
        }
    }
}
