//! [`AuditStore`]: the contract of a store of the audit trail.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditCheckpoint, AuditFault, AuditHead, AuditKey, AuditNote, AuditRow},
    time::Timestamp,
};

/// A store of the audit trail: a chain of entries that only grows at its end.
///
/// # Contract
///
/// 1. **Entries are numbered from 1 without gaps**, whichever process writes. Each is made with
///    [`AuditRow::new`] after the last one.
/// 2. **A note is recorded together with what it is about, or neither is.** A method with a note
///    records it in its own transaction, and only if it changed something.
/// 3. **An entry never changes.** Its payload is stored beside it and can be removed:
///    [`erase_some`] removes the payloads of entries whose subject or actor is erased. No payload
///    is stored for a user whose erasure is finished.
/// 4. **Old entries are deleted from the beginning on**, and a checkpoint remains. A part that was
///    changed is not deleted: it is evidence.
///
/// [`erase_some`]: super::ErasureStore::erase_some
pub trait AuditStore: Send + Sync + 'static {
    /// Records a note of its own. Returns the head of the trail.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if its payload is too large.
    fn record_audit(&self, note: AuditNote, now: Timestamp) -> impl Future<Output = Result<AuditHead>> + Send;

    /// Returns the entries after number `after` in order, at most `limit`; only those about
    /// `subject`, if one is given.
    fn audit_page(
        &self,
        after: u64,
        limit: usize,
        subject: Option<UserId>,
    ) -> impl Future<Output = Result<Vec<AuditRow>>> + Send;

    /// Returns the last entry: that of the checkpoint if none follows, [`AuditHead::BEGINNING`] if
    /// there was never one.
    fn audit_head(&self) -> impl Future<Output = Result<AuditHead>> + Send;

    /// Returns where the trail begins, if entries were deleted.
    fn audit_checkpoint(&self) -> impl Future<Output = Result<Option<AuditCheckpoint>>> + Send;

    /// Deletes at most `limit` of the oldest entries with their payloads, up to the first that was
    /// recorded at `before` or later. Returns their number; less than `limit` means that no more
    /// are old.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if these entries, or the checkpoint before them, were
    /// changed. Nothing is deleted then.
    fn delete_audit_entries(
        &self,
        before: Timestamp,
        limit: usize,
        key: AuditKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<usize>> + Send;
}

pub(super) fn not_intact(fault: AuditFault) -> Error {
    let context = format!("entry {} of the audit trail was changed: nothing is deleted", fault.sequence);
    Error::new(ErrorKind::Corrupt, context)
}
