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
    /// Lets a user in again who was erased. `false` if they were not.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the erasure is under way; [`Pending`](ErrorKind::Pending) if the journal or the store
    /// did not answer in time, or the journal has it and the store does not: they are let in as soon as it is known, by the next
    /// sweep at the latest, or by the next start. With any other error they stay out.
    pub async fn lift_erasure(&self, user: &UserId) -> Result<bool> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        let note = self.inner.parts.audit.note(AuditAction::Lifted, self.actor.clone(), Some(user)).await?;
        self.begin_lifting(user, note).await
    }

    /// Lets a user in again, or says that this is pending.
    pub(super) async fn begin_lifting(&self, user: &UserId, note: AuditNote) -> Result<bool> {
        if self.inner.parts.pending.contains(user) {
            return Err(Error::new(ErrorKind::Conflict, "the erasure is pending: wait until it is decided"));
        }
        let (rights, user) = (self.clone(), user.clone());
        let mut deciding = tokio::spawn(async move { rights.lift(user, note).await });
        match tokio::time::timeout(self.inner.runtime.tasks.timeout(), &mut deciding).await {
            Ok(outcome) => outcome.unwrap_or_else(|panic| Err(Failure::of_panic(panic).error)),
            Err(elapsed) => Err(undecided(Error::new(ErrorKind::Timeout, "no answer in time").with_source(elapsed))),
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
            // The journal has it: the next start would let them in.
            true => self.defer_lifting(user, failure.error),
            false => failure.error,
        })
    }

    fn defer_lifting(&self, user: UserId, error: Error) -> Error {
        self.liftings().insert(user, self.actor.clone());
        undecided(error)
    }
}
