//! [`RightsBody`]: an answer in one piece, or an export in many.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};

use super::service::Turn;
use crate::{
    error::Error,
    http::{NoBody, ResponseBody},
    rights::Export,
};

/// The body of an answer about privacy rights. An export that fails half-way ends with an error, so that nobody takes it for
/// complete.
#[derive(Debug)]
pub struct RightsBody {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Whole(ResponseBody<NoBody>),
    Export {
        export: Box<Export>,
        /// The user's turn lasts as long as the export.
        _turn: Turn,
    },
}

impl RightsBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole(ResponseBody::ours(bytes)) }
    }

    pub(super) fn export(export: Export, turn: Turn) -> Self {
        Self { kind: Kind::Export { export: Box::new(export), _turn: turn } }
    }
}

impl Body for RightsBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.kind {
            Kind::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Kind::Export { export, .. } => Pin::new(&mut **export).poll_next(context).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Export { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(body) => body.size_hint(),
            Kind::Export { .. } => SizeHint::default(),
        }
    }
}
