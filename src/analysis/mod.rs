//! The noun: questions about what was recorded, and their exact answers. No I/O here. Who asks a store is
//! [`Analytics`](crate::Analytics).

mod range;
mod zone;

pub use self::{range::Range, zone::{Period, Zone}};
