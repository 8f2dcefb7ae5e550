//! Behaviour through the public API.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod activity;
#[cfg(feature = "sqlite")]
mod analytics;
#[cfg(feature = "sqlite")]
mod app;
mod consent;
mod http;
mod library;
mod preferences;
mod privacy;
mod retention;
mod session;
mod store;
mod support;
