//! Behaviour through the public API.

#[cfg(feature = "sqlite")]
mod browser;
mod conformance;
mod cookies;
mod faults;
#[cfg(feature = "sqlite")]
mod full_app;
mod gates;
mod layering;
mod lifecycle;
mod parallel;
#[cfg(feature = "sqlite")]
mod processes;
#[cfg(feature = "sqlite")]
mod server;
mod support;
