//! [`ErasureStore`]: the contract of a store that can strike somebody out.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditNote, ErasedActivities, Erasure, ErasureId, Pseudonym},
    time::Timestamp,
};

/// A store that can strike a user out of everything it keeps.
///
/// # Contract
///
/// 1. **From [`begin_erasure`](Self::begin_erasure) on nothing of the user is stored**, whatever
///    was under way: each verb that would store something for them checks that in its own
///    transaction. Sessions, preferences and decisions are refused with
///    [`UserErased`](ErrorKind::UserErased); events are left out of their batch as if they were
///    known.
/// 2. **An erasure goes on after a crash**, from where it was; each step is atomic, and doing it
///    again changes nothing.
/// 3. **When it is finished nothing is left** but the pseudonym and the counts, and rows of nobody
///    if that was asked for: no row, no name, and where the store can overwrite what it deletes, no
///    residue once [`scrub`](Self::scrub) has answered yes.
/// 4. Rows of others are not touched, nor what others did in the browser of a visitor who was
///    linked to the user.
/// 5. **Each verb that changes something records its note** in its transaction, see
///    [`AuditStore`](super::AuditStore): one that finds nothing to do, or fails, records none.
pub trait ErasureStore: Send + Sync + 'static {
    /// Strikes the user out until `until` and ends their sessions, in one step. If they are struck
    /// out already, that erasure. The first answer counts the sessions; a store that cannot keep
    /// this count may leave it out of later ones.
    fn begin_erasure(
        &self,
        user: UserId,
        until: Timestamp,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<Erasure>> + Send;

    /// Erases at most `limit` rows of what is left, and as many payloads of the audit trail. The
    /// erasure as it is then: finished, if nothing is left. `note` is recorded then, as
    /// [`AuditNote::finished`] makes it.
    ///
    /// What becomes of activities is said with each step, so that whoever goes on with an erasure
    /// may decide otherwise. Of those that are anonymised, one whose type or route (with its
    /// method) no event of anybody else has is deleted after all: it would single the user out, and
    /// may name them.
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

    /// The erasures that are not finished, the oldest first.
    fn unfinished_erasures(&self) -> impl Future<Output = Result<Vec<Erasure>>> + Send;

    /// The erasure that keeps the user out, if there is one.
    fn erasure_of(&self, user: UserId) -> impl Future<Output = Result<Option<Erasure>>> + Send;

    /// Lets a user in again whose erasure is finished. `false` if they are not struck out.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the erasure is under way.
    fn lift_erasure(&self, user: UserId, note: AuditNote, now: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Names of users of whom something is kept, in the order of their bytes, at most `limit`, from
    /// the first one behind `after` on. It may have names of users of whom nothing is left, and
    /// lacks those whose sessions are all there is, if sessions are kept elsewhere.
    fn users(&self, after: Option<UserId>, limit: usize) -> impl Future<Output = Result<Vec<UserId>>> + Send;

    /// The erasure with this pseudonym, if there is one.
    fn tombstone(&self, pseudonym: Pseudonym) -> impl Future<Output = Result<Option<Erasure>>> + Send;

    /// Strikes out with an erasure that is remembered elsewhere, as it is: with its id and its
    /// times. If it names the user, their sessions end in the same step, and there is something
    /// left to erase; if not, it is finished. If there is an erasure with its pseudonym already,
    /// that one.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it is finished and names somebody, or neither,
    /// or if the pseudonym is not the user's.
    fn restore_erasure(
        &self,
        erasure: Erasure,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<Erasure>> + Send;

    /// Lets the user of a finished erasure in again, whoever it is. `false` if there is no such
    /// erasure.
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

    /// Since when erasures are remembered in a [journal](crate::privacy), if they ever were.
    fn journal_since(&self) -> impl Future<Output = Result<Option<Timestamp>>> + Send;

    /// Erasures are remembered in a journal from now on: so that one that is gone is missed. The
    /// first time stays.
    fn begin_journal(&self, now: Timestamp) -> impl Future<Output = Result<()>> + Send;

    /// Forgets at most `limit` finished erasures that need not be remembered any longer at `now`.
    /// How many there were.
    fn delete_tombstones(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Overwrites what was deleted, as far as the store can: the log, free pages. `false` if
    /// something may be left for now, because somebody is reading; try again later.
    fn scrub(&self) -> impl Future<Output = Result<bool>> + Send;
}

pub(super) fn user_erased() -> Error {
    Error::new(ErrorKind::UserErased, "the user was erased: nothing is stored")
}

/// An erasure that somebody hands over to be kept.
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

/// A tombstone alone.
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
