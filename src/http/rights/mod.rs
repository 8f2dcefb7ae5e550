//! Privacy rights over HTTP: plain Tower services, for a route of any router.

mod body;
mod format;
mod paced;
mod service;

pub(super) use self::service::own_visit;

pub use self::{
    body::RightsBody,
    service::{ErasureService, ExportService, RightsFuture},
};
