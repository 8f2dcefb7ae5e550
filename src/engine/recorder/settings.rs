//! [`RecorderSettings`]: queue, batches, retries and spool.

use std::{path::PathBuf, time::Duration};

use crate::{
    error::{Error, ErrorKind, Result},
    files::FileMode,
    model::activity::{EventLimits, EventTypes},
};

/// Settings of a [`Recorder`](super::Recorder). Every setting has a default.
///
/// # Examples
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
    /// The event is dropped and counted. The request is not affected. The default.
    #[default]
    DropNewest,
    /// The request waits for a place in the queue before its handler runs, at most this long. After
    /// that its event is dropped and counted. Places are given in order of arrival, regardless of a
    /// user's share. Events of [`track`](crate::Tracker::track) never wait.
    Wait(Duration),
}

impl RecorderSettings {
    /// Creates the default settings.
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

    /// Limits the number of queued events. Default: 8,192, which with the largest allowed data is
    /// 64 MiB.
    ///
    /// When half of the places are used, each user, and for clients without a login each network,
    /// gets at most a sixteenth of the queue until the worker has fetched it. So one client cannot
    /// fill the queue for all others. Clients with an unknown network share one limit. Events
    /// without a request and a user, which are the application's own, are not limited.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events;
        self
    }

    /// Sets the number of reserved places for [security
    /// events](crate::activity::EventTypes::security), used when the queue is full. Default: 1,024.
    /// Each user or network gets at most a sixteenth of them.
    pub fn security_queue(mut self, events: usize) -> Self {
        self.security_queue = events;
        self
    }

    /// Sets the maximum number of events in a batch, and how long the first event waits for others.
    /// Default: 1,024 events and 50 ms. A crash can lose the events of this time.
    pub fn batch(mut self, events: usize, age: Duration) -> Self {
        self.batch = events;
        self.batch_age = age;
        self
    }

    /// Sets what happens when the queue is full. Default: [`Overload::DropNewest`].
    pub fn overload(mut self, overload: Overload) -> Self {
        self.overload = overload;
        self
    }

    /// Sets how often a batch is tried before it is spooled or lost, and the pause after the first
    /// failure, which doubles each time. Default: 5 attempts, 100 ms.
    pub fn retry(mut self, attempts: u32, first_pause: Duration) -> Self {
        self.attempts = attempts;
        self.first_pause = first_pause;
        self
    }

    /// Limits how long the store may take for a batch, and how long a durable event may take in
    /// total. Default: 5 seconds.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Sets a directory and a maximum size for the spool: a file with the events that the store did
    /// not accept, until it accepts them. The directory is created if it does not exist. Several
    /// processes may share it. Default: no spool.
    ///
    /// The file has events as JSON lines: the same personal data as the store. On Unix only its
    /// owner can read it, unless [`file_mode`](Self::file_mode) says otherwise.
    ///
    /// A spool file that cannot be read three times in a row is set aside: its events count as
    /// lost, an error is logged with its name, and the next start tries it again.
    pub fn spool(mut self, directory: impl Into<PathBuf>, max_bytes: u64) -> Self {
        self.spool = Some((directory.into(), max_bytes));
        self
    }

    /// Sets the mode of new spool files, as Unix permission bits. The umask of the process does not
    /// apply. Default: 0o600; use 0o640, for example, to let a group read them.
    ///
    /// A new directory can be entered by everybody who can read the files. Existing files and
    /// directories keep their mode; if others can read them, a warning is logged.
    pub fn file_mode(mut self, mode: u32) -> Self {
        self.mode = FileMode::new(mode);
        self
    }

    /// Limits the data of one event. Default: 8 KiB in 16 levels.
    pub fn event_limits(mut self, limits: EventLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the registered event types. Default: all names are allowed and no data is checked.
    pub fn event_types(mut self, types: EventTypes) -> Self {
        self.types = types;
        self
    }

    /// Limits the number of subscriptions, and the number of events that wait for a slow one.
    /// Default: 1,024 and 256.
    pub fn subscriptions(mut self, subscriptions: usize, events: usize) -> Self {
        self.subscribers = subscriptions;
        self.subscription_queue = events;
        self
    }

    /// Returns what happens to a request when the queue is full.
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
