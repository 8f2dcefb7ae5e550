//! The public modules: one for each subject, wherever its parts live.

pub mod activity;
pub mod analytics;
pub mod client;
pub mod consent;
pub mod preferences;
pub mod prelude;
pub mod privacy;
pub mod retention;
pub mod session;
#[cfg(feature = "testing")]
pub mod testing;
