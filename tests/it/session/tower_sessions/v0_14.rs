//! With tower-sessions 0.14.

use ::axum_login::tower_sessions as version;

#[path = "records.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for each version")]
mod records;
#[path = "routes.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for each version")]
mod routes;
