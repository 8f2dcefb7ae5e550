//! [`ConsentStore`]: the contract of a store of consent.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::{UserId, VisitorId},
    model::consent::{ConsentId, ConsentRecord, ConsentStates, MergePolicy, Notice, NoticeHash, PurposeId, Subject},
    time::Timestamp,
};

/// A place where decisions are kept, with their proof.
///
/// # Contract
///
/// 1. **Records are only added.** None is ever changed. Where a subject stands is derived: the last
///    record of each purpose, in the order of storing.
/// 2. **Projection and records change together**: a reader never sees one without the other, and
///    [`rebuild_consents`](Self::rebuild_consents) finds nothing to mend.
/// 3. **Every verb is atomic**, and its answer a promise, as durable as the store can be: neither a
///    grant nor a withdrawal that was acknowledged is undone by a crash.
/// 4. **A notice is immutable**: one text for each purpose, version and language, for good.
/// 5. **A dropped future** may or may not have had its effect, but never half of it.
pub trait ConsentStore: Send + Sync + 'static {
    /// Where the subject stands. Nobody who has not decided is known, and no visitor who was
    /// [linked](Self::link_visitor).
    fn consents(&self, subject: Subject) -> impl Future<Output = Result<ConsentStates>> + Send;

    /// Adds those of `records` that are [news](ConsentRecord::is_new_after), in their order, and
    /// fills in what was before each. Where the subject stands then.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there are none or they are not all of
    /// one subject, [`Conflict`](crate::ErrorKind::Conflict) if an id is taken,
    /// [`Ended`](crate::ErrorKind::Ended) if the subject is a visitor who was
    /// [linked](Self::link_visitor). Nothing is stored then.
    fn record_consents(&self, records: Vec<ConsentRecord>) -> impl Future<Output = Result<ConsentStates>> + Send;

    /// The records of the subject, and of visitors that were linked to it, the last stored first;
    /// at most `limit`, those that were stored before the record `before`: none, if there is no
    /// such record.
    fn consent_history(
        &self,
        subject: Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> impl Future<Output = Result<Vec<ConsentRecord>>> + Send;

    /// Links a visitor to the account that they logged in to, and records there what
    /// [`ConsentStates::merge`] says, with the visitor's proof and the method
    /// [`Merge`](crate::consent::DecisionMethod::Merge). Where the account stands then.
    ///
    /// A link ends the visitor: their records stay as they are and belong to the history of the
    /// account, but no record is added to them. A visitor who is linked already changes nothing,
    /// whoever logs in. One who has decided nothing is not linked.
    fn link_visitor(
        &self,
        visitor: VisitorId,
        user: UserId,
        policy: MergePolicy,
        now: Timestamp,
    ) -> impl Future<Output = Result<ConsentStates>> + Send;

    /// Who refuses `purpose`, and visitors who were linked to one of them: each once, at most
    /// `limit`, in no particular order. Less than `limit` means that these are all.
    ///
    /// Whoever's last decision on it is a no, and who has said more than a denial about it before
    /// or with that: they have agreed, or object. So something may have been recorded of them. With
    /// `denied` a denial suffices.
    ///
    /// The time that it takes grows with the number of those who refuse the purpose, and not with
    /// that of the others.
    fn refusing_subjects(
        &self,
        purpose: PurposeId,
        denied: bool,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Subject>>> + Send;

    /// Makes the projection again from the records. How many subjects stood elsewhere: 0 unless
    /// somebody else wrote.
    fn rebuild_consents(&self) -> impl Future<Output = Result<u64>> + Send;

    /// Keeps a notice. That it is there already is no error.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if there is another text for this purpose, version
    /// and language.
    fn publish_notice(&self, notice: Notice) -> impl Future<Output = Result<()>> + Send;

    /// The notice with this text that was published first.
    fn notice(&self, hash: NoticeHash) -> impl Future<Output = Result<Option<Notice>>> + Send;

    /// A secret that was made with the store and that all who use it have in common: it signs what
    /// a client must bring back unchanged. Whoever reads the store can forge that, and no more.
    fn signing_secret(&self) -> impl Future<Output = Result<[u8; 32]>> + Send;
}

/// Whose records they are.
pub(super) fn one_subject(records: &[ConsentRecord]) -> Result<Subject> {
    match records {
        [first, rest @ ..] if rest.iter().all(|record| record.subject == first.subject) => Ok(first.subject.clone()),
        _ => Err(Error::new(ErrorKind::InvalidInput, "records of consent are stored for one subject at a time")),
    }
}

pub(super) fn visitor_ended() -> Error {
    Error::new(ErrorKind::Ended, "the visitor has logged in: a new visitor decides from now on")
}

pub(super) fn text_changed() -> Error {
    let context = "a notice has one text for each purpose, version and language: give the new text a new version";
    Error::new(ErrorKind::Conflict, context)
}
