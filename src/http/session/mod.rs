//! The session layer: from a token in the request to a [`Session`](crate::Session) for the handler and back to a cookie.

mod future;
mod layer;
mod service;

pub(crate) use self::layer::SessionRules;
pub use self::{
    future::SessionFuture,
    layer::{OnStoreError, SessionLayer},
    service::SessionService,
};
