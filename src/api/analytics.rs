//! Queries over recorded activity: what happened, how users move, and which variant works better.
//!
//! [`Analytics`] runs the queries. The queries and their reports are plain data. The docs of each
//! query type are its exact definition; the test suite compares each answer with a second
//! implementation of that definition, event by event.
//!
//! | question | method | query and answer |
//! |---|---|---|
//! | What happened in a range? | [`Analytics::overview`] | [`Overview`] |
//! | How do figures change over time? | [`Analytics::activity_series`] | [`ActivitySeries`] |
//! | How many users are active? | [`Analytics::active_users_series`] | [`ActiveUsers`] |
//! | What did one user do? | [`Analytics::journey`] | [`Journey`] |
//! | Where do users drop out? | [`Analytics::funnel`] | [`Funnel`] |
//! | Who comes back? | [`Analytics::cohort_retention`] | [`CohortQuery`] |
//! | Which sequences are common? | [`Analytics::common_patterns`] | [`PatternQuery`] |
//! | Which page follows which? | [`Analytics::transitions`] | [`TransitionQuery`] |
//! | Which paths do visits take? | [`Analytics::paths`] | [`PathQuery`] |
//! | Which features are used? | [`Analytics::feature_usage`] | [`FeatureQuery`] |
//! | How fast is a feature adopted? | [`Analytics::adoption`] | [`AdoptionQuery`] |
//! | Which variant converts better? | [`Analytics::experiment`] | [`Experiment`] |
//!
//! A *visit* is a run of events of one session or person without a gap of more than 30 minutes: see
//! [`visits()`]. An *actor* is the unit that counts once: see [`AnalyticsActor`].
//!
//! ```
//! use tower_guestbook::{
//!     Guestbook, Timestamp, UserId,
//!     activity::{Event, EventType},
//!     analytics::{EventFilter, Range, Zone},
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
//! for user in [1, 1, 2] {
//!     let mut event = Event::new(EventType::PURCHASE, Timestamp::from_millis(0));
//!     event.user = Some(UserId::from(user));
//!     guestbook.recorder().record_durable(event).await?;
//! }
//! let day = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
//! let overview = guestbook.analytics().overview(day, Zone::UTC, EventFilter::new(), 10).await?;
//! assert_eq!((overview.events, overview.active_users), (3, 2));
//! # Ok(()) }
//! ```
//!
//! # When a query fails
//!
//! An answer is exact or an error; it is never truncated without saying so. A query fails with
//! [`InvalidInput`](crate::ErrorKind::InvalidInput) if a parameter is out of bounds,
//! [`TooLarge`](crate::ErrorKind::TooLarge) if it would read or return too much,
//! [`Timeout`](crate::ErrorKind::Timeout) or [`Unavailable`](crate::ErrorKind::Unavailable) if the
//! store is too slow or too many queries run. [`AnalyticsRules`] sets the limits. Queries do not
//! block writers.

pub use crate::{
    engine::analytics::{Analytics, AnalyticsRules},
    model::analytics::*,
};
