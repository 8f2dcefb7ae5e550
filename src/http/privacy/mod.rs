//! The privacy rights of users over HTTP, as one service below one prefix or as two services of their own.
//!
//! ```text
//! request -> CrossOriginGuard    no other site's page changes anything
//!         -> Endpoint            what the path names, and whether the method is allowed there
//!         -> RequestContext      who is logged in
//!         -> Throttle            whether the user is within the limits, and logged in recently enough
//!         -> Members             the body: JSON, bounded in size and time, no duplicate name
//!         -> handlers            one call of Rights, of the audit trail or of consent
//!         -> Answer              JSON that is not cached, or a problem
//! ```

mod answer;
mod body;
mod endpoint;
mod erasure_service;
mod export_format;
mod export_service;
mod export_slots;
mod future;
mod handlers;
mod limiter;
mod members;
mod paced_export;
mod page;
mod problems;
#[cfg(feature = "axum")]
mod router;
mod rules;
mod service;
mod shared;
mod strict_json;
mod throttle;
mod user_request;

pub use self::{
    body::PrivacyBody, erasure_service::ErasureService, export_service::ExportService, future::PrivacyFuture,
    rules::PrivacyRules, service::PrivacyService,
};
