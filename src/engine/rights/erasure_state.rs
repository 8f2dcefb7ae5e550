//! [`ErasureState`]: how far an erasure is.

use serde::Serialize;

use super::Rights;
use crate::{error::Result, id::UserId, model::privacy::Pseudonym};

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErasureState {
    /// No erasure is known under this pseudonym in this process.
    None,
    /// The erasure is not decided yet, or under way. It is retried until it is done.
    Pending,
    /// Everything is erased except data under a [hold](Rights::place_hold).
    Partial,
    /// Everything is erased.
    Done,
}

impl Rights {
    /// Returns how far the erasure with this pseudonym is: for users who can no longer log in.
    ///
    /// While neither the journal nor the store answers, only this process knows of a pending
    /// erasure. Other processes, and the next start, return [`None`](ErasureState::None) for it.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn erasure_state(&self, pseudonym: Pseudonym) -> Result<ErasureState> {
        if self.inner.parts.pending.has(pseudonym) {
            return Ok(ErasureState::Pending);
        }
        let known = async {
            self.opened().await?;
            self.inner.runtime.store.tombstone(pseudonym).await
        };
        Ok(match self.inner.runtime.tasks.within(known).await? {
            None => ErasureState::None,
            Some(erasure) if erasure.finished_at.is_some() => ErasureState::Done,
            Some(erasure) if erasure.is_partial() => ErasureState::Partial,
            Some(_) => ErasureState::Pending,
        })
    }

    /// Returns the pseudonym of a user, for [`erasure_state`](Self::erasure_state).
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym> {
        Ok(Pseudonym::of(user, self.secret().await?))
    }
}
