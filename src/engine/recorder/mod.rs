//! [`Recorder`] and [`Worker`]: a bounded queue that accepts events without waiting, and a task
//! that stores them in batches.

mod live;
mod metrics;
mod queue;
mod settings;
mod spool;
mod stats;
mod tracked;
mod worker;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};

use self::{
    live::Subscribers,
    queue::{Message, PermitKind, Queue},
    stats::Counters,
    worker::Phase,
};
pub use self::{
    live::{Live, Subscription},
    settings::{Overload, RecorderSettings},
    stats::{RecorderStats, ShutdownReport},
    tracked::Tracked,
    worker::Worker,
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::activity::{ActivityFilter, Event, EventData, EventType},
    store::{ActivityStore, dyn_store::DynActivityStore},
    time::Clock,
};

/// Queues events for a [`Worker`], which stores them. Clones share one queue.
///
/// A guestbook creates both and runs the worker. [`Recorder::pair`] returns the worker to a caller
/// who runs it.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tower_guestbook::{
///     Clock,
///     activity::{ActivityFilter, Event, EventType, Recorder, RecorderSettings},
///     store::{ActivityStore, MemoryStore},
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let (store, clock) = (Arc::new(MemoryStore::new()), Clock::system());
/// let (recorder, worker) = Recorder::pair(store.clone(), RecorderSettings::new(), clock.clone())?;
/// tokio::spawn(worker.run());
///
/// recorder.record(Event::new(EventType::LOGIN, clock.now()));
/// recorder.flush().await?;
/// assert_eq!(store.count(ActivityFilter::new()).await?, 1);
///
/// let report = recorder.shutdown(std::time::Duration::from_secs(5)).await;
/// assert_eq!(report.lost, 0);
/// # Ok(()) }
/// ```
///
/// # Overload, failures and shutdown
///
/// - **Batches**: the worker stores a batch in one transaction when it is full (1,024 events) or
///   old (50 ms), and when a caller flushes or waits for a durable event.
/// - **The queue is half full**: each user, and each network of clients without a login, is limited
///   to a share of the rest. Events beyond it are dropped and counted; see
///   [`queue`](RecorderSettings::queue).
/// - **The queue is full** (8,192 events): [`record`](Recorder::record) drops the event and counts
///   it. With [`Overload::Wait`], requests wait for a place before their handler runs.
///   [`record_durable`](Recorder::record_durable) waits. Security events (`login`, `logout`, and
///   [your own](crate::activity::EventTypes::security)) have
///   [reserved](RecorderSettings::security_queue) places.
/// - **The store fails or does not answer**: a caller that waits for a durable event gets the
///   error. The other events are retried five times with growing pauses, while the queue fills.
/// - **The store keeps failing**: the batch goes to the [spool](RecorderSettings::spool), a bounded
///   file, and is stored once the store is back. If there is no spool, or it is full, the batch is
///   lost and counted, and an error is logged.
/// - **The store refuses a batch** (`InvalidInput`, `TooLarge`): it is lost and counted, because a
///   retry would not help.
/// - **`kill -9`**: queued events that are not durable are lost, about 50 ms of them. The spool is
///   stored at the next start. No event is stored twice.
/// - **[`shutdown`](Recorder::shutdown)**: queued events are stored or spooled until the deadline,
///   and the report has the number of events that were not.
///
/// At any time `offered` = `written` + `duplicates` + `dropped` + `refused` + `lost` + queued +
/// spooled ([`RecorderStats`]).
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    settings: RecorderSettings,
    clock: Clock,
    phase: watch::Sender<Phase>,
}

/// State shared by the handles and the worker.
struct Shared {
    queue: Queue,
    counters: Counters,
    subscribers: Subscribers,
    /// Asks the worker to store the batch before it is old.
    urgent: Notify,
    /// Reasons that were already logged at level info, one bit each.
    logged: AtomicU32,
}

/// A reserved place in the queue for one event.
pub(crate) struct Permit {
    recorder: Recorder,
    is_used: bool,
}

impl Recorder {
    /// Returns whether `other` is a handle to the same recorder.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Creates a recorder and the worker that stores its events in `store`. Nothing is stored until
    /// the worker runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if a setting is invalid or the spool's directory cannot be
    /// used.
    pub fn pair<S: ActivityStore>(store: Arc<S>, settings: RecorderSettings, clock: Clock) -> Result<(Self, Worker)> {
        Self::pair_dynamic(store, settings, clock)
    }

