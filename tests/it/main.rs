//! Behaviour through the public API.

mod conformance;
mod cookies;
mod faults;
mod gates;
mod layering;
mod lifecycle;
mod parallel;
#[cfg(feature = "sqlite")]
mod processes;
mod support;
