//! Activity: recording of requests and of your own events, and access to what was recorded.
//!
//! The [`ActivityLayer`](crate::http::ActivityLayer) records each request. In a handler,
//! [`Tracker`] records events of your own. The [`Recorder`] queues events without blocking and
//! stores them in batches. Outside a request, [`Activities`] reads, counts and deletes what is
//! stored.
//!
//! An [`Event`] is something that happened. An [`Entry`] is an event on its way to a store, with an
//! id that makes storing it twice harmless. An [`Activity`] is a stored event with its sequence
//! number.
//!
//! ```
//! use tower_guestbook::{
//!     Clock, Guestbook, Timestamp, UserId,
//!     activity::{ActivityFilter, Event, EventData, EventLimits, EventType, HistoryQuery},
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
//! let guestbook = Guestbook::builder(MemoryStore::new()).clock(clock.clone()).build()?;
//!
//! let mut event = Event::new(EventType::new("video_watched")?, clock.now());
//! event.user = Some(UserId::from(7));
//! event.data =
//!     Some(EventData::new(&serde_json::json!({ "seconds": 12 }), &EventLimits::default())?);
//! guestbook.recorder().record(event);
//! guestbook.flush().await?;
//!
//! let of_user = HistoryQuery::new(ActivityFilter::new().user(UserId::from(7)));
//! let page = guestbook.activities().history(of_user).await?;
//! assert_eq!(page.activities[0].event.event_type.as_str(), "video_watched");
//! # Ok(()) }
//! ```
//!
//! # Data minimisation
//!
//! What is recorded of a request:
//!
//! - type, time, user and public session id;
//! - the route template; of a path without a template only declared words;
//! - method, status, latency, number of bytes, and how the exchange ended;
//! - the referring *host* and the `utm_*` parameters;
//! - the families of browser and system, and the network (/24 or /48).
//!
//! Never recorded: query strings (except for keys on an allow-list), bodies, `Cookie`,
//! `Authorization`, `Set-Cookie`, full addresses, full user agents.
//!
//! # When recording fails
//!
//! Recording never fails a request. When the queue is full, events are dropped and counted; when
//! the store fails, they are retried, then spooled to a file if a spool is configured, or lost and
//! counted: see [`Recorder`]. To learn whether an event is stored, use
//! [`record_durable`](Recorder::record_durable), which waits and returns the error.

#[doc(no_inline)]
pub use crate::Tracker;
pub use crate::{
    engine::{activities::*, recorder::*},
    http::activity::ActivityRules,
    model::activity::*,
    request::ClientTracker,
};