    pub(crate) fn pair_dynamic(
        store: Arc<dyn DynActivityStore>,
        settings: RecorderSettings,
        clock: Clock,
    ) -> Result<(Self, Worker)> {
        settings.check()?;
        let (phase, phases) = watch::channel(Phase::Running);
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue, settings.security_queue),
            counters: Counters::default(),
            subscribers: Subscribers::new(settings.subscribers),
            urgent: Notify::new(),
            logged: AtomicU32::new(0),
        });
        let worker = Worker::new(store, shared.clone(), &settings, clock.clone(), phase.clone(), phases)?;
        Ok((Self { inner: Arc::new(Inner { shared, settings, clock, phase }) }, worker))
    }

    /// Queues an event without waiting. If the queue is full or the recorder is shut down, the
    /// event is dropped and counted.
    pub fn record(&self, event: Event) -> Tracked {
        self.count_offered();
        let queue = &self.inner.shared.queue;
        if queue.try_take_place() {
            return self.push(event, PermitKind::Usual);
        }
        if self.inner.settings.types.is_security(&event.event_type) && queue.try_take_reserved() {
            return self.push(event, PermitKind::Reserved);
        }
        self.inner.shared.counters.drop_one();
        Tracked::Dropped
    }

    fn push(&self, event: Event, permit: PermitKind) -> Tracked {
        if self.inner.shared.queue.push(Message::Event(event), permit) {
            self.notify_if_full();
            Tracked::Queued
        } else {
            self.inner.shared.counters.drop_one();
            Tracked::Dropped
        }
    }

    /// Stores an event and waits until it is stored.
    ///
    /// When this returns [`Stored`](Tracked::Stored), the event is as durable as the store can make
    /// it. It returns [`Withheld`](Tracked::Withheld) if the store accepts no events of the user,
    /// who is erased or restricted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] if the queue or the store takes longer than the store timeout: the
    /// event may still be stored later. [`ErrorKind::Unavailable`] after a shutdown. Any other
    /// error of the store means that the event is not stored.
    pub async fn record_durable(&self, event: Event) -> Result<Tracked> {
        let (caller, answer) = oneshot::channel();
        self.ask(Message::Durable(event, caller), answer).await
    }

    /// Waits until all events queued so far are stored.
    ///
    /// # Errors
    ///
    /// As for [`record_durable`](Self::record_durable), if some events could not be stored. They
    /// may be in the spool.
    pub async fn flush(&self) -> Result<()> {
        let (caller, answer) = oneshot::channel();
        self.ask(Message::Flush(caller), answer).await
    }

    /// Subscribes to the events that match `filter`, as they are stored. The first may have
    /// happened just before the call.
    ///
    /// The subscription ends when the recorder is shut down. A server that waits for open
    /// connections before it shuts the recorder down must end its streams itself: see
    /// `examples/full_app/live.rs`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the maximum number of subscriptions is reached. The maximum is
    /// for all users together: if users open subscriptions, limit them per user yourself.
    pub fn subscribe(&self, filter: ActivityFilter) -> Result<Subscription> {
        self.inner.shared.subscribers.subscribe(filter, self.inner.settings.subscription_queue)
    }

    /// Returns counts of the events so far.
    pub fn stats(&self) -> RecorderStats {
        self.inner.shared.counters.snapshot(self.queued() as u64)
    }

    /// Accepts no more events and stores the queued ones until `deadline` has passed. Events left
    /// then go to the spool, if there is one; the report counts the rest. Later calls return the
    /// same report.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let until = Instant::now() + deadline;
        self.inner.phase.send_if_modified(|phase| {
            let running = matches!(phase, Phase::Running);
            if running {
                *phase = Phase::Closing(until);
            }
            running
        });
        let mut phases = self.inner.phase.subscribe();
        let closed = phases.wait_for(|phase| matches!(phase, Phase::Closed(_))).await;
        match closed.as_deref() {
            Ok(Phase::Closed(report)) => *report,
            // This handle holds the sender, so the channel is open.
            _ => ShutdownReport::default(),
        }
    }

    /// Creates an event whose type and data are allowed by the registered types.
    pub(crate) fn event(&self, event_type: EventType, data: Option<EventData>) -> Result<Event> {
        self.inner.settings.types.check(&event_type, data.as_ref())?;
        let mut event = Event::new(event_type, self.inner.clock.now());
        event.data = data;
        Ok(event)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn settings(&self) -> &RecorderSettings {
        &self.inner.settings
    }

    /// Reserves a place in the queue, if one is free now.
    pub(crate) fn try_reserve(&self) -> Option<Permit> {
        self.inner.shared.queue.try_take_place().then(|| Permit { recorder: self.clone(), is_used: false })
    }

    /// Reserves a place in the queue, waiting at most `at_most`. With `None` the event will be
    /// dropped.
    pub(crate) async fn reserve(&self, at_most: Duration) -> Option<Permit> {
        let taken = tokio::time::timeout(at_most, self.inner.shared.queue.take_place()).await;
        taken.is_ok_and(|taken| taken).then(|| Permit { recorder: self.clone(), is_used: false })
    }

    async fn ask<T>(&self, message: Message, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        let late = if message.is_event() {
            "the event was not stored in time; it may be stored later"
        } else {
            "the events were not stored in time; they are still queued"
        };
        let exchange = async {
            let shared = &self.inner.shared;
            if !shared.queue.take_place().await {
                return Err(closed());
            }
            let counter = if message.is_event() { &shared.counters.offered } else { &shared.counters.flushes };
            counter.fetch_add(1, Ordering::Relaxed);
            if !shared.queue.push(message, PermitKind::Usual) {
                counter.fetch_sub(1, Ordering::Relaxed);
                return Err(closed());
            }
            self.inner.shared.urgent.notify_one();
            answer.await.map_err(|_| closed())?
        };
        match tokio::time::timeout(self.inner.settings.store_timeout, exchange).await {
            Ok(result) => result,
            Err(elapsed) => Err(Error::new(ErrorKind::Timeout, late).with_source(elapsed)),
        }
    }

    /// Counts an event that was not recorded, because its purpose is not allowed or the user's data
    /// is restricted.
    pub(crate) fn withhold(&self, is_restricted: bool) {
        self.inner.shared.counters.withheld.fetch_add(1, Ordering::Relaxed);
        let (reason, bit) = if is_restricted { ("restricted", LOGGED_RESTRICTED) } else { ("consent", LOGGED_CONSENT) };
        if self.is_first_log(bit) {
            tracing::info!(
                reason,
                "an event is withheld because its purpose is not allowed or the user's data is restricted; \
                 further ones are logged at level debug and counted in RecorderStats::withheld"
            );
        } else {
            tracing::debug!(reason, "an event is withheld");
        }
    }

    /// Logs an event without a route: it belongs to no request that the activity layer saw, or the
    /// router's template is unknown.
    pub(crate) fn log_missing_route(&self, has_request: bool) {
        let (reason, bit) = if has_request { ("template", LOGGED_NO_TEMPLATE) } else { ("request", LOGGED_NO_REQUEST) };
        if self.is_first_log(bit) {
            tracing::info!(
                reason,
                "an event has no route template: put the activity layer on the router with Router::layer, or give requests a \
                 RouteTemplate; further ones are logged at level debug"
            );
        } else {
            tracing::debug!(reason, "an event has no route template");
        }
    }

    /// Returns whether nothing was logged under this bit before, once for each guestbook.
    pub(crate) fn is_first_log(&self, bit: u32) -> bool {
        let logged = &self.inner.shared.logged;
        logged.load(Ordering::Relaxed) & bit == 0 && logged.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    fn count_offered(&self) {
        self.inner.shared.counters.offered.fetch_add(1, Ordering::Relaxed);
    }

    fn notify_if_full(&self) {
        if self.queued() >= self.inner.settings.batch {
            self.inner.shared.urgent.notify_one();
        }
    }

    fn queued(&self) -> usize {
        self.inner.shared.queue.len()
    }
}

impl Permit {
    pub(crate) fn record(mut self, event: Event) -> Tracked {
        self.is_used = true;
        self.recorder.count_offered();
        self.recorder.push(event, PermitKind::Waited)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_used {
            self.recorder.inner.shared.queue.give_back();
        }
    }
}

/// The last handle is gone: nothing will be recorded any more.
impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue.abandon();
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// Bits of reasons that are logged once. The lowest bits belong to skipped requests.
const LOGGED_CONSENT: u32 = 1 << 24;
const LOGGED_RESTRICTED: u32 = 1 << 25;
const LOGGED_NO_TEMPLATE: u32 = 1 << 26;
const LOGGED_NO_REQUEST: u32 = 1 << 27;

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the recorder is shut down")
}
