//! The services outside a request. Each combines a store, its rules, the clock and background
//! tasks.

pub(crate) mod activities;
pub(crate) mod analytics;
pub(crate) mod audit;
pub(crate) mod consents;
pub(crate) mod erasure_journal;
pub(crate) mod pending;
pub(crate) mod preferences;
pub(crate) mod profiles;
pub(crate) mod rate;
pub(crate) mod recorder;
pub(crate) mod retention;
pub(crate) mod rights;
pub(crate) mod runtime;
pub(crate) mod sessions;
pub(crate) mod tasks;
#[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0-14"))]
pub(crate) mod tower_sessions;
pub(crate) mod users;
