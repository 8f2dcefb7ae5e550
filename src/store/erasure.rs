//! [`ErasureStore`]: the contract of a store that erases users.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditNote, ErasedActivities, Erasure, ErasureId, Pseudonym},
    time::Timestamp,
};

/// A store that can erase a user.
///
/// # Contract
///
/// 1. **After [`begin_erasure`](Self::begin_erasure) nothing of the user is stored**, whatever was
///    under way: each method that would store something checks the tombstone in its own
///    transaction. Sessions, preferences and decisions are refused with
///    [`UserErased`](ErrorKind::UserErased); events are left out of their batch as if they were
///    known.
/// 2. **An erasure continues after a crash**, from where it was. Each step is atomic; repeating it
///    changes nothing.
/// 3. **A finished erasure leaves only** the pseudonym, the counts and, if requested, anonymised
///    events: no row and no name. If the store can overwrite what it deletes, no residue remains
///    once [`scrub`](Self::scrub) returns true.
/// 4. **Other users are not affected**, nor is what they did in the browser of a visitor who was
///    linked to the user.
/// 5. **Each method that changes something records its note** in its transaction, see
///    [`AuditStore`](super::AuditStore). A method that finds nothing to do, or fails, records none.
pub trait ErasureStore: Send + Sync + 'static {
    /// Stores a tombstone that expires at `until` and ends the sessions of the user, in one step.
    /// If the user is erased already, returns that erasure. The first answer counts the sessions; a
    /// store that cannot keep this count may leave it out of later answers.
    fn begin_erasure(
        &self,
        user: UserId,
        until: Timestamp,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<Erasure>> + Send;

    /// Erases at most `limit` of the remaining rows, and as many payloads of the audit trail.
    /// Returns the erasure, which is finished if nothing is left; `note` is recorded then, as
    /// [`AuditNote::finished`] makes it.
    ///
    /// `activities` is passed with each step, so that it may change between steps. An event to be
    /// anonymised is deleted instead if no event of another user has its type, or its route and
    /// method: it would single the user out, and may name them.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if there is no such erasure.
    fn erase_some(
        &self,
        id: ErasureId,
        limit: usize,
        activities: ErasedActivities,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<Erasure>> + Send;

    /// Returns the erasures that are not finished, the oldest first.
    fn unfinished_erasures(&self) -> impl Future<Output = Result<Vec<Erasure>>> + Send;

    /// Returns the erasure of the user, if there is one.
    fn erasure_of(&self, user: UserId) -> impl Future<Output = Result<Option<Erasure>>> + Send;

    /// Lifts the finished erasure of a user. Returns `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the erasure is under way.
    fn lift_erasure(&self, user: UserId, note: AuditNote, now: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Returns the names of users with data, in the order of their bytes, at most `limit`,
    /// beginning after `after`. It may include users of whom nothing is left, and lacks users with
    /// nothing but sessions if those are kept elsewhere.
    fn users(&self, after: Option<UserId>, limit: usize) -> impl Future<Output = Result<Vec<UserId>>> + Send;

    /// Returns the erasure with this pseudonym, if there is one.
    fn tombstone(&self, pseudonym: Pseudonym) -> impl Future<Output = Result<Option<Erasure>>> + Send;

    /// Begins an erasure that is known from elsewhere, with its id and its times. If it names the
    /// user, their sessions end in the same step and rows remain to be erased; if not, it is
    /// finished. If the pseudonym has an erasure already, returns that.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it is finished and names a user, or neither, or
    /// if the pseudonym is not the user's.
    fn restore_erasure(
        &self,
        erasure: Erasure,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<Erasure>> + Send;

    /// Lifts a finished erasure by its id. Returns `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the erasure is under way.
    fn lift_erasure_by_id(
        &self,
        id: ErasureId,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Restores the tombstones of users of whom nothing is left, all in one step: those with a
    /// pseudonym that is known already stay as they are. Returns how many were missing; `note` is
    /// recorded once, if any was.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if an erasure names its user or is not finished;
    /// nothing is restored then.
    fn restore_tombstones(
        &self,
        erasures: Vec<Erasure>,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<u64>> + Send;

    /// Returns since when erasures are written to a [journal](crate::privacy::ErasureJournal), if
    /// they ever were.
    fn journal_since(&self) -> impl Future<Output = Result<Option<Timestamp>>> + Send;

    /// Records that erasures are written to a journal from now on, so that a missing one is
    /// noticed. The first time is kept.
    fn begin_journal(&self, now: Timestamp) -> impl Future<Output = Result<()>> + Send;

    /// Deletes at most `limit` finished erasures that have expired at `now`. Returns their number.
    fn delete_tombstones(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Overwrites deleted data as far as the store can: the log, free pages. Returns `false` if a
    /// reader blocks that; try again later.
    fn scrub(&self) -> impl Future<Output = Result<bool>> + Send;
}

pub(super) fn user_erased() -> Error {
    Error::new(ErrorKind::UserErased, "the user was erased: nothing is stored")
}

/// Checks an erasure that is passed to the store.
pub(super) fn check_whole(erasure: &Erasure, secret: &[u8; 32]) -> Result<()> {
    let is_theirs = match &erasure.user {
        Some(user) => Pseudonym::of(user, secret) == erasure.pseudonym,
        None => true,
    };
    if erasure.user.is_some() == erasure.finished_at.is_none() && is_theirs {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, "an erasure is incomplete, or belongs to another store"))
}

/// Checks a tombstone.
pub(super) fn check_nameless(erasure: &Erasure) -> Result<()> {
    if erasure.user.is_none() && erasure.finished_at.is_some() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, "a tombstone is a finished erasure without a user"))
}

pub(super) fn no_such_erasure() -> Error {
    Error::new(ErrorKind::InvalidInput, "there is no such erasure")
}

pub(super) fn under_way() -> Error {
    Error::new(ErrorKind::Conflict, "the erasure is under way")
}
