//! Analytics: [`Analytics`] answers, and the queries and reports are plain data.
//!
//! The docs of each question are its definition: tests compare the answers with what the words say,
//! event by event.
//!
//! - [`visits()`]: what a visit is. [`Journey`]: what one user did.
//! - [`Funnel`]: how many come how far. [`CohortQuery`]: who comes back. [`Experiment`]: which
//!   variant does better.
//! - [`PatternQuery`], [`TransitionQuery`], [`PathQuery`]: what people do one after the other.
//! - [`FeatureQuery`], [`AdoptionQuery`]: what is used, by how many, and since when.

pub use crate::{
    engine::analytics::{Analytics, AnalyticsRules},
    model::analytics::*,
};
