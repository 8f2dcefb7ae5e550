//! The session layer: from a token in the request to a [`Session`](crate::Session) for the handler
//! and back to a cookie.

mod future;
mod layer;
mod service;
mod shared;

pub(crate) use self::shared::{IsPassive, SessionRules};
pub use self::{future::SessionFuture, layer::SessionLayer, service::SessionService, shared::OnStoreError};
