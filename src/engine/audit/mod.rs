//! [`AuditTrail`]: who did what to whose data, so that it can be shown later, and that it was not changed since.

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

/// The audit trail of a guestbook; what it proves stands below. A clone is another handle.
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{Guestbook, UserId, privacy::{Actor, AuditAction}, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).audit_key([7; 32]).build()?;
/// let (audit, ada) = (guestbook.audit(), UserId::try_from("ada")?);
/// let desk = Actor::Operator("desk 3".into());
/// let head = audit.record(AuditAction::custom("invoice.corrected")?, desk, Some(&ada), json!({ "invoice": 17 })).await?;
/// assert_eq!(head.sequence, 1);
///
/// // Keep `head` where who can change the database cannot change it, and later:
/// let report = audit.verify(Some(head)).await?;
/// assert!(report.is_intact() && report.anchored);
///
/// let about_ada = audit.entries(0, 100, Some(&ada)).await?;
/// assert_eq!(about_ada[0].content()?.unwrap().detail, json!({ "invoice": 17 }));
/// # Ok(()) }
/// ```
///
/// # What is in it
///
/// Erasures, readmissions, exports, imports and runs of retention that deleted something are recorded by themselves, in the transaction of what
/// they record where there is one; the application adds [its own](AuditTrail::record). Each [entry](AuditEntry) has the MAC of the
/// one before it under its own MAC. Entries name nobody: actors and subjects are keyed hashes, and what is said of persons stands in
/// a [payload](crate::privacy::AuditPayload) beside the entry, which has only the payload's hash, with salt. An erasure takes
/// payloads away, and the chain stays what it was.
///
/// # What a verification proves, and what it does not
///
/// | somebody | found |
/// |---|---|
/// | changes an entry, deletes one in the middle, puts them in another order, changes a payload | yes: the first entry that is wrong is named |
/// | cuts entries off at the end | if you have kept a [head](AuditTrail::head) elsewhere and verify against it |
/// | cuts entries off at the beginning, or changes the checkpoint that [retention](crate::retention::RetentionRules::keep_audit) left | yes |
/// | takes a payload away | no: erasures do that; the report counts them |
/// | empties the whole trail | only with a head that was kept elsewhere |
/// | has the key and makes the trail anew | only with a head that was kept elsewhere |
/// | never records what they did | no: what is there is right, but that it is everything is not proven |
///
/// Without a key of your own the key is made from the store's secret. This finds accidents, and changes by those who cannot read the
/// secret; it does not find those of somebody who has the whole database, as the secret is in it. To find those give
/// [`audit_key`](crate::GuestbookBuilder::audit_key) a key that is kept elsewhere. The key must stay the same: with another one the
/// trail looks altered from its first entry on.
///
/// # By itself
///
/// The guestbook verifies the trail once a day ([`verify_audit`](crate::GuestbookBuilder::verify_audit)), each process for itself, the first
/// time a sweep after its start. What it found is [`last_verification`](AuditTrail::last_verification), the metrics below, and an error
/// event if the trail is not what was recorded. From the second time on it also finds what was cut off at the end since the time before; a process that
/// starts anew does not remember, so keep a [head](AuditTrail::head) elsewhere all the same. If the store fails, the next sweep tries again.
///
/// # What it costs
///
/// Some 430 bytes of disk in SQLite for an entry about a user with a short detail, indexes and payload included (20,000 entries), in a
/// transaction that is written anyway or, for an entry of its own, that others share. A verification reads the trail in pages; memory does not grow with it. The memory store keeps 100,000 entries.
///
/// # Metrics
///
/// With feature `metrics`:
///
/// | name | kind | what |
/// |---|---|---|
/// | `guestbook_audit_entries_total` | counter | entries of the store's trail since its beginning, as this process saw them last |
/// | `guestbook_audit_intact` | gauge | 1 if the last verification found nothing wrong, else 0 |
/// | `guestbook_audit_verified_seconds` | gauge | when that was, in seconds since 1970 |
#[derive(Clone)]
pub struct AuditTrail {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    /// That of the builder, or the one made from the store's secret when it was first needed.
    key: OnceLock<AuditKey>,
    verified: Mutex<Option<LastVerification>>,
}

