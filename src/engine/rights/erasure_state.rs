//! [`ErasureState`]: how far an erasure is.

use serde::Serialize;

use super::Rights;
use crate::{error::Result, id::UserId, model::privacy::Pseudonym};

/// How far an erasure is that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErasureState {
    /// Nobody is erased under this pseudonym, as far as this process knows.
    None,
    /// It is not decided yet, or under way. It is tried until it is done.
    Pending,
    /// All is erased but what is [held](Rights::place_hold).
    Partial,
    /// All is erased.
    Done,
}

impl Rights {
    /// How far the erasure is whose answer had this pseudonym: for a user who cannot log in any more to ask.
    ///
    /// What is pending only here, because neither the journal nor the store answers, another process or the next start does
    /// not know of: there it is [`None`](ErasureState::None).
    ///
    /// # Errors
    ///
    /// What the store reports.
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

    /// The pseudonym of a user, by which the [state](Self::erasure_state) of their erasure can be asked for.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym> {
        Ok(Pseudonym::of(user, self.secret().await?))
    }
}
