//! Behaviour through the public API.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod activity;
#[cfg(feature = "sqlite")]
mod activity_files;
#[cfg(feature = "sqlite")]
mod analytics;
mod anonymous_sessions;
#[cfg(feature = "sqlite")]
mod audit;
#[cfg(feature = "sqlite")]
mod behaviour;
#[cfg(feature = "sqlite")]
mod browser;
mod conformance;
mod connections;
mod consent;
#[cfg(feature = "sqlite")]
mod consent_store;
mod cookies;
mod credentials;
mod ended_sessions;
#[cfg(feature = "sqlite")]
mod erasure;
mod errors;
mod faults;
mod faulty_store;
#[cfg(feature = "sqlite")]
mod files;
#[cfg(feature = "sqlite")]
mod full_app;
mod gates;
mod late_answers;
mod layering;
mod layers;
mod lifecycle;
mod log;
mod metrics;
mod offload;
#[cfg(feature = "sqlite")]
mod older_files;
mod one_time_values;
mod origins;
mod parallel;
#[cfg(feature = "sqlite")]
mod places;
mod preferences;
mod privacy_http;
#[cfg(feature = "sqlite")]
mod processes;
mod realms;
mod recorder;
mod retention;
#[cfg(feature = "sqlite")]
mod rights;
mod rights_export;
mod route_names;
#[cfg(feature = "sqlite")]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;
mod untold;
mod zones;
