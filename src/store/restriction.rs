//! [`RestrictionStore`]: the contract of a store that keeps data of some without using it.

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
/// 1. **While a user is restricted no event of theirs is stored**: each batch checks that in its
///    own transaction, and leaves their events out as if they were known, those of visitors who
///    were linked to them and not logged in as well.
/// 2. **What a filter [spares](crate::activity::ActivityFilter::sparing_restricted)** are the
///    events of users who are restricted or whose activities are held at that time, and of visitors
///    who were linked to them and not logged in.
/// 3. **What is held is not erased** ([`erase_some`](super::ErasureStore::erase_some) leaves it,
///    and says so in [`Erasure::retained`](crate::privacy::Erasure::retained) when nothing else is
///    left). The tombstone holds meanwhile. When nothing is held any more, the same erasure can be
///    finished.
/// 4. **A finished erasure** leaves neither restriction nor hold.
/// 5. **Who has confirmed to be erased stays restricted** until that is taken back or done,
///    whatever comes at the same time: [`Restriction::replaced`].
/// 6. **Every verb is atomic**, with the note that records it; one that changes nothing is not
///    noted. An answer is a promise.
pub trait RestrictionStore: Send + Sync + 'static {
    /// Restricts the user, or lifts that with `None`. What held before.
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user is; what [`Restriction::replaced`]
    /// refuses.
    fn restrict(
        &self,
        user: UserId,
        restriction: Option<Restriction>,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Restriction>>> + Send;

    /// What restricts the user.
    fn restriction_of(&self, user: UserId) -> impl Future<Output = Result<Option<Restriction>>> + Send;

    /// The users who are restricted, in the order of their names' bytes, at most `limit`: a few,
    /// most often none. Less than `limit` means that these are all.
    fn restricted_users(&self, limit: usize) -> impl Future<Output = Result<Vec<UserId>>> + Send;

    /// Holds a class of the user's data, in place of what held it before.
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user's erasure is finished: there is nothing to
    /// hold.
    fn place_hold(
        &self,
        user: UserId,
        hold: LegalHold,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Releases a class of the user's data. `false` if it was not held.
    fn release_hold(
        &self,
        user: UserId,
        class: HeldClass,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// What is held of the user, and what was until its time was over; by class.
    fn holds_of(&self, user: UserId) -> impl Future<Output = Result<Vec<LegalHold>>> + Send;
}

pub(super) fn nothing_to_hold() -> Error {
    Error::new(ErrorKind::UserErased, "the user was erased: no data is left to hold")
}
