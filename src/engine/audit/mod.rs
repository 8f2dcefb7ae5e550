//! [`AuditTrail`]: who did what to whose data, in a chain that shows changes.

mod metrics;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    engine::runtime::Runtime,
    error::Result,
    id::UserId,
    model::privacy::{
        Actor, AuditAction, AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, AuditVerifier,
        VerificationReport,
    },
    time::Timestamp,
};
#[cfg(doc)]
use crate::{error::ErrorKind, model::privacy::AuditEntry};

/// The audit trail of a guestbook: who did what to whose data, and whether that record was changed
/// since.
///
/// [`Guestbook::audit`](crate::Guestbook::audit) returns it; a clone is another handle.
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{
///     Guestbook, UserId,
///     privacy::{Actor, AuditAction},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).audit_key([7; 32]).build()?;
/// let (audit, ada) = (guestbook.audit(), UserId::try_from("ada")?);
/// let (action, desk) = (AuditAction::custom("invoice.corrected")?, Actor::Operator("desk 3".into()));
/// let head = audit.record(action, desk, Some(&ada), json!({ "invoice": 17 })).await?;
/// assert_eq!(head.sequence, 1);
///
/// // Keep `head` where those who can write the database cannot change it. Later:
/// let report = audit.verify(Some(head)).await?;
/// assert!(report.is_intact() && report.anchored);
///
/// let about_ada = audit.entries(0, 100, Some(&ada)).await?;
/// assert_eq!(about_ada[0].content()?.unwrap().detail, json!({ "invoice": 17 }));
/// # Ok(()) }
/// ```
///
/// # What it records
///
/// The guestbook records erasures and their lifting, exports, imports, requests, restrictions,
/// holds, rectifications, and runs of retention that deleted something. An entry is written in the
/// transaction of what it records, where there is one. The application adds [its own
/// entries](AuditTrail::record).
///
/// Each [entry](AuditEntry) has a MAC that covers the MAC of the entry before it. Entries name
/// nobody: actors and subjects are keyed hashes. What an entry says about people is in a
/// [payload](crate::privacy::AuditPayload) beside it, and the entry has only the payload's salted
/// hash. So an erasure removes payloads, and the chain stays intact.
///
/// # What a verification finds
///
/// Found always; the report names the first wrong entry:
///
/// - an entry that was changed, deleted in the middle or moved, and a payload that was changed
/// - entries that were cut off at the beginning, and a changed checkpoint of
///   [retention](crate::retention::RetentionRules::keep_audit)
///
/// Found only with a [head](AuditTrail::head) that was kept elsewhere:
///
/// - entries that were cut off at the end
/// - a trail that was emptied, or made anew with the key
///
/// Not found:
///
/// - a payload that was removed, as erasures do that; the report counts them
/// - an action that was never recorded
///
/// Without a key of your own, the key is made from the store's secret. That finds accidents and
/// changes by people who cannot read the secret. People who have the whole database have the
/// secret; to find their changes, give [`audit_key`](crate::GuestbookBuilder::audit_key) a key that
/// is kept elsewhere. The key must not change: with another key the trail looks altered from its
/// first entry.
///
/// # Automatic verification
///
/// Each process verifies the trail [once a day](crate::GuestbookBuilder::verify_audit), the first
/// time with the first sweep after its start. The result is
/// [`last_verification`](AuditTrail::last_verification), the metrics below, and an error event if
/// the trail was changed. From the second time on it also finds entries that were cut off at the
/// end since the time before. A process that restarts does not remember that, so keep a head
/// elsewhere. If the store fails, the next sweep tries again.
///
/// # What it costs
///
/// An entry about a user with a short detail takes about 430 bytes in SQLite, indexes and payload
/// included (20,000 entries). A verification reads the trail in pages, with constant memory. The
/// memory store keeps 100,000 entries.
///
/// # Metrics
///
/// With feature `metrics`:
///
/// | name | kind | value |
/// |---|---|---|
/// | `guestbook_audit_entries_total` | counter | entries since the beginning of the trail |
/// | `guestbook_audit_intact` | gauge | 1 if the last verification found no fault, else 0 |
/// | `guestbook_audit_verified_seconds` | gauge | time of the last verification, seconds since 1970 |
#[derive(Clone)]
pub struct AuditTrail {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    /// The key of the builder, or the one made from the store's secret on first use.
    key: OnceLock<AuditKey>,
    verified: Mutex<Option<LastVerification>>,
}

/// The result of the last verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LastVerification {
    /// When it ended.
    pub at: Timestamp,
    /// What it found.
    pub report: VerificationReport,
}

/// Entries read at a time.
const PAGE: usize = 1_000;

/// Times a verification is tried while old entries are deleted.
const ATTEMPTS: usize = 3;

impl AuditTrail {
    pub(crate) fn new(runtime: Runtime, own: Option<AuditKey>) -> Self {
        let key = own.map_or_else(OnceLock::new, OnceLock::from);
        Self { inner: Arc::new(Inner { runtime, key, verified: Mutex::default() }) }
    }

