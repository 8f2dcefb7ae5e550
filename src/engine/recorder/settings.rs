//! [`RecorderSettings`]: how much is queued, how it is stored, what happens when that fails.

use std::{path::PathBuf, time::Duration};

use crate::{
    error::{Error, ErrorKind, Result},
    files::FileMode,
    model::activity::{EventLimits, EventTypes},
};

/// What a [`Recorder`](super::Recorder) is told. Everything has a default.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::activity::{Overload, RecorderSettings};
///
/// let settings = RecorderSettings::new()
///     .overload(Overload::Wait(Duration::from_millis(200)))
///     .spool("/var/lib/app/spool", 64 * 1024 * 1024);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RecorderSettings {
    pub(super) queue: usize,
    pub(super) security_queue: usize,
    pub(super) batch: usize,
    pub(super) batch_age: Duration,
    pub(super) overload: Overload,
    pub(super) attempts: u32,
    pub(super) first_pause: Duration,
    pub(super) store_timeout: Duration,
    pub(super) spool: Option<(PathBuf, u64)>,
    pub(super) mode: FileMode,
    pub(super) limits: EventLimits,
    pub(super) types: EventTypes,
    pub(super) subscribers: usize,
    pub(super) subscription_queue: usize,
}

/// What happens to a request when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overload {
    /// Its event is dropped and counted; the request notices nothing.
    #[default]
    DropNewest,
    /// The request waits for a place in the queue before its handler runs, at most so long; then
    /// its event is dropped and counted. Places are given in the order of asking, whatever share of
    /// the queue a user has. Explicit events of [`track`](crate::Tracker::track) never wait.
    Wait(Duration),
}

impl RecorderSettings {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            queue: 8_192,
            security_queue: 1_024,
            batch: 1_024,
            batch_age: Duration::from_millis(50),
            overload: Overload::default(),
            attempts: 5,
            first_pause: Duration::from_millis(100),
            store_timeout: Duration::from_secs(5),
            spool: None,
            mode: FileMode::default(),
            limits: EventLimits::default(),
            types: EventTypes::new(),
            subscribers: 1_024,
            subscription_queue: 256,
        }
    }

    /// How many events may wait. Default: 8,192. With the largest allowed data that is 64 MiB.
    ///
    /// Once half of the places are taken, each user, or for strangers each network, gets at most a
    /// sixteenth of the queue until the worker has fetched what waits: nobody's flood takes the
    /// places of all others. Strangers whose network is unknown count as one. Events without a
    /// request and without a user, which are the application's own, are not limited.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events;
        self
    }

    /// How many [security events](crate::activity::EventTypes::security) may wait beside the queue
    /// when it is full. Default: 1,024; each user or network gets a sixteenth of them.
    pub fn security_queue(mut self, events: usize) -> Self {
        self.security_queue = events;
        self
    }

    /// How many events make a batch, and how long the first of them waits for others. Default:
    /// 1,024 and 50 ms, which is also how many milliseconds of events a crash can lose.
    pub fn batch(mut self, events: usize, age: Duration) -> Self {
        self.batch = events;
        self.batch_age = age;
        self
    }

    /// What happens when the queue is full. Default: drop and count.
    pub fn overload(mut self, overload: Overload) -> Self {
        self.overload = overload;
        self
    }

    /// How often a batch is tried before it is spooled or lost, and the pause after the first
    /// failure, which doubles each time. Default: 5 attempts, 100 ms.
    pub fn retry(mut self, attempts: u32, first_pause: Duration) -> Self {
        self.attempts = attempts;
        self.first_pause = first_pause;
        self
    }

    /// How long the store may take for a batch, and how long a durable event may take in all.
    /// Default: 5 seconds.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Keeps what the store does not take in a file of this directory, up to so many bytes, until
    /// the store takes it. The directory is made if it is not there; several processes may share
    /// it. Default: none.
    ///
    /// The file holds events as JSON lines: the same personal data as the store. On Unix only its
    /// owner can read it, unless [`file_mode`](Self::file_mode) says otherwise.
    ///
    /// A file of the spool that cannot be read three times in a row is put aside: its events count
    /// as lost, an error event names it, and the next start tries it again.
    pub fn spool(mut self, directory: impl Into<PathBuf>, max_bytes: u64) -> Self {
        self.spool = Some((directory.into(), max_bytes));
        self
    }

    /// Who may read and write the files of the spool that are made, as permission bits of Unix,
    /// whatever the mask of the process: 0o640, say, for a group. A directory that is made lets in
    /// whoever can read. What is there keeps its mode; if others can read it, a warning says so.
    /// Default: 0o600.
    pub fn file_mode(mut self, mode: u32) -> Self {
        self.mode = FileMode::new(mode);
        self
    }

    /// How much data one event may carry. Default: 8 KiB in 16 levels.
    pub fn event_limits(mut self, limits: EventLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Which types of events there are. Default: all names are allowed, no data is checked.
    pub fn event_types(mut self, types: EventTypes) -> Self {
        self.types = types;
        self
    }

    /// How many subscriptions there may be, and how many events wait for a slow one. Default: 1,024
    /// and 256.
    pub fn subscriptions(mut self, subscriptions: usize, events: usize) -> Self {
        self.subscribers = subscriptions;
        self.subscription_queue = events;
        self
    }

    /// What happens to a request when the queue is full.
    pub(crate) fn overload_policy(&self) -> Overload {
        self.overload
    }

    pub(crate) fn types(&self) -> &EventTypes {
        &self.types
    }

    pub(crate) fn limits(&self) -> &EventLimits {
        &self.limits
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |problem| Err(Error::new(ErrorKind::Configuration, problem));
        if self.queue == 0 || self.batch == 0 || self.attempts == 0 || self.subscription_queue == 0 {
            return wrong("the recorder's queue, batch, attempts and subscription queue must be at least 1");
        }
        if self.batch > self.queue {
            return wrong("the recorder's batch must fit into its queue");
        }
        self.mode.check()?;
        if self.store_timeout.is_zero() {
            return wrong("the recorder's store timeout must be longer than zero");
        }
        Ok(())
    }
}

impl Default for RecorderSettings {
    fn default() -> Self {
        Self::new()
    }
}
