//! Striking somebody out: begun, gone on with, cleaned up after.

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

/// An erasure that this process is at.
struct Running<'a> {
    rights: &'a Rights,
    id: ErasureId,
}

/// So many rows are deleted in one step: a few milliseconds, so that others get their turn.
const CHUNK: usize = 400;

/// So often a reader may hold up the overwriting of residue, and so long it is waited for each time.
const SCRUBS: u32 = 20;
const SCRUB_PAUSE: Duration = Duration::from_millis(50);

impl Rights {
    /// Strikes the user out of everything, here and in the [sources](super::PersonalData) of the application; see the
    /// [table](super::Rights#what-an-erasure-does-and-when-something-goes-wrong). Done again it finds nothing more and says so.
    ///
    /// The user cannot log in any more until [`lift_erasure`](Self::lift_erasure): a new account gets a new id. What is [held](Self::place_hold) is left, and
    /// the receipt says so; the user is kept out all the same, and when it is released the erasure is finished. An open
    /// [request](Self::file_request) for it is answered.
    ///
    /// # Errors
    ///
    /// [`Pending`](ErrorKind::Pending), with its cause as source: the journal or the store did not answer in time, so that it is not
    /// known whether the user is struck out, or the erasure has begun and met an error. It is tried until it is done, by each
    /// sweep and, once the store can be written, by each process; until then the user is refused in this process and restricted in
    /// the others. Ask for its [state](Self::erasure_state). Any other error says that nothing has happened.
    ///
    /// # Examples
    ///
    /// A handler that answers 202 while the erasure is pending, and tells the client what to ask for. The journal of
    /// the example never answers, which is how a test of your own makes an erasure pending.
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
    ///     let pseudonym = rights.pseudonym(user).await?;
    ///     match rights.erase(user).await {
    ///         Ok(receipt) => Ok((StatusCode::OK, json!(receipt))),
    ///         Err(error) if error.kind() == ErrorKind::Pending => {
    ///             Ok((StatusCode::ACCEPTED, json!({ "state": ErasureState::Pending, "pseudonym": pseudonym })))
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
    ///     async fn evict(&self, _: Timestamp) -> Result<u64> {
    ///         Ok(0)
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).erasure_journal(SilentJournal).build()?;
    /// let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
    /// let (status, body) = erase(&rights, &ada).await?;
    /// assert_eq!((status, &body["state"]), (StatusCode::ACCEPTED, &json!("pending")));
    /// assert_eq!(rights.erasure_state(rights.pseudonym(&ada).await?).await?, ErasureState::Pending);
    /// # Ok(()) }
    /// ```
    pub async fn erase(&self, user: &UserId) -> Result<ErasureReceipt> {
        let (rights, user) = (self.clone(), user.clone());
        // In a task of its own: a client that leaves must not stop it.
        let erasing = self.inner.runtime.tasks.spawn(async move {
            rights.inner.runtime.tasks.within(rights.opened()).await?;
            // What is queued is erased and counted rather than left out; if this fails, it is left out.
            let _ = rights.inner.parts.recorder.flush().await;
            let erasure = rights.decide_erasure(&user).await?;
            rights.continue_erasure(user, erasure).await.map_err(to_pending)
        });
        erasing.await.map_err(|panic| Error::new(ErrorKind::Internal, "the erasure panicked").with_source(panic))?
    }

    /// The erasure that keeps the user out, if there is one.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn erasure_of(&self, user: &UserId) -> Result<Option<Erasure>> {
        let known = async {
            self.opened().await?;
            self.inner.runtime.store.erasure_of(user.clone()).await
        };
        self.inner.runtime.tasks.within(known).await
    }

    /// Goes on with erasures that a crash or an error interrupted, or of which something was [held](Self::place_hold) that no longer is, and begins those that were
    /// [confirmed](Self::confirm_erasure) and whose grace is over. The guestbook does this by itself, at its start and with each sweep; how many were finished.
    ///
    /// # Errors
    ///
    /// The first that an erasure met; the others were tried all the same.
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

    /// Forgets erasures and requests that need not be remembered any longer. How many there were.
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

    /// Whether all that an erasure has left is held still.
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
        // Before the gate is open nothing is stored that could wait.
        if self.is_open()
            && let Err(error) = inner.parts.recorder.flush().await
        {
            tracing::warn!(%error, "events that wait are left out when they are stored");
        }
        let mut sources = Vec::with_capacity(inner.parts.sources.len());
        for source in &inner.parts.sources {
            sources.push((source.name().to_owned(), source.erase(user.clone()).await?));
        }
        while erasure.finished_at.is_none() {
            // By the system: the entry must not name who is gone, and they may have asked for it themselves.
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
        // Who asked meanwhile had them cached again.
        self.evict_cached(&user);
        // A pair of stores counts sessions where they ended.
        erasure.erased.sessions = erasure.erased.sessions.max(ended);
        let is_clean = self.scrub().await?;
        self.signed(ErasureReceipt { erasure, sources, is_clean, signature: ReceiptSignature::default() }).await
    }

    /// What happened a moment ago belongs to an export.
    pub(super) async fn flush_recorder(&self) {
        if let Err(error) = self.inner.parts.recorder.flush().await {
            tracing::warn!(%error, "an export may lack the last events");
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

    /// Who is to be let in again and is not yet.
    pub(super) fn liftings(&self) -> MutexGuard<'_, HashMap<UserId, Actor>> {
        self.inner.liftings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn running(&self) -> MutexGuard<'_, HashSet<ErasureId>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has residue overwritten. `false` if readers kept holding it up.
    pub(crate) async fn scrub(&self) -> Result<bool> {
        for _ in 0..SCRUBS {
            // What another erasure deletes from here on is its own to clean up.
            self.inner.is_dirty.store(false, Ordering::Release);
            let scrubbed = self.inner.runtime.tasks.within(self.inner.runtime.store.scrub()).await;
            if matches!(scrubbed, Ok(true)) {
                return Ok(true);
            }
            self.inner.is_dirty.store(true, Ordering::Release);
            match scrubbed {
                // A slow disk, and much to overwrite: the store is still at it.
                Err(error) if error.kind() == ErrorKind::Timeout => break,
                result => result?,
            };
            tokio::time::sleep(SCRUB_PAUSE).await;
        }
        tracing::warn!("a reader keeps residue of deleted rows from being overwritten; the next sweep tries again");
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
