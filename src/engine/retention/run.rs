//! A run of retention: under a lease, class by class, chunk by chunk.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{
    ClassReport, Inner, RetentionReport, metrics,
    pace::{PAUSE, Pace},
    rules::{Class, Fate, Old},
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::activity::{ActivityFilter, HistoryQuery, Order},
    time::Timestamp,
};

/// Whether the largest fraction of a class is enforced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    On,
    Off,
}

/// A run.
pub(super) struct Run<'a> {
    pub(super) inner: &'a Inner,
    pub(super) now: Timestamp,
    holder: Uuid,
    /// When the lease is renewed.
    renew_at: Timestamp,
    pace: Pace,
    pub(super) report: RetentionReport,
    /// Whether the run was stopped or has lost its lease.
    is_over: bool,
}

/// The lease of runs.
const LEASE: &str = "retention";

/// After this time other processes may take over from a run that died.
const LEASE_TIME: Duration = Duration::from_secs(60);
const RENEW_AFTER: Duration = Duration::from_secs(20);

/// Classes up to this size have no largest fraction.
pub(super) const FEW: u64 = 1_000;

/// Free pages that are kept for the next events.
const FREE_PAGES: u64 = 1_000;

/// Deletes what is old.
pub(super) async fn run(inner: &Inner, guard: Guard) -> Result<RetentionReport> {
    let begin = Instant::now();
    let now = inner.runtime.clock.now();
    let holder = crate::id::uuid_of(now)?;
    if inner.is_stopped() {
        return Err(Error::new(ErrorKind::Unavailable, "the guestbook is shut down"));
    }
    let lease = inner.runtime.store.acquire_lease(LEASE, holder, now, now.after(LEASE_TIME));
    if !inner.runtime.tasks.within(lease).await? {
        return Err(Error::new(ErrorKind::Conflict, "retention is being applied already, here or by another process"));
    }
    let report = RetentionReport::begin(&inner.rules, now, false);
    let renew_at = now.after(RENEW_AFTER);
    let mut run = Run { inner, now, holder, renew_at, pace: Pace::new(), report, is_over: false };
    let result = run.go(guard).await;
    run.release().await;
    let mut report = run.report;
    report.duration = begin.elapsed();
    inner.account(&report, result.is_ok());
    metrics::report(&report, result.is_ok() && report.complete);
    result.map(|()| report)
}

/// Reports what [`run`] would delete.
pub(super) async fn dry_run(inner: &Inner) -> Result<RetentionReport> {
    let begin = Instant::now();
    let now = inner.runtime.clock.now();
    let mut report = RetentionReport::begin(&inner.rules, now, true);
    for class in inner.rules.classes() {
        let mut entry = ClassReport::begin(&class);
        entry.would_delete = Some(0);
        for old in class.old(now) {
            let count = inner.count(old.filter.clone()).await?;
            entry.would(old.fate, count);
            entry.refused |= inner.is_too_much(&old, count, now).await?;
        }
        entry.oldest_left = inner.oldest(&class, now).await?;
        report.classes.push(entry);
    }
    inner.would_delete_audit_entries(&mut report.audit, now).await?;
    report.duration = begin.elapsed();
    Ok(report)
}

