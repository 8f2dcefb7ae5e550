//! Activity: [`Tracker`] in a handler, [`Activities`] outside a request, and the recorder between
//! them and the store.
//!
//! An [`Event`] is what happened; an [`Entry`] is an event on its way to a store, with an id by
//! which the store knows it again; an [`Activity`] is a stored event with the number that the store
//! gave it.
//!
//! ```
//! use tower_guestbook::activity::{EventData, EventLimits, EventType};
//!
//! let kind = EventType::new("video_watched")?;
//! let data = EventData::new(&serde_json::json!({ "seconds": 12 }), &EventLimits::default())?;
//! assert_eq!((kind.as_str(), data.as_json()), ("video_watched", r#"{"seconds":12}"#));
//! assert!(EventType::new("Video Watched!").is_err());
//! # Ok::<(), tower_guestbook::Error>(())
//! ```
//!
//! # What is recorded, and what never is
//!
//! Recorded: type, time, user, public session id, the route's template (of other paths only
//! declared words), method, status, latency, bytes, the outcome, the referring *host*, `utm_*`,
//! families of browser and system, the network (/24 or /48). Never: query strings (but for keys on
//! an allow-list), bodies, `Cookie`, `Authorization`, `Set-Cookie`, full addresses, full user
//! agents.

#[doc(no_inline)]
pub use crate::Tracker;
pub use crate::{
    engine::{activities::*, recorder::*},
    http::activity::ActivityRules,
    model::activity::*,
    request::ClientTracker,
};
