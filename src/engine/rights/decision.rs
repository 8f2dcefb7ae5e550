//! What cannot be cancelled: an entry of the journal, a transaction of the store. If one does not answer in time, it is not known
//! whether it happened; it is waited for and tried again until it is, and nobody is told before that nothing has happened.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::{JournalGuard, Rights};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{
        AuditAction, AuditNote, Erasure, JournalEntry, PrivacyRequest, Pseudonym, RequestKind, RequestStep,
    },
};

/// What an attempt needs, read before it can have any effect.
#[derive(Clone)]
struct Attempt {
    user: UserId,
    pseudonym: Pseudonym,
    note: AuditNote,
}

/// Why an attempt has failed.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether it is known that nothing was written.
    pub(super) is_certain: bool,
    /// What the journal has.
    entered: Option<Box<Erasure>>,
}

/// An attempt that takes longer than this many store timeouts is left to itself and another one is made.
const MAX_TIMEOUTS: u32 = 12;

impl Rights {
    /// Strikes the user out, or says that this is pending.
    pub(super) async fn decide_erasure(&self, user: &UserId) -> Result<Erasure> {
        let pending = &self.inner.parts.pending;
        let attempt = match self.prepare(user).await {
            Err(error) if pending.contains(user) => return Err(undecided(error)),
            attempt => attempt?,
        };
        if !pending.take_turn(user) {
            return Err(under_way());
        }
        let (rights, deciding) = (self.clone(), attempt.clone());
        // Not one of the tasks that a shutdown waits for: the journal or the store decides without us.
        let mut deciding = tokio::spawn(async move { rights.decide(&deciding).await });
        let timeout = self.inner.runtime.tasks.timeout();
        match tokio::time::timeout(timeout, &mut deciding).await {
            Ok(outcome) => self.decided(&attempt, outcome.unwrap_or_else(|panic| Err(Failure::of_panic(panic)))),
            Err(elapsed) => {
                self.put_off(&attempt);
                tokio::spawn(self.clone().wait_for(attempt, deciding, timeout.saturating_mul(MAX_TIMEOUTS)));
                Err(undecided(Error::new(ErrorKind::Timeout, "no answer in time").with_source(elapsed)))
            }
        }
    }

    /// Tries those again that are not decided, and lets those in whose readmission is entered and not done.
    pub(super) async fn settle_undecided(&self) {
        for (user, actor) in self.inner.parts.pending.waiting() {
            if let Err(error) = self.by(actor).erase(&user).await {
                tracing::warn!(error = %error.chain(), "an erasure that is pending is tried again with the next sweep");
            }
        }
        let liftings = std::mem::take(&mut *self.liftings());
        for (user, actor) in liftings {
            if let Err(error) = self.by(actor).lift_erasure(&user).await {
                tracing::warn!(error = %error.chain(), "a user who is to be let in again is not yet");
            }
        }
    }

    /// Reads only.
    async fn prepare(&self, user: &UserId) -> Result<Attempt> {
        let note = self.inner.parts.audit.note(AuditAction::ErasureBegan, self.actor.clone(), Some(user)).await?;
        Ok(Attempt { user: user.clone(), pseudonym: self.pseudonym(user).await?, note })
    }

    /// Strikes the user out: in the journal first, so that nobody is told what a backup could undo. However long it takes.
    async fn decide(&self, attempt: &Attempt) -> Result<Erasure, Failure> {
        let (inner, Attempt { user, pseudonym, note }) = (&self.inner, attempt.clone());
        let now = inner.runtime.clock.now();
        let until = now.after(inner.config.tombstone_retention);
        let Some(journal_guard) = &inner.config.journal_guard else {
            return inner.runtime.store.begin_erasure(user, until, note, now).await.map_err(Failure::of_write);
        };
        let erasure = match inner.parts.pending.entered(&user) {
            Some(entered) => entered,
            None => {
                let known = inner
                    .runtime
                    .tasks
                    .within(inner.runtime.store.erasure_of(user.clone()))
                    .await
                    .map_err(Failure::of_read)?;
                if let Some(known) = known {
                    // The journal may be younger than the erasure.
                    enter(journal_guard, JournalEntry::erased(&known)).await.map_err(Failure::of_write)?;
                    return Ok(known);
                }
                let erasure = Erasure::begin(user, pseudonym, now, until).map_err(Failure::of_read)?;
                enter(journal_guard, JournalEntry::erased(&erasure)).await.map_err(Failure::of_write)?;
                erasure
            }
        };
        let entered = Some(Box::new(erasure.clone()));
        let remembered = inner.runtime.store.restore_erasure(erasure, note, now).await;
        // The journal has it: the next start would do it, so it is not to be told that nothing has happened.
        remembered.map_err(|error| Failure { error, is_certain: false, entered })
    }

