//! Rules for the library as a whole.

mod circles;
mod citations;
mod errors;
pub(crate) mod layering;
pub(crate) mod metrics;
