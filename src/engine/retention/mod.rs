//! [`Retention`]: what is old is deleted, by itself and in steps that nobody notices.

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

/// The retention of a guestbook. A clone is another handle.
///
/// ```
/// use tower_guestbook::{Guestbook, retention::RetentionRules, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).retention(RetentionRules::new()).build()?;
/// let would = guestbook.retention().dry_run().await?;
/// assert_eq!(would.classes[0].would_delete, Some(0));
///
/// let report = guestbook.retention().run_once().await?;
/// assert_eq!((report.activities_deleted, report.complete), (0, true));
/// # Ok(()) }
/// ```
///
/// # What happens when
///
/// | what | then |
/// |---|---|
/// | an event is older than the [rule](RetentionRules) for its type, or else the rule for all others, allows | the next run deletes it; the guestbook runs every hour, the first time a minute after its start |
/// | the rule says that they are [somebody's](Keep::Anonymise) for so long only | the next run [anonymises](crate::activity::Event::anonymised) it: it still counts, for nobody; once |
/// | much is old | it is deleted in chunks of about 5 ms, with pauses: requests that write wait no longer than for one chunk |
/// | a user is [restricted](crate::privacy::Restriction), or their activities are [held](crate::privacy::LegalHold) | their events stay, whatever the rules say, and are deleted when that is over |
/// | a run would delete more than 30 % of a class of more than 1,000 events | nothing of the class is deleted; an error event and the [report](RetentionReport) say so. [`run_forced`](Retention::run_forced) deletes it, for example after the rules have changed |
/// | several processes share a store | one runs at a time, by a lease; a lease of a process that died ends after a minute |
/// | the store fails | the run goes on with the next class and reports the first error; the next run tries again |
/// | the guestbook shuts down | the chunk under way is finished, the rest is left to the next start |
///
/// Entries of the [audit trail](crate::privacy) are kept for three years; dropping them leaves a checkpoint, and a part of the trail
/// that is not intact is kept as the evidence it is. A run that has deleted events or sessions is recorded there.
///
/// Sessions that are expired are removed in the same run. Space that became free is used again for what comes; what is more
/// than 1,000 pages is given back to the system, in steps as well, and the store is asked to overwrite residue.
///
/// # Metrics
///
/// With feature `metrics`:
///
/// | name | kind | what |
/// |---|---|---|
/// | `guestbook_retention_deleted_total{class}` | counter | `sessions`, `activities` (types without a rule of their own), `activities:login` and so on, `audit` |
/// | `guestbook_retention_anonymised_total{class}` | counter | events that were anonymised |
/// | `guestbook_retention_oldest_seconds{class}` | gauge | the age of the oldest event that is left; more than the rule, and retention is behind |
/// | `guestbook_retention_last_success_seconds` | gauge | when the last run began that did everything, in seconds since 1970 |
/// | `guestbook_retention_refused_total` | counter | classes that were not deleted because it would have been too much |
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

/// The lease of the background task: which process runs by itself.
const SCHEDULE: &str = "retention schedule";

/// The first run must not make a start slower.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

impl Retention {
    pub(crate) fn new(runtime: Runtime, sessions: Sessions, audit: AuditTrail, rules: RetentionRules) -> Self {
        let (stats, stop) = (Mutex::default(), watch::Sender::new(false));
        Self { inner: Arc::new(Inner { runtime, sessions, audit, rules, stats, stop }) }
    }

    /// Deletes what is old. The guestbook does this by itself; it goes on when the caller leaves.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a run is under way, here or in another process;
    /// [`Unavailable`](ErrorKind::Unavailable) after a shutdown; the first error of the store, whatever was deleted nevertheless.
    pub async fn run_once(&self) -> Result<RetentionReport> {
        self.run(Guard::On).await
    }

    /// As [`run_once`](Self::run_once), however much it is.
    ///
    /// # Errors
    ///
    /// As for [`run_once`](Self::run_once).
    pub async fn run_forced(&self) -> Result<RetentionReport> {
        self.run(Guard::Off).await
    }

    /// What [`run_once`](Self::run_once) would delete of each class.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn dry_run(&self) -> Result<RetentionReport> {
        run::dry_run(&self.inner).await
    }

    /// What the runs of this process have done.
    pub fn stats(&self) -> RetentionStats {
        *self.inner.stats()
    }

    /// Runs every now and then until it is stopped.
    pub(crate) async fn run_by_itself(self) {
        // Every process has its turn to be the one that runs.
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
                Err(error) => tracing::warn!(error = %error.chain(), "retention met an error and will try again"),
            }
        }
    }

    /// Stops after the chunk under way, and for good.
    pub(crate) fn stop(&self) {
        self.inner.stop.send_replace(true);
    }

    async fn run(&self, guard: Guard) -> Result<RetentionReport> {
        let inner = self.inner.clone();
        // In a task of its own: a client that leaves must not leave a lease behind, and a shutdown waits for it.
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

/// From 0 to 1.
fn random_part() -> f64 {
    // Without random bytes processes stay together, which the lease bears.
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
