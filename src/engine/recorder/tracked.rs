//! [`Tracked`]: the result of recording an event.

use serde::Serialize;

/// The result of recording an event.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Clock,
///     activity::{Event, EventType, Recorder, RecorderSettings, Tracked},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let clock = Clock::system();
/// let settings = RecorderSettings::new().queue(1).batch(1, std::time::Duration::ZERO);
/// let (recorder, _worker) = Recorder::pair(std::sync::Arc::new(MemoryStore::new()), settings, clock.clone())?;
/// let event = Event::new(EventType::PURCHASE, clock.now());
/// assert_eq!(recorder.record(event.clone()), Tracked::Queued);
/// assert_eq!(recorder.record(event), Tracked::Dropped, "the queue has one place");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tracked {
    /// The event waits to be stored.
    Queued,
    /// The event is in the store.
    Stored,
    /// The event is not recorded, or only as a count without a person: its purpose is not allowed,
    /// or the user's data is restricted or erased.
    Withheld,
    /// The event is lost: the queue is full, the user or network has used its share of the queue,
    /// or the recorder is shut down.
    Dropped,
}
