//! Plain data and rules: no input or output, no HTTP, no SQL. Time comes in as an argument.

pub(crate) mod activity;
pub(crate) mod analytics;
pub(crate) mod client;
pub(crate) mod consent;
pub(crate) mod preferences;
pub(crate) mod privacy;
pub(crate) mod session;
