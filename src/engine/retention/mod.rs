//! [`Retention`]: old data is deleted in the background, in small steps.

mod audit_entries;
mod metrics;
mod pace;
mod report;
mod rules;
mod run;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use self::run::Guard;
pub use self::{
    report::{ClassReport, RetentionReport, RetentionStats},
    rules::{Keep, RetentionRules},
};
use crate::{
    engine::{audit::AuditTrail, runtime::Runtime, sessions::Sessions},
    error::{Error, ErrorKind, Result},
    id,
};

/// The automatic deletion of old data. [`Guestbook::retention`](crate::Guestbook::retention)
/// returns it; a clone is another handle.
///
/// ```
/// use tower_guestbook::{Guestbook, retention::RetentionRules, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).retention(RetentionRules::new()).build()?;
/// let preview = guestbook.retention().dry_run().await?;
/// assert_eq!(preview.classes[0].would_delete, Some(0));
///
/// let report = guestbook.retention().run_once().await?;
/// assert_eq!((report.activities_deleted, report.complete), (0, true));
/// # Ok(()) }
/// ```
///
/// # What a run does
///
/// The guestbook runs retention every hour, the first time a minute after its start. A run
///
/// 1. deletes expired sessions,
/// 2. deletes or [anonymises](crate::activity::Event::anonymised) events that are older than the
///    [rule](RetentionRules) for their type, or the rule for all other types, allows,
/// 3. deletes old entries of the [audit trail](crate::privacy::AuditTrail), three years by default,
///    and leaves a checkpoint,
/// 4. returns free space of the store to the system, except for 1,000 pages, and overwrites deleted
///    data.
///
/// It works in chunks of about 5 ms, with pauses, so that a request waits for one chunk at most.
/// The audit trail records a run that deleted events or sessions.
///
/// # What happens when
///
/// - **A user is [restricted](crate::privacy::Restriction), or their activities are
///   [held](crate::privacy::LegalHold)**: their events stay, and are deleted when that ends.
/// - **A run would delete more than 30 % of a class of more than 1,000 events**: nothing of the
///   class is deleted; an error event and the [report](RetentionReport) say so.
///   [`run_forced`](Retention::run_forced) deletes it, for example after the rules have changed.
/// - **A part of the audit trail was changed**: it is not deleted, because it is evidence.
/// - **Several processes share a store**: one runs at a time, by a lease. The lease of a process
///   that died ends after a minute.
/// - **The store fails**: the run continues with the next class and returns the first error. The
///   next run tries again.
/// - **The guestbook shuts down**: the current chunk is finished; the next run does the rest.
///
/// # Metrics
///
/// With feature `metrics`:
///
/// | name | kind | value |
/// |---|---|---|
/// | `guestbook_retention_deleted_total{class}` | counter | deleted rows |
/// | `guestbook_retention_anonymised_total{class}` | counter | anonymised events |
/// | `guestbook_retention_oldest_seconds{class}` | gauge | age of the oldest event that is left |
/// | `guestbook_retention_last_success_seconds` | gauge | begin of the last complete run, since 1970 |
/// | `guestbook_retention_refused_total` | counter | classes that would have lost too much |
///
/// A class is `sessions`, `activities` (types without a rule of their own), `activities:login` and
/// so on, or `audit`. Retention is behind when the oldest event is older than the rule allows.
#[derive(Clone)]
pub struct Retention {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    sessions: Sessions,
    audit: AuditTrail,
    rules: RetentionRules,
    stats: Mutex<RetentionStats>,
    stop: watch::Sender<bool>,
}

/// The lease of the background task: the process that runs retention.
const SCHEDULE: &str = "retention schedule";

/// The first run must not slow the start down.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

impl Retention {
    pub(crate) fn new(runtime: Runtime, sessions: Sessions, audit: AuditTrail, rules: RetentionRules) -> Self {
        let (stats, stop) = (Mutex::default(), watch::Sender::new(false));
        Self { inner: Arc::new(Inner { runtime, sessions, audit, rules, stats, stop }) }
    }

    /// Deletes what is old. The guestbook calls this in the background. The run continues when the
    /// caller is dropped.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a run is under way, here or in another process.
    /// [`Unavailable`](ErrorKind::Unavailable) after a shutdown. The first error of the store,
    /// whatever was deleted.
    pub async fn run_once(&self) -> Result<RetentionReport> {
        self.run(Guard::On).await
    }

    /// Deletes what is old, however much it is; otherwise as [`run_once`](Self::run_once).
    ///
    /// # Errors
    ///
    /// As for [`run_once`](Self::run_once).
    pub async fn run_forced(&self) -> Result<RetentionReport> {
        self.run(Guard::Off).await
    }

    /// Returns what [`run_once`](Self::run_once) would delete of each class.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn dry_run(&self) -> Result<RetentionReport> {
        run::dry_run(&self.inner).await
    }

    /// Returns the totals of the runs of this process.
    pub fn stats(&self) -> RetentionStats {
        *self.inner.stats()
    }

    /// Runs at intervals until it is stopped.
    pub(crate) async fn run_in_background(self) {
        // The lease decides which process runs.
        let Ok(holder) = id::uuid_of(self.inner.runtime.clock.now()) else { return };
        let mut stop = self.inner.stop.subscribe();
        let mut pause = FIRST_PAUSE;
        while self.inner.rules.is_on && tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_err() {
            pause = self.inner.rules.interval.mul_f64(1.1 + 0.1 * random_part());
            let now = self.inner.runtime.clock.now();
            let lease =
                self.inner.runtime.store.acquire_lease(SCHEDULE, holder, now, now.after(self.inner.rules.interval));
            let result = match self.inner.runtime.tasks.within(lease).await {
                Ok(true) => self.run_once().await.map(drop),
                Ok(false) => {
                    self.inner.stats().elsewhere += 1;
                    continue;
                }
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => self.inner.stats().elsewhere += 1,
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "a retention run failed; the next run tries again")
                }
            }
        }
    }

    /// Stops after the current chunk, for good.
    pub(crate) fn stop(&self) {
        self.inner.stop.send_replace(true);
    }

    async fn run(&self, guard: Guard) -> Result<RetentionReport> {
        let inner = self.inner.clone();
        // In a task of its own: a dropped caller must not leave a lease behind, and a shutdown waits for it.
        let running = self.inner.runtime.tasks.spawn(async move {
            let result = run::run(&inner, guard).await;
            if result.as_ref().is_err_and(|error| error.kind() != ErrorKind::Conflict) {
                inner.stats().failed += 1;
            }
            result
        });
        running.await.map_err(|panic| Error::new(ErrorKind::Internal, "retention panicked").with_source(panic))?
    }
}

impl Inner {
    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    fn account(&self, report: &RetentionReport, is_success: bool) {
        let mut stats = self.stats();
        stats.activities_deleted += report.activities_deleted;
        stats.activities_anonymised += report.activities_anonymised;
        stats.sessions_deleted += report.sessions_deleted;
        stats.pages_freed += report.pages_freed;
        stats.refused += report.classes.iter().filter(|class| class.refused).count() as u64;
        if is_success && report.complete {
            stats.runs += 1;
            stats.last_success = Some(report.applied_at);
        }
    }

    fn stats(&self) -> MutexGuard<'_, RetentionStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retention").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}

/// A random number from 0 to 1.
fn random_part() -> f64 {
    // Without random bytes processes run at the same time, which the lease handles.
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
