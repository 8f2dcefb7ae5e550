//! Activity: recording, and the way to the store.

mod connections;
mod cookieless;
#[cfg(feature = "sqlite")]
mod files;
#[cfg(feature = "sqlite")]
mod history_index;
mod not_recorded;
mod offload;
mod origins;
pub(crate) mod recorder;
pub(crate) mod requests;
mod route_names;
