//! The end of an erasure: the user may have an account again.

use super::{
    Rights,
    decision::{Failure, enter, undecided},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditAction, AuditNote, JournalEntry},
};

impl Rights {
    /// Lifts the erasure of a user, so that they can log in again. Returns `false` if the user was
    /// not erased.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the erasure is under way.
    /// [`Pending`](ErrorKind::Pending) if the journal or the store did not answer in time, or the
    /// journal has it and the store does not: the next sweep or the next start tries again. With
    /// any other error the user stays erased.
    pub async fn lift_erasure(&self, user: &UserId) -> Result<bool> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        let note = self.inner.parts.audit.note(AuditAction::Lifted, self.actor.clone(), Some(user)).await?;
        self.begin_lifting(user, note).await
    }

    /// Lifts the erasure, or returns a pending error.
    pub(super) async fn begin_lifting(&self, user: &UserId, note: AuditNote) -> Result<bool> {
        if self.inner.parts.pending.contains(user) {
            return Err(Error::new(ErrorKind::Conflict, "the erasure is pending: it can be lifted when it is done"));
        }
        let (rights, user) = (self.clone(), user.clone());
        let mut deciding = tokio::spawn(async move { rights.lift(user, note).await });
        match tokio::time::timeout(self.inner.runtime.tasks.timeout(), &mut deciding).await {
            Ok(outcome) => outcome.unwrap_or_else(|panic| Err(Failure::of_panic(panic).error)),
            Err(elapsed) => Err(undecided(
                Error::new(ErrorKind::Timeout, "the journal or the store did not answer in time").with_source(elapsed),
            )),
        }
    }

    async fn lift(&self, user: UserId, note: AuditNote) -> Result<bool> {
        let inner = &self.inner;
        let mut is_entered = false;
        if let Some(journal_guard) = &inner.config.journal_guard
            && let Some(erasure) = inner.runtime.tasks.within(inner.runtime.store.erasure_of(user.clone())).await?
            && erasure.finished_at.is_some()
        {
            let entry = JournalEntry::lifted(&erasure, inner.runtime.clock.now());
            match enter(journal_guard, entry).await.map_err(Failure::of_write) {
                Ok(()) => is_entered = true,
                Err(failure) if failure.is_certain => return Err(failure.error),
                Err(failure) => return Err(self.defer_lifting(user, failure.error)),
            }
        }
        let lifted = inner
            .runtime
            .store
            .lift_erasure(user.clone(), note, inner.runtime.clock.now())
            .await
            .map_err(Failure::of_write);
        lifted.map_err(|failure| match is_entered || !failure.is_certain {
            // The journal has the entry, so the next start lifts the erasure.
            true => self.defer_lifting(user, failure.error),
            false => failure.error,
        })
    }

    fn defer_lifting(&self, user: UserId, error: Error) -> Error {
        self.liftings().insert(user, self.actor.clone());
        undecided(error)
    }
}
