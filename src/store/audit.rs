//! [`AuditStore`]: the contract of a store that keeps an audit trail.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditCheckpoint, AuditFault, AuditHead, AuditKey, AuditNote, AuditRow},
    time::Timestamp,
};

/// A store that keeps an audit trail: a chain of entries that is only added to.
///
/// # Contract
///
/// 1. **Entries are numbered from 1 on without gaps**, whoever writes, in this process or another
///    on the same store; each is made with [`AuditRow::new`] after the last one.
/// 2. **A note is recorded with what it is about, or neither is.** Verbs that take a note record it
///    in their own transaction, and only if they changed something.
/// 3. **An entry is never changed.** Its payload is kept beside it and can be taken away:
///    [`erase_some`] takes those of entries whose subject or actor is erased, and of somebody whose
///    erasure is finished none is stored.
/// 4. **Old entries go from the beginning on**, and a checkpoint stays. A part that is not intact
///    is not dropped: it is the evidence.
///
/// [`erase_some`]: super::ErasureStore::erase_some
pub trait AuditStore: Send + Sync + 'static {
    /// Records a note of its own. The trail's head then.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if it has too much to say.
    fn record_audit(&self, note: AuditNote, now: Timestamp) -> impl Future<Output = Result<AuditHead>> + Send;

    /// At most `limit` entries after number `after`, in order; those about `subject`, if one is
    /// given.
    fn audit_page(
        &self,
        after: u64,
        limit: usize,
        subject: Option<UserId>,
    ) -> impl Future<Output = Result<Vec<AuditRow>>> + Send;

    /// The last entry: that of the checkpoint if there is none after it, [`AuditHead::BEGINNING`]
    /// if there was never any.
    fn audit_head(&self) -> impl Future<Output = Result<AuditHead>> + Send;

    /// Where the trail begins, if entries were dropped.
    fn audit_checkpoint(&self) -> impl Future<Output = Result<Option<AuditCheckpoint>>> + Send;

    /// Drops at most `limit` of the oldest entries, up to the first that was recorded at `before`
    /// or later, with their payloads. How many there were: less than `limit` means that no more is
    /// old.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if what is to be dropped, or the checkpoint before it, is
    /// not intact. Nothing is dropped then.
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
