//! Storage limitation (GDPR, Article 5(1)(e)): events, sessions and audit entries that are older
//! than the [rules](RetentionRules) allow are deleted in the background.
//!
//! ```
//! use std::time::Duration;
//! use tower_guestbook::{
//!     Guestbook,
//!     activity::{Event, EventType},
//!     retention::{Keep, RetentionRules},
//!     store::MemoryStore,
//! };
//! # use tower_guestbook::{Clock, Timestamp};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! # let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
//! let rules = RetentionRules::new().keep_activities(Keep::For(Duration::from_secs(30 * 86_400)));
//! let guestbook = Guestbook::builder(MemoryStore::new()).clock(clock.clone()).retention(rules).build()?;
//! guestbook.recorder().record_durable(Event::new(EventType::PAGE_VIEW, clock.now())).await?;
//!
//! clock.advance(Duration::from_secs(31 * 86_400));
//! let report = guestbook.retention().run_once().await?;
//! assert_eq!(report.activities_deleted, 1);
//! # Ok(()) }
//! ```
//!
//! A run that fails reports its first error, and the next run tries again. A run that would delete
//! an unusually large part of the events deletes nothing and says so: see
//! [`RetentionRules::max_fraction`].

pub use crate::engine::retention::*;
