//! The audit trail in memory.

use super::{MemoryStore, State};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{Actor, AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, AuditVerifier, Pseudonym},
    store::{AuditStore, audit::not_intact},
    time::Timestamp,
};

#[derive(Debug, Default)]
pub(super) struct Trail {
    rows: Vec<AuditRow>,
    checkpoint: Option<AuditCheckpoint>,
}

/// Maximum number of entries.
const CAPACITY: usize = 100_000;

impl AuditStore for MemoryStore {
    async fn record_audit(&self, note: AuditNote, now: Timestamp) -> Result<AuditHead> {
        let mut state = self.state();
        state.note(&note, now)?;
        Ok(state.audit.head())
    }

    async fn audit_page(&self, after: u64, limit: usize, subject: Option<UserId>) -> Result<Vec<AuditRow>> {
        let mut state = self.state();
        let secret = state.consents.secret()?;
        let subject = subject.map(|user| Pseudonym::of(&user, &secret));
        let matches =
            |row: &&AuditRow| row.entry.sequence > after && (subject.is_none() || row.entry.subject == subject);
        Ok(state.audit.rows.iter().filter(matches).take(limit).cloned().collect())
    }

    async fn audit_head(&self) -> Result<AuditHead> {
        Ok(self.state().audit.head())
    }

    async fn audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        Ok(self.state().audit.checkpoint.clone())
    }

    async fn delete_audit_entries(
        &self,
        before: Timestamp,
        limit: usize,
        key: AuditKey,
        now: Timestamp,
    ) -> Result<usize> {
        let trail = &mut self.state().audit;
        let old = trail.rows.iter().take(limit).take_while(|row| row.entry.at < before).count();
        if old == 0 {
            return Ok(0);
        }
        let mut verifier = AuditVerifier::new(key.clone(), trail.checkpoint.as_ref(), None);
        trail.rows[..old].iter().for_each(|row| verifier.feed(row));
        let report = verifier.finish();
        if let Some(fault) = report.fault {
            return Err(not_intact(fault));
        }
        trail.rows.drain(..old);
        trail.checkpoint = Some(AuditCheckpoint::new(report.head, &key, now));
        Ok(old)
    }
}

impl State {
    /// Appends a note to the trail.
    pub(super) fn note(&mut self, note: &AuditNote, now: Timestamp) -> Result<()> {
        if self.audit.rows.len() >= CAPACITY {
            let context = format!("the memory store holds {CAPACITY} entries of an audit trail");
            return Err(Error::new(ErrorKind::StorageFull, context));
        }
        let secret = self.consents.secret()?;
        let mut row = AuditRow::new(note, &self.audit.head(), &secret, now)?;
        let mut users = note.subject.iter().collect::<Vec<_>>();
        if let Actor::User(actor) = &note.actor {
            users.push(actor);
        }
        for user in users {
            if self.erasure(user)?.is_some_and(|erasure| erasure.finished_at.is_some()) {
                row.payload = None;
            }
        }
        self.audit.rows.push(row);
        Ok(())
    }
}

impl Trail {
    /// Removes at most `limit` payloads about a person. Returns whether none is left.
    pub(super) fn erase(&mut self, whose: Pseudonym, limit: usize) -> bool {
        let of_them =
            |row: &&mut AuditRow| row.payload.is_some() && [row.entry.subject, row.entry.actor].contains(&Some(whose));
        let mut theirs = self.rows.iter_mut().filter(of_them);
        theirs.by_ref().take(limit).for_each(|row| row.payload = None);
        theirs.next().is_none()
    }

    fn head(&self) -> AuditHead {
        let last = self.rows.last().map(|row| row.entry.head());
        last.or(self.checkpoint.as_ref().map(AuditCheckpoint::head)).unwrap_or(AuditHead::BEGINNING)
    }
}