/// What a verification has found, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LastVerification {
    /// When it ended.
    pub at: Timestamp,
    /// What it found.
    pub report: VerificationReport,
}

/// So many entries come at a time.
const PAGE: usize = 1_000;

/// So often a verification is tried if old entries are dropped meanwhile.
const ATTEMPTS: usize = 3;

impl AuditTrail {
    pub(crate) fn new(runtime: Runtime, own: Option<AuditKey>) -> Self {
        let key = own.map_or_else(OnceLock::new, OnceLock::from);
        Self { inner: Arc::new(Inner { runtime, key, verified: Mutex::default() }) }
    }

    /// Records what was done, by whom and about whom, and what else there is to say: at most 16 KiB, which are erased with the subject.
    /// The trail's head then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`]; what the store reports. Nothing is recorded then.
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

    /// A page of the trail: at most `limit` entries, and at most 1,000, after number `after`, the oldest first; those about `subject`
    /// if one is given.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn entries(&self, after: u64, limit: usize, subject: Option<&UserId>) -> Result<Vec<AuditRow>> {
        let page = self.inner.runtime.store.audit_page(after, limit.min(PAGE), subject.cloned());
        self.inner.runtime.tasks.within(page).await
    }

    /// The last entry. Kept elsewhere it is the anchor of later [verifications](Self::verify).
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn head(&self) -> Result<AuditHead> {
        let head = self.inner.runtime.tasks.within(self.inner.runtime.store.audit_head()).await?;
        metrics::grown(&head);
        Ok(head)
    }

    /// Reads the whole trail and says whether it is what was recorded, and ends not before `anchor`. Entries that are recorded
    /// meanwhile may be read or not.
    ///
    /// # Errors
    ///
    /// What the store reports. That the trail is not intact is no error but a [fault](VerificationReport::fault).
    pub async fn verify(&self, anchor: Option<AuditHead>) -> Result<VerificationReport> {
        let mut checkpoint = self.checkpoint().await?;
        let mut report = self.read(checkpoint.as_ref(), anchor).await?;
        for _ in 1..ATTEMPTS {
            let now = self.checkpoint().await?;
            if report.is_intact() || now == checkpoint {
                break;
            }
            // Retention has dropped what was to be read.
            checkpoint = now;
            report = self.read(checkpoint.as_ref(), anchor).await?;
        }
        let at = self.inner.runtime.clock.now();
        *self.verified() = Some(LastVerification { at, report: report.clone() });
        metrics::verified(&report, at);
        if let Some(fault) = report.fault {
            let (sequence, flaw) = (fault.sequence, fault.flaw);
            tracing::error!(sequence, ?flaw, "the audit trail is not what was recorded");
        }
        Ok(report)
    }

    /// What the last verification in this process has found, by itself or asked for; `None` if there was none yet.
    pub fn last_verification(&self) -> Option<LastVerification> {
        self.verified().clone()
    }

    /// Verifies the trail if that was not done for so long, against what was found the last time. `None` if it is not due.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub(crate) async fn verify_if_due(&self, interval: Duration) -> Result<Option<VerificationReport>> {
        let last = self.last_verification();
        if last.as_ref().is_some_and(|last| self.inner.runtime.clock.now().since(last.at) < interval) {
            return Ok(None);
        }
        let anchor = last.filter(|last| last.report.is_intact()).map(|last| last.report.head);
        self.verify(anchor).await.map(Some)
    }

    /// A note for a verb of the store that records it with what it does.
    pub(crate) async fn note(&self, action: AuditAction, actor: Actor, subject: Option<&UserId>) -> Result<AuditNote> {
        Ok(AuditNote::new(action, actor, subject.cloned(), self.key().await?))
    }

    /// Drops at most `limit` entries that were recorded before.
    pub(crate) async fn evict(&self, before: Timestamp, limit: usize) -> Result<usize> {
        let (inner, key) = (&self.inner, self.key().await?);
        inner
            .runtime
            .tasks
            .within(inner.runtime.store.delete_audit_entries(before, limit, key, inner.runtime.clock.now()))
            .await
    }

    /// Where the trail begins, if entries were dropped.
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
        // Not after the checkpoint: before it nothing must be.
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
