//! The erasure of a user, from its first step to its last.

use std::{
    collections::{HashMap, HashSet},
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{ErasureReceipt, Rights, decision::to_pending};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        consent::Subject,
        privacy::{Actor, AuditAction, Erasure, ErasureId, ReceiptSignature},
    },
    time::{Timestamp, to_millis},
};

/// An erasure that this process is working on.
struct Running<'a> {
    rights: &'a Rights,
    id: ErasureId,
}

/// Rows deleted in one step: a few milliseconds, so that other writers get their turn.
const CHUNK: usize = 400;

/// How many times to retry the scrub while a reader blocks it, and how long to wait between tries.
const SCRUBS: u32 = 20;
const SCRUB_PAUSE: Duration = Duration::from_millis(50);

impl Rights {
    /// Erases the user (GDPR, Article 17), here and in the [sources](super::PersonalData) of the
    /// application. [`Rights`](super::Rights#what-an-erasure-does) describes the steps. Erasing a
    /// user again finds nothing more and returns a receipt.
    ///
    /// The user cannot log in until [`lift_erasure`](Self::lift_erasure); a new account needs a new
    /// id. Data under a [hold](Self::place_hold) stays, and the receipt lists it; the erasure is
    /// finished when the hold is released. An open [request](Self::file_request) for erasure is
    /// answered.
    ///
    /// The erasure goes on when the caller is dropped.
    ///
    /// # Errors
    ///
    /// [`Pending`](ErrorKind::Pending), with its cause as source: the erasure is not finished, or
    /// it is not known whether it began. It is retried until it is done, by each sweep. Until then
    /// this process refuses the user, and other processes restrict them as soon as the store can be
    /// written; [`erasure_state`](Self::erasure_state) says how far it is. With any other error
    /// nothing has happened.
    ///
    /// # Examples
    ///
    /// A handler that answers 202 while the erasure is pending. The journal of the example never
    /// answers; in your tests it can make an erasure pending.
    ///
    /// ```
    /// use http::StatusCode;
    /// use serde_json::{Value, json};
    /// use tower_guestbook::{
    ///     Error, ErrorKind, Guestbook, Result, Timestamp, UserId,
    ///     privacy::{
    ///         ErasureJournal, ErasureState, JournalEntry, JournalPage, OnMissingJournal, Rights,
    ///         StoreFingerprint,
    ///     },
    ///     store::MemoryStore,
    /// };
    ///
    /// async fn erase(rights: &Rights, user: &UserId) -> Result<(StatusCode, Value)> {
    ///     match rights.erase(user).await {
    ///         Ok(receipt) => Ok((StatusCode::OK, json!(receipt))),
    ///         Err(error) if error.kind() == ErrorKind::Pending => {
    ///             let pseudonym = rights.pseudonym(user).await?;
    ///             Ok((StatusCode::ACCEPTED, json!({ "state": "pending", "pseudonym": pseudonym })))
    ///         }
    ///         Err(error) => Err(error),
    ///     }
    /// }
    ///
    /// struct SilentJournal;
    ///
    /// impl ErasureJournal for SilentJournal {
    ///     async fn open(&self, _: StoreFingerprint, _: OnMissingJournal) -> Result<()> {
    ///         Ok(())
    ///     }
    ///     async fn append(&self, _: JournalEntry) -> Result<()> {
    ///         Err(Error::new(ErrorKind::Timeout, "no answer in time"))
    ///     }
    ///     async fn read(&self, _: Option<u64>, _: usize) -> Result<JournalPage> {
    ///         Ok(JournalPage::new(Vec::new(), None))
    ///     }
    ///     async fn delete_expired(&self, _: Timestamp) -> Result<u64> {
    ///         Ok(0)
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).erasure_journal(SilentJournal).build()?;
    /// let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
    /// let (status, _) = erase(&rights, &ada).await?;
    /// assert_eq!(status, StatusCode::ACCEPTED);
    /// assert_eq!(rights.erasure_state(rights.pseudonym(&ada).await?).await?, ErasureState::Pending);
    /// # Ok(()) }
    /// ```
    pub async fn erase(&self, user: &UserId) -> Result<ErasureReceipt> {
        let (rights, user) = (self.clone(), user.clone());
        // In a task of its own: a dropped request must not stop it.
        let erasing = self.inner.runtime.tasks.spawn(async move {
            rights.inner.runtime.tasks.within(rights.opened()).await?;
            // Queued events are stored, so that they are erased and counted. If this fails, they are left out.
            let _ = rights.inner.parts.recorder.flush().await;
            let erasure = rights.decide_erasure(&user).await?;
            rights.continue_erasure(user, erasure).await.map_err(to_pending)
        });
        erasing.await.map_err(|panic| Error::new(ErrorKind::Internal, "the erasure panicked").with_source(panic))?
    }

    /// Returns the erasure of the user, if there is one.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn erasure_of(&self, user: &UserId) -> Result<Option<Erasure>> {
        let known = async {
            self.opened().await?;
            self.inner.runtime.store.erasure_of(user.clone()).await
        };
        self.inner.runtime.tasks.within(known).await
    }

    /// Continues erasures that a crash or an error interrupted, or whose data under a
    /// [hold](Self::place_hold) is held no longer, and begins those that were
    /// [confirmed](Self::confirm_erasure) and whose grace period is over. Returns the number of
    /// erasures that were finished.
    ///
    /// The guestbook calls this at its start and with each sweep.
    ///
    /// # Errors
    ///
    /// The first error of an erasure. The others were tried all the same.
    pub async fn resume_erasures(&self) -> Result<u64> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        self.settle_undecided().await;
        let unfinished = self.inner.runtime.tasks.within(self.inner.runtime.store.unfinished_erasures()).await?;
        let (mut finished, mut failed) = self.erase_confirmed().await;
        for erasure in unfinished {
            let Some(user) = erasure.user.clone() else { continue };
            if self.running().contains(&erasure.id) {
                continue;
            }
            if erasure.is_partial() && self.is_held(&user, &erasure).await? {
                continue;
            }
            match self.continue_erasure(user, erasure).await {
                Ok(receipt) => finished += u64::from(receipt.erasure.finished_at.is_some()),
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "an erasure could not be finished");
                    failed = failed.or(Some(error));
                }
            }
        }
        if self.inner.is_dirty.load(Ordering::Acquire) {
            self.scrub().await?;
        }
        match failed {
            None => Ok(finished),
            Some(error) => Err(error),
        }
    }

    /// Deletes tombstones and answered requests that are no longer needed. Returns their number.
    pub(crate) async fn delete_old(&self) -> Result<usize> {
        let now = self.inner.runtime.clock.now();
        let erasures = self.inner.runtime.tasks.within(self.inner.runtime.store.delete_tombstones(now, CHUNK)).await?;
        if erasures > 0 {
            self.delete_entries().await?;
        }
        let answered_before =
            Timestamp::from_millis(now.as_millis().saturating_sub(to_millis(self.inner.config.keep_requests)));
        let requests = self.inner.runtime.store.delete_requests(answered_before, CHUNK);
        Ok(erasures + self.inner.runtime.tasks.within(requests).await?)
    }

    /// Returns whether everything that an erasure left is still held.
    pub(super) async fn is_held(&self, user: &UserId, erasure: &Erasure) -> Result<bool> {
        let (holds, now) = (self.holds_of(user).await?, self.inner.runtime.clock.now());
        let is_held = |class| holds.iter().any(|hold| hold.class == class && hold.holds_at(now));
        Ok(erasure.retained.iter().all(|retained| is_held(retained.class)))
    }

    pub(super) async fn continue_erasure(&self, user: UserId, mut erasure: Erasure) -> Result<ErasureReceipt> {
        let (inner, ended) = (&self.inner, erasure.erased.sessions);
        let _running = Running::new(self, erasure.id);
        inner.is_dirty.store(true, Ordering::Release);
        self.evict_cached(&user);
        // Before the gate is open nothing is queued.
        if self.is_open()
            && let Err(error) = inner.parts.recorder.flush().await
        {
            tracing::warn!(%error, "queued events of an erased user could not be flushed; the store leaves them out");
        }
        let mut sources = Vec::with_capacity(inner.parts.sources.len());
        for source in &inner.parts.sources {
            sources.push((source.name().to_owned(), source.erase(user.clone()).await?));
        }
        while erasure.finished_at.is_none() {
            // By the system: the entry must not name the erased user, who may be the actor.
            let note = inner.parts.audit.note(AuditAction::ErasureFinished, Actor::System, None).await?;
            let step = inner.runtime.store.erase_some(
                erasure.id,
                CHUNK,
                inner.config.activities,
                note,
                inner.runtime.clock.now(),
            );
            erasure = inner.runtime.tasks.within(step).await?;
            if erasure.is_partial() {
                break;
            }
        }
        // A request that ran meanwhile may have cached the user again.
        self.evict_cached(&user);
        // A split store counts sessions where they ended.
        erasure.erased.sessions = erasure.erased.sessions.max(ended);
        let is_clean = self.scrub().await?;
        self.signed(ErasureReceipt { erasure, sources, is_clean, signature: ReceiptSignature::default() }).await
    }

    /// Stores queued events, so that an export has them.
    pub(super) async fn flush_recorder(&self) {
        if let Err(error) = self.inner.parts.recorder.flush().await {
            tracing::warn!(%error, "queued events could not be flushed; an export may lack the last ones");
        }
    }

    pub(super) fn evict_cached(&self, user: &UserId) {
        self.inner.parts.sessions.evict_user(user);
        self.evict_profile(user);
    }

    pub(super) fn evict_profile(&self, user: &UserId) {
        if let Some(profiles) = &self.inner.parts.profiles {
            profiles.evict(&Subject::User(user.clone()));
        }
    }

    /// The users whose erasure is to be lifted and is not lifted yet.
    pub(super) fn liftings(&self) -> MutexGuard<'_, HashMap<UserId, Actor>> {
        self.inner.liftings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn running(&self) -> MutexGuard<'_, HashSet<ErasureId>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Overwrites deleted data. `false` if readers kept blocking it.
    pub(crate) async fn scrub(&self) -> Result<bool> {
        for _ in 0..SCRUBS {
            // An erasure that deletes something from here on sets the flag again.
            self.inner.is_dirty.store(false, Ordering::Release);
            let scrubbed = self.inner.runtime.tasks.within(self.inner.runtime.store.scrub()).await;
            if matches!(scrubbed, Ok(true)) {
                return Ok(true);
            }
            self.inner.is_dirty.store(true, Ordering::Release);
            match scrubbed {
                // A slow disk and much to overwrite: the store is still working.
                Err(error) if error.kind() == ErrorKind::Timeout => break,
                result => result?,
            };
            tokio::time::sleep(SCRUB_PAUSE).await;
        }
        tracing::warn!("a reader blocks the overwriting of deleted rows; the next sweep tries again");
        Ok(false)
    }
}

impl<'a> Running<'a> {
    fn new(rights: &'a Rights, id: ErasureId) -> Self {
        rights.running().insert(id);
        Self { rights, id }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.rights.running().remove(&self.id);
    }
}
