//! What users may do about their own data over HTTP, as one service below one prefix.
//!
//! ```text
//! request -> CrossOriginGuard    nobody else's page changes anything
//!         -> Place               path -> what it names; method -> may it be used there
//!         -> Visit               who is logged in
//!         -> Throttle            has this user asked too often; then: is the login recent enough, where that matters
//!         -> Members             body -> JSON, bounded in size and time, no name twice
//!         -> requests, restricting, objecting, correcting, consent, audit: one call of Rights each
//!         -> Answer              JSON that nobody keeps, or a problem
//! ```

mod answer;
mod asking;
mod audit;
mod consent;
mod correcting;
mod endpoint;
mod limit;
mod objecting;
mod paging;
mod problems;
mod reading;
mod requests;
mod restricting;
#[cfg(feature = "axum")]
mod router;
mod rules;
mod service;
mod strict;
mod throttle;

pub use self::{rules::PrivacyRules, service::PrivacyService};
