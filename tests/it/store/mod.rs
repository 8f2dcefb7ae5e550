//! The stores and their files.

mod conformance;
mod faults;
#[cfg(feature = "sqlite")]
mod files;
#[cfg(feature = "sqlite")]
mod older_files;
#[cfg(feature = "sqlite")]
mod processes;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