    fn decided(&self, attempt: &Attempt, outcome: Result<Erasure, Failure>) -> Result<Erasure> {
        let (pending, user) = (&self.inner.parts.pending, &attempt.user);
        match outcome {
            Ok(erasure) => {
                pending.remove(user);
                Ok(erasure)
            }
            Err(Failure { error, is_certain: true, .. }) if !pending.contains(user) => Err(error),
            Err(Failure { error, entered, .. }) => {
                self.put_off(attempt);
                pending.end_turn(user, entered.map(|entered| *entered));
                Err(undecided(error))
            }
        }
    }

    /// From now on the user is refused here, and as soon as the store can be written they are restricted everywhere.
    fn put_off(&self, attempt: &Attempt) {
        let is_new = !self.inner.parts.pending.contains(&attempt.user);
        self.inner.parts.pending.put_off(&attempt.user, attempt.pseudonym, self.actor.clone());
        self.evict_cached(&attempt.user);
        if is_new {
            tracing::warn!("an erasure could not be decided in time: it is pending, and tried until it is decided");
            let (rights, user) = (self.clone(), attempt.user.clone());
            tokio::spawn(async move {
                if let Err(error) = rights.file_pending_request(&user).await
                    // It was decided meanwhile.
                    && error.kind() != ErrorKind::UserErased
                {
                    tracing::warn!(error = %error.chain(), "an erasure is pending in this process only");
                }
            });
        }
    }

    /// Files a confirmed request without a grace: it restricts the user, and whichever process sweeps next erases them.
    async fn file_pending_request(&self, user: &UserId) -> Result<()> {
        let request = PrivacyRequest::receive(user.clone(), RequestKind::Erasure, self.inner.runtime.clock.now())?;
        let filed = self.store_request(request, self.actor.clone()).await?;
        if filed.request.grace_until().is_some() {
            return Ok(());
        }
        let confirm = |request: &mut PrivacyRequest, now| {
            request.step(RequestStep::Confirm { grace_until: now }, now).map(|()| true)
        };
        self.change(filed.request.id, self.actor.clone(), confirm).await.map(drop)
    }

    /// Waits for an attempt that is late, and goes on with the erasure.
    async fn wait_for(self, attempt: Attempt, mut deciding: JoinHandle<Result<Erasure, Failure>>, at_most: Duration) {
        let outcome = match tokio::time::timeout(at_most, &mut deciding).await {
            Ok(outcome) => outcome.unwrap_or_else(|panic| Err(Failure::of_panic(panic))),
            Err(_) => {
                deciding.abort();
                self.inner.parts.pending.end_turn(&attempt.user, None);
                return;
            }
        };
        let finished = match self.decided(&attempt, outcome) {
            Ok(erasure) => self.continue_erasure(attempt.user, erasure).await.map(drop),
            Err(error) => Err(error),
        };
        match finished {
            Ok(()) => tracing::info!("an erasure that was pending is done"),
            Err(error) => {
                tracing::warn!(error = %error.chain(), "an erasure that is pending is gone on with by the next sweep");
            }
        }
    }
}

pub(super) async fn enter(journal_guard: &JournalGuard, entry: JournalEntry) -> Result<()> {
    journal_guard.append(entry).await
}

impl Failure {
    /// Of something that changes nothing.
    fn of_read(error: Error) -> Self {
        Self { error, is_certain: true, entered: None }
    }

    /// An error says that nothing was written, unless it says that it does not know.
    pub(super) fn of_write(error: Error) -> Self {
        let is_certain = !matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Pending);
        Self { error, is_certain, entered: None }
    }

    pub(super) fn of_panic(panic: tokio::task::JoinError) -> Self {
        let error = Error::new(ErrorKind::Internal, "striking a user out panicked").with_source(panic);
        Self { error, is_certain: false, entered: None }
    }
}

/// It may happen yet, and it is seen to that it is known whether it does.
pub(super) fn undecided(error: Error) -> Error {
    Error::new(ErrorKind::Pending, "it is not known yet whether it happened: it is tried until it is")
        .with_source(error)
}

fn under_way() -> Error {
    Error::new(ErrorKind::Pending, "it is under way already")
}

/// An erasure that has begun, and met an error.
pub(super) fn to_pending(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Pending => error,
        _ => Error::new(ErrorKind::Pending, "the user is struck out; the erasure is gone on with by the next sweep")
            .with_source(error),
    }
}
