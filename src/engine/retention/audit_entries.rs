//! Old entries of the audit trail, and the entry about the run itself.

use serde_json::json;

use super::{
    ClassReport, Inner,
    run::{FEW, Guard, Run},
};
use crate::{
    error::Result,
    model::privacy::{Actor, AuditAction},
    time::Timestamp,
};

/// Entries checked and deleted in one step: a few milliseconds.
const CHUNK: usize = 500;

impl Run<'_> {
    /// Deletes old entries, from the beginning of the trail on.
    pub(super) async fn delete_audit_entries(&mut self, guard: Guard) -> Result<()> {
        let Some(before) = self.inner.rules.audit.since(self.now) else { return Ok(()) };
        if guard == Guard::On && self.inner.is_too_much_of_the_trail(before).await? {
            self.report.audit.refused = true;
            tracing::error!("retention would delete too much of the audit trail and deletes nothing; check the clock");
        }
        while !self.report.audit.refused && self.may_go_on().await? {
            let dropped = self.inner.audit.delete_before(before, CHUNK).await?;
            self.report.audit.deleted += dropped as u64;
            if dropped < CHUNK {
                break;
            }
        }
        self.report.audit.oldest_left = self.inner.oldest_entry().await?;
        Ok(())
    }

    /// Records the run, if it deleted or anonymised something. Deleted audit entries alone are not
    /// recorded: the checkpoint shows them, and there would be a new entry for each deleted one.
    pub(super) async fn note(&self) -> Result<()> {
        let report = &self.report;
        if report.activities_deleted + report.activities_anonymised + report.sessions_deleted == 0 {
            return Ok(());
        }
        let classes = report.classes.iter().map(|class| (&class.class, class.deleted + class.anonymised));
        let classes = classes.filter(|(_, count)| *count > 0);
        let classes: serde_json::Map<_, _> = classes.map(|(class, count)| (class.clone(), count.into())).collect();
        let detail = json!({
            "activities_deleted": report.activities_deleted,
            "activities_anonymised": report.activities_anonymised,
            "sessions_deleted": report.sessions_deleted,
            "audit_deleted": report.audit.deleted,
            "classes": classes,
        });
        self.inner.audit.record(AuditAction::RetentionApplied, Actor::System, None, detail).await.map(drop)
    }
}

impl Inner {
    /// Reports what [`Run::delete_audit_entries`] would delete.
    pub(super) async fn would_delete_audit_entries(&self, entry: &mut ClassReport, now: Timestamp) -> Result<()> {
        let (mut old, mut after) = (0, 0);
        if let Some(before) = self.rules.audit.since(now) {
            loop {
                let page = self.audit.entries(after, CHUNK, None).await?;
                let count = page.iter().take_while(|row| row.entry.at < before).count();
                old += count as u64;
                match page.last() {
                    Some(last) if count == CHUNK => after = last.entry.sequence,
                    _ => break,
                }
            }
            entry.refused = self.is_too_much_of_the_trail(before).await?;
        }
        (entry.would_delete, entry.oldest_left) = (Some(old), self.oldest_entry().await?);
        Ok(())
    }

    /// Whether entries before this time are a larger fraction of the trail than the rules allow.
    /// Entries have no gaps, so one lookup suffices.
    async fn is_too_much_of_the_trail(&self, before: Timestamp) -> Result<bool> {
        let first = self.audit.checkpoint().await?.map_or(0, |checkpoint| checkpoint.sequence);
        let count = self.audit.head().await?.sequence.saturating_sub(first);
        let allowed = (count as f64 * self.rules.max_fraction) as u64;
        if count <= FEW || allowed >= count {
            return Ok(false);
        }
        let next = self.audit.entries(first + allowed, 1, None).await?;
        Ok(next.first().is_some_and(|row| row.entry.at < before))
    }

    async fn oldest_entry(&self) -> Result<Option<Timestamp>> {
        Ok(self.audit.entries(0, 1, None).await?.first().map(|row| row.entry.at))
    }
}
