//! Retention: what is older than the [rules](RetentionRules) allow is deleted in the background.

pub use crate::engine::retention::*;
