//! [`RestrictionStore`]: the contract of a store that restricts and holds data.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditNote, HeldClass, LegalHold, Restriction},
    time::Timestamp,
};

/// A store that keeps data of a user without using it, or without deleting it.
///
/// # Contract
///
/// 1. **While a user is restricted, no event of theirs is stored.** Each batch checks that in its
///    own transaction and leaves their events out as if they were known, and those of visitors who
///    were linked to them and not logged in.
/// 2. **A filter that [excludes](crate::activity::ActivityFilter::except_restricted) restricted
///    users** skips the events of users who are restricted, or whose activities are held, at that
///    time, and of visitors who were linked to them and not logged in.
/// 3. **Held data is not erased**: [`erase_some`](super::ErasureStore::erase_some) leaves it, and
///    lists it in [`Erasure::retained`](crate::privacy::Erasure::retained) when nothing else is
///    left. The tombstone stays in force. When nothing is held any more, the same erasure can be
///    finished.
/// 4. **A finished erasure** leaves neither restriction nor hold.
/// 5. **A user who confirmed an erasure stays restricted** until that is cancelled or done,
///    whatever happens in parallel: [`Restriction::replaced`].
/// 6. **Each method is atomic**, with the note that records it. A method that changes nothing
///    records none. An answer is a promise.
pub trait RestrictionStore: Send + Sync + 'static {
    /// Restricts the user, or lifts the restriction with `None`. Returns the restriction before.
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user was erased. The errors of
    /// [`Restriction::replaced`].
    fn restrict(
        &self,
        user: UserId,
        restriction: Option<Restriction>,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Restriction>>> + Send;

    /// Returns the restriction of the user.
    fn restriction_of(&self, user: UserId) -> impl Future<Output = Result<Option<Restriction>>> + Send;

    /// Returns restricted users in the order of the bytes of their names, at most `limit`. Fewer
    /// than `limit` are all of them.
    fn restricted_users(&self, limit: usize) -> impl Future<Output = Result<Vec<UserId>>> + Send;

    /// Holds a class of the data of the user. Replaces an earlier hold of the class.
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the erasure of the user is finished, so that
    /// nothing is left to hold.
    fn place_hold(
        &self,
        user: UserId,
        hold: LegalHold,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Releases a class of the data of the user. Returns `false` if it was not held.
    fn release_hold(
        &self,
        user: UserId,
        class: HeldClass,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Returns the holds on the data of the user by class, expired ones included.
    fn holds_of(&self, user: UserId) -> impl Future<Output = Result<Vec<LegalHold>>> + Send;
}

pub(super) fn nothing_to_hold() -> Error {
    Error::new(ErrorKind::UserErased, "the user was erased: no data is left to hold")
}