impl Run<'_> {
    /// Tries each step, whatever fails. Returns the first error.
    async fn go(&mut self, guard: Guard) -> Result<()> {
        let mut failed = None;
        match self.inner.sessions.delete_expired().await {
            Ok(removed) => self.report.sessions_deleted = removed,
            Err(error) => failed = Some(error),
        }
        for class in self.inner.rules.classes() {
            if self.is_over {
                break;
            }
            let mut entry = ClassReport::begin(&class);
            let applied = self.apply(&class, guard, &mut entry).await;
            self.report.classes.push(entry);
            failed = failed.or(applied.err());
        }
        failed = failed.or(self.delete_audit_entries(guard).await.err());
        failed = failed.or(self.reclaim_space().await.err());
        self.report.complete = !self.is_over;
        failed = failed.or(self.note().await.err());
        let changed = self.report.activities_deleted + self.report.activities_anonymised;
        if changed > 0 || self.report.pages_freed > 0 {
            // The log has the deleted data, and the file shrinks when the log is in it. A reader may block that.
            let _ = self.inner.runtime.tasks.within(self.inner.runtime.store.scrub()).await;
        }
        failed.map_or(Ok(()), Err)
    }

    async fn apply(&mut self, class: &Class, guard: Guard, entry: &mut ClassReport) -> Result<()> {
        for old in class.old(self.now) {
            if guard == Guard::On {
                let count = self.inner.count(old.filter.clone()).await?;
                if self.inner.is_too_much(&old, count, self.now).await? {
                    entry.refused = true;
                    entry.would(old.fate, count);
                    tracing::error!(
                        class = class.name,
                        count,
                        max_fraction = self.inner.rules.max_fraction,
                        "retention would delete or anonymise too much of a class and does nothing; check the clock and the rule, then use run_forced()"
                    );
                }
            }
            if !entry.refused {
                self.deal_with(&old, entry).await?;
            }
        }
        entry.oldest_left = self.inner.oldest(class, self.now).await?;
        Ok(())
    }

    async fn deal_with(&mut self, old: &Old, entry: &mut ClassReport) -> Result<()> {
        while self.may_go_on().await? {
            let (limit, begin) = (self.pace.limit(), Instant::now());
            let (store, filter) = (&self.inner.runtime.store, old.filter.clone());
            let (step, in_all, in_class) = match old.fate {
                Fate::Deleted => {
                    (store.delete_activities(filter, limit), &mut self.report.activities_deleted, &mut entry.deleted)
                }
                Fate::Anonymised => {
                    (store.anonymise(filter, limit), &mut self.report.activities_anonymised, &mut entry.anonymised)
                }
            };
            let count = self.inner.runtime.tasks.within(step).await?;
            *in_all += count as u64;
            *in_class += count as u64;
            self.pace.since(begin);
            self.report.chunks += 1;
            if count < limit {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn reclaim_space(&mut self) -> Result<()> {
        let give_back = |limit| self.inner.runtime.tasks.within(self.inner.runtime.store.reclaim_space(limit));
        let mut left = give_back(0).await?.left;
        let mut pace = Pace::new();
        while left > FREE_PAGES && self.may_go_on().await? {
            let limit = pace.limit().min(usize::try_from(left - FREE_PAGES).unwrap_or(usize::MAX));
            let begin = Instant::now();
            let space = self.inner.runtime.tasks.within(self.inner.runtime.store.reclaim_space(limit)).await?;
            if limit == pace.limit() {
                pace.since(begin);
            }
            self.report.pages_freed += space.freed;
            if space.freed == 0 {
                break;
            }
            left = space.left;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Renews the lease. `false` if the guestbook shuts down.
    pub(super) async fn may_go_on(&mut self) -> Result<bool> {
        let now = self.inner.runtime.clock.now();
        if !self.is_over && now >= self.renew_at {
            let lease = self.inner.runtime.store.acquire_lease(LEASE, self.holder, now, now.after(LEASE_TIME));
            self.is_over = !self.inner.runtime.tasks.within(lease).await?;
            self.renew_at = now.after(RENEW_AFTER);
            if self.is_over {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "another process has taken over, because this run was blocked too long",
                ));
            }
        }
        self.is_over |= self.inner.is_stopped();
        Ok(!self.is_over)
    }

    async fn release(&self) {
        let now = self.inner.runtime.clock.now();
        let released =
            self.inner.runtime.tasks.within(self.inner.runtime.store.acquire_lease(LEASE, self.holder, now, now)).await;
        if let Err(error) = released {
            tracing::debug!(error = %error.chain(), "the lease of retention could not be released; it expires");
        }
    }
}

impl Inner {
    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.runtime.tasks.within(self.runtime.store.count(filter)).await
    }

    /// The time of the oldest event that is left, except restricted, held and anonymised ones.
    async fn oldest(&self, class: &Class, now: Timestamp) -> Result<Option<Timestamp>> {
        let query = HistoryQuery::new(class.personal().except_restricted(now)).order(Order::OldestFirst).limit(1);
        let page = self.runtime.tasks.within(self.runtime.store.history(query)).await?;
        Ok(page.activities.first().map(|activity| activity.event.time))
    }

    /// Whether `count` old events are a larger fraction of the class than the rules allow.
    ///
    /// Kept events are counted only as far as needed: from the end of the old ones on, in growing
    /// steps.
    async fn is_too_much(&self, old: &Old, count: u64, now: Timestamp) -> Result<bool> {
        let is_harmless = |kept: u64| count as f64 <= self.rules.max_fraction * (count + kept) as f64;
        let (mut kept, mut from, mut step) = (0, old.since, Duration::from_secs(60 * 60));
        while !is_harmless(kept) {
            let until = Some(from.after(step)).filter(|until| *until < now);
            let next = old.all.clone().from(from);
            kept += self
                .count(match until {
                    Some(until) => next.until(until),
                    None => next,
                })
                .await?;
            let Some(until) = until else { break };
            (from, step) = (until, step * 4);
        }
        Ok(!is_harmless(kept) && count + kept > FEW)
    }
}
