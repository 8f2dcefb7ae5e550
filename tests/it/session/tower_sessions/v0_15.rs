//! With tower-sessions 0.15.

use ::tower_sessions as version;

#[path = "records.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for each version")]
mod records;
#[path = "routes.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for each version")]
mod routes;