    /// Records an action, who did it, whose data it was about, and a detail of at most 16 KiB,
    /// which is erased with the subject. Returns the head of the trail.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the detail is too large. The errors of the store. Nothing is
    /// recorded then.
    pub async fn record(
        &self,
        action: AuditAction,
        actor: Actor,
        subject: Option<&UserId>,
        detail: Value,
    ) -> Result<AuditHead> {
        let note = self.note(action, actor, subject).await?.detail(detail);
        let inner = &self.inner;
        let head =
            inner.runtime.tasks.within(inner.runtime.store.record_audit(note, inner.runtime.clock.now())).await?;
        metrics::grown(&head);
        Ok(head)
    }

    /// Returns the entries after number `after`, the oldest first, at most `limit` and at most
    /// 1,000; only those about `subject`, if one is given.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn entries(&self, after: u64, limit: usize, subject: Option<&UserId>) -> Result<Vec<AuditRow>> {
        let page = self.inner.runtime.store.audit_page(after, limit.min(PAGE), subject.cloned());
        self.inner.runtime.tasks.within(page).await
    }

    /// Returns the last entry. Kept elsewhere, it is the anchor of later
    /// [verifications](Self::verify).
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn head(&self) -> Result<AuditHead> {
        let head = self.inner.runtime.tasks.within(self.inner.runtime.store.audit_head()).await?;
        metrics::grown(&head);
        Ok(head)
    }

    /// Reads the whole trail and checks that it was not changed, and that `anchor` is in it.
    /// Entries that are recorded meanwhile may be read or not.
    ///
    /// # Errors
    ///
    /// The errors of the store. A changed trail is no error; it is the
    /// [fault](VerificationReport::fault) of the report.
    pub async fn verify(&self, anchor: Option<AuditHead>) -> Result<VerificationReport> {
        let mut checkpoint = self.checkpoint().await?;
        let mut report = self.read(checkpoint.as_ref(), anchor).await?;
        for _ in 1..ATTEMPTS {
            let now = self.checkpoint().await?;
            if report.is_intact() || now == checkpoint {
                break;
            }
            // Retention has deleted entries that were to be read.
            checkpoint = now;
            report = self.read(checkpoint.as_ref(), anchor).await?;
        }
        let at = self.inner.runtime.clock.now();
        *self.verified() = Some(LastVerification { at, report: report.clone() });
        metrics::verified(&report, at);
        if let Some(fault) = report.fault {
            let (sequence, flaw) = (fault.sequence, fault.flaw);
            tracing::error!(sequence, ?flaw, "the audit trail was changed");
        }
        Ok(report)
    }

    /// Returns the result of the last verification in this process, or `None` before the first.
    pub fn last_verification(&self) -> Option<LastVerification> {
        self.verified().clone()
    }

    /// Verifies the trail against the last result if `interval` has passed; `None` if not.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub(crate) async fn verify_if_due(&self, interval: Duration) -> Result<Option<VerificationReport>> {
        let last = self.last_verification();
        if last.as_ref().is_some_and(|last| self.inner.runtime.clock.now().since(last.at) < interval) {
            return Ok(None);
        }
        let anchor = last.filter(|last| last.report.is_intact()).map(|last| last.report.head);
        self.verify(anchor).await.map(Some)
    }

    /// A note for a method of the store, which records it with what it does.
    pub(crate) async fn note(&self, action: AuditAction, actor: Actor, subject: Option<&UserId>) -> Result<AuditNote> {
        Ok(AuditNote::new(action, actor, subject.cloned(), self.key().await?))
    }

    /// Deletes at most `limit` entries that were recorded before this time.
    pub(crate) async fn delete_before(&self, before: Timestamp, limit: usize) -> Result<usize> {
        let (inner, key) = (&self.inner, self.key().await?);
        inner
            .runtime
            .tasks
            .within(inner.runtime.store.delete_audit_entries(before, limit, key, inner.runtime.clock.now()))
            .await
    }

    /// Where the trail begins, if entries were deleted.
    pub(crate) async fn checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.audit_checkpoint()).await
    }

    async fn read(
        &self,
        checkpoint: Option<&AuditCheckpoint>,
        anchor: Option<AuditHead>,
    ) -> Result<VerificationReport> {
        let end = self.head().await?.sequence;
        let mut verifier = AuditVerifier::new(self.key().await?, checkpoint, anchor);
        // From 0 and not from the checkpoint: no entry may be before it.
        let mut after = 0;
        loop {
            let page = self.entries(after, PAGE, None).await?;
            page.iter().for_each(|row| verifier.feed(row));
            match page.last() {
                Some(last) if page.len() == PAGE && last.entry.sequence < end && !verifier.has_failed() => {
                    after = last.entry.sequence;
                }
                _ => return Ok(verifier.finish()),
            }
        }
    }

    fn verified(&self) -> MutexGuard<'_, Option<LastVerification>> {
        self.inner.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn key(&self) -> Result<AuditKey> {
        if let Some(key) = self.inner.key.get() {
            return Ok(key.clone());
        }
        let secret = Zeroizing::new(self.inner.runtime.tasks.within(self.inner.runtime.store.signing_secret()).await?);
        Ok(self.inner.key.get_or_init(|| AuditKey::derived(&secret)).clone())
    }
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditTrail").finish_non_exhaustive()
    }
}
