//! [`ConsentStore`]: the contract of a store of decisions and notices.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::{UserId, VisitorId},
    model::consent::{ConsentId, ConsentRecord, ConsentStates, MergePolicy, Notice, NoticeHash, PurposeId, Subject},
    time::Timestamp,
};

/// A store of decisions with their proof, and of notices.
///
/// # Contract
///
/// 1. **Records are only added**, never changed. The state of a subject is derived: the last stored
///    record of each purpose.
/// 2. **States and records change together.** A reader never sees one without the other, and
///    [`rebuild_consents`](Self::rebuild_consents) finds nothing to correct.
/// 3. **Every method is atomic and durable.** A crash does not undo a grant or a withdrawal that
///    was acknowledged.
/// 4. **A notice is immutable**: one text for each purpose, version and language, forever.
/// 5. **A dropped future** has taken full effect or none.
pub trait ConsentStore: Send + Sync + 'static {
    /// Returns the states of the subject. They are empty for a subject without decisions and for a
    /// visitor who was [linked](Self::link_visitor).
    fn consents(&self, subject: Subject) -> impl Future<Output = Result<ConsentStates>> + Send;

    /// Adds those of `records` that are [new](ConsentRecord::is_new_after), in their order, and
    /// sets the preceding record of each. Returns the states after that. On an error nothing is
    /// stored.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): there are no records, or they have
    ///   different subjects.
    /// - [`Conflict`](crate::ErrorKind::Conflict): an id is taken.
    /// - [`Ended`](crate::ErrorKind::Ended): the subject is a visitor who was
    ///   [linked](Self::link_visitor).
    fn record_consents(&self, records: Vec<ConsentRecord>) -> impl Future<Output = Result<ConsentStates>> + Send;

    /// Returns the newest `limit` records of the subject and of visitors that were linked to it,
    /// newest first.
    ///
    /// With `before`, only records that were stored before this one; none if there is no such
    /// record.
    fn consent_history(
        &self,
        subject: Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> impl Future<Output = Result<Vec<ConsentRecord>>> + Send;

    /// Links a visitor to the user that they logged in as. Records the decisions of
    /// [`ConsentStates::merge`] for the user, with the proof of the visitor and the method
    /// [`Merge`](crate::consent::DecisionMethod::Merge), and returns the states of the user.
    ///
    /// A link ends the visitor: its records stay and belong to the history of the user, but no
    /// record is added to it. Linking a visitor again changes nothing, even for another user. A
    /// visitor without decisions is not linked.
    fn link_visitor(
        &self,
        visitor: VisitorId,
        user: UserId,
        policy: MergePolicy,
        now: Timestamp,
    ) -> impl Future<Output = Result<ConsentStates>> + Send;

    /// Returns the subjects that refuse `purpose`, and the visitors that were linked to one of
    /// them: each once, at most `limit`, in no particular order. Fewer than `limit` means that
    /// these are all.
    ///
    /// A subject refuses a purpose if its last decision about it is a refusal, and it has ever
    /// granted it or objects to it, so that events may have been recorded. With `denied`, a denial
    /// alone suffices.
    ///
    /// The cost grows with the number of refusing subjects, not with the number of all subjects.
    fn refusing_subjects(
        &self,
        purpose: PurposeId,
        denied: bool,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Subject>>> + Send;

    /// Rebuilds the states of all subjects from the records. Returns the number of subjects whose
    /// states were wrong: 0 unless another program wrote to the store.
    fn rebuild_consents(&self) -> impl Future<Output = Result<u64>> + Send;

    /// Stores a notice. Storing the same notice again is no error.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if there is another text for this purpose, version
    /// and language.
    fn publish_notice(&self, notice: Notice) -> impl Future<Output = Result<()>> + Send;

    /// Returns the notice with this text; the one that was published first, if there are several.
    fn notice(&self, hash: NoticeHash) -> impl Future<Output = Result<Option<Notice>>> + Send;

    /// Returns the secret of the store, which all of its users share. It signs values that a client
    /// must return unchanged.
    ///
    /// A reader of the store can forge such values, and nothing else.
    fn signing_secret(&self) -> impl Future<Output = Result<[u8; 32]>> + Send;
}

/// Returns the subject of the records.
pub(super) fn one_subject(records: &[ConsentRecord]) -> Result<Subject> {
    match records {
        [first, rest @ ..] if rest.iter().all(|record| record.subject == first.subject) => Ok(first.subject.clone()),
        _ => Err(Error::new(ErrorKind::InvalidInput, "consent records are stored for one subject at a time")),
    }
}

pub(super) fn visitor_ended() -> Error {
    Error::new(ErrorKind::Ended, "the visitor has logged in and cannot decide any more: use a new visitor")
}

pub(super) fn text_changed() -> Error {
    let context = "a notice has one text for each purpose, version and language: a new text needs a new version";
    Error::new(ErrorKind::Conflict, context)
}
