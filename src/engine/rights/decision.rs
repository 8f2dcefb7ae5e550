//! The beginning of an erasure, which cannot be cancelled: an entry of the journal and a
//! transaction of the store. If one does not answer in time, it is not known whether it happened.
//! It is waited for and retried until it is known; the caller gets a pending error, never one that
//! says nothing happened.

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

/// The input of an attempt, read before the attempt has any effect.
#[derive(Clone)]
struct Attempt {
    user: UserId,
    pseudonym: Pseudonym,
    note: AuditNote,
}

/// Why an attempt failed.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether it is certain that nothing was written.
    pub(super) is_certain: bool,
    /// The erasure that the journal has.
    entered: Option<Box<Erasure>>,
}

/// Store timeouts that an attempt may take before it is abandoned and another one is made.
const MAX_TIMEOUTS: u32 = 12;

impl Rights {
    /// Begins the erasure of the user, or returns a pending error.
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
        // Not one of the tasks that a shutdown waits for: the journal or the store finishes without them.
        let mut deciding = tokio::spawn(async move { rights.decide(&deciding).await });
        let timeout = self.inner.runtime.tasks.timeout();
        match tokio::time::timeout(timeout, &mut deciding).await {
            Ok(outcome) => self.decided(&attempt, outcome.unwrap_or_else(|panic| Err(Failure::of_panic(panic)))),
            Err(elapsed) => {
                self.defer(&attempt);
                tokio::spawn(self.clone().wait_for(attempt, deciding, timeout.saturating_mul(MAX_TIMEOUTS)));
                Err(undecided(
                    Error::new(ErrorKind::Timeout, "the journal or the store did not answer in time")
                        .with_source(elapsed),
                ))
            }
        }
    }

    /// Retries erasures that are not decided, and liftings that the journal has and the store does
    /// not.
    pub(super) async fn settle_undecided(&self) {
        for (user, actor) in self.inner.parts.pending.waiting() {
            if let Err(error) = self.by(actor).erase(&user).await {
                tracing::warn!(error = %error.chain(), "an erasure is pending; the next sweep tries again");
            }
        }
        let liftings = std::mem::take(&mut *self.liftings());
        for (user, actor) in liftings {
            if let Err(error) = self.by(actor).lift_erasure(&user).await {
                tracing::warn!(error = %error.chain(), "an erasure could not be lifted; the next sweep tries again");
            }
        }
    }

    /// Reads what an attempt needs, and changes nothing.
    async fn prepare(&self, user: &UserId) -> Result<Attempt> {
        let note = self.inner.parts.audit.note(AuditAction::ErasureBegan, self.actor.clone(), Some(user)).await?;
        Ok(Attempt { user: user.clone(), pseudonym: self.pseudonym(user).await?, note })
    }

    /// Begins the erasure in the journal, then in the store: what is acknowledged outlives a
    /// restored backup. Waits as long as it takes.
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
                    // The journal may have begun after the erasure.
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
        // The journal has the entry and the next start would erase the user, so the outcome is not certain.
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
                self.defer(attempt);
                pending.end_turn(user, entered.map(|entered| *entered));
                Err(undecided(error))
            }
        }
    }

    /// Refuses the user in this process from now on, and restricts them in all others as soon as
    /// the store can be written.
    fn defer(&self, attempt: &Attempt) {
        let is_new = !self.inner.parts.pending.contains(&attempt.user);
        self.inner.parts.pending.put_off(&attempt.user, attempt.pseudonym, self.actor.clone());
        self.evict_cached(&attempt.user);
        if is_new {
            tracing::warn!("an erasure could not be decided in time; it is pending and is retried");
            let (rights, user) = (self.clone(), attempt.user.clone());
            tokio::spawn(async move {
                if let Err(error) = rights.file_pending_request(&user).await
                    // The erasure was decided meanwhile.
                    && error.kind() != ErrorKind::UserErased
                {
                    tracing::warn!(error = %error.chain(), "only this process knows of a pending erasure: the store could not be written");
                }
            });
        }
    }

    /// Files a confirmed request without a grace period: it restricts the user, and the next sweep
    /// of any process erases them.
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

    /// Waits for an attempt that is late, then continues the erasure.
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
            Ok(()) => tracing::info!("a pending erasure is done"),
            Err(error) => {
                tracing::warn!(error = %error.chain(), "an erasure is pending; the next sweep continues it");
            }
        }
    }
}

pub(super) async fn enter(journal_guard: &JournalGuard, entry: JournalEntry) -> Result<()> {
    journal_guard.append(entry).await
}

impl Failure {
    /// The failure of a read, which changed nothing.
    fn of_read(error: Error) -> Self {
        Self { error, is_certain: true, entered: None }
    }

    /// The failure of a write. Nothing was written unless the error says that it is not known.
    pub(super) fn of_write(error: Error) -> Self {
        let is_certain = !matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Pending);
        Self { error, is_certain, entered: None }
    }

    pub(super) fn of_panic(panic: tokio::task::JoinError) -> Self {
        let error = Error::new(ErrorKind::Internal, "the erasure panicked").with_source(panic);
        Self { error, is_certain: false, entered: None }
    }
}

/// The error while it is not known whether something happened.
pub(super) fn undecided(error: Error) -> Error {
    Error::new(ErrorKind::Pending, "not decided in time: it is retried until it is decided").with_source(error)
}

fn under_way() -> Error {
    Error::new(ErrorKind::Pending, "an erasure of this user is under way")
}

/// The error of an erasure that has begun.
pub(super) fn to_pending(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Pending => error,
        _ => Error::new(ErrorKind::Pending, "the erasure has begun; the next sweep continues it").with_source(error),
    }
}
