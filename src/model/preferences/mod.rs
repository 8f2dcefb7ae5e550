//! Plain data for preferences: a schema with defaults, overrides of them, and what a browser asks
//! for. No I/O.

mod entity_tags;
mod likely_subtags;
mod negotiate;
mod overrides;
mod patch;
mod schema;
mod standard;

pub use self::{
    entity_tags::EntityTags,
    negotiate::{ColorScheme, lookup_language},
    overrides::Overrides,
    patch::Patch,
    schema::{Effective, Schema},
    standard::{Notifications, Privacy, StandardPreferences, Theme, Viewer},
};
pub(crate) use self::{
    likely_subtags::LikelyTags,
    negotiate::{lookup_language_index, reduced_motion, save_data},
};
