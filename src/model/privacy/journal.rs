//! [`JournalEntry`]: the begin or the end of an erasure, as a journal remembers it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    hex::Hex,
    id::UserId,
    model::privacy::{ErasedCounts, Erasure, ErasureId, Pseudonym},
    time::Timestamp,
};

/// An entry of an erasure journal. It names nobody; with the store's secret the pseudonym is still
/// personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JournalEntry {
    /// The erasure that began or was lifted.
    pub id: ErasureId,
    /// The pseudonym of the user.
    pub pseudonym: Pseudonym,
    /// When it happened.
    pub at: Timestamp,
    /// When the entry expires: no backup can bring the data back later.
    pub until: Timestamp,
    /// What happened.
    pub kind: JournalKind,
}

/// What happened to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalKind {
    /// The erasure began.
    Erased,
    /// The erasure was lifted, and all earlier ones of the user.
    Lifted,
}

/// A hash of the store's secret, by which a journal recognises its store. The secret cannot be
/// recovered from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreFingerprint([u8; 16]);

impl JournalEntry {
    /// Creates an entry from its parts, for a journal that reads its entries.
    pub const fn new(id: ErasureId, pseudonym: Pseudonym, at: Timestamp, until: Timestamp, kind: JournalKind) -> Self {
        Self { id, pseudonym, at, until, kind }
    }

    /// Creates the entry for an erasure that began.
    pub const fn erased(erasure: &Erasure) -> Self {
        Self::new(erasure.id, erasure.pseudonym, erasure.began_at, erasure.until, JournalKind::Erased)
    }

    /// Creates the entry for an erasure that is lifted now.
    pub const fn lifted(erasure: &Erasure, now: Timestamp) -> Self {
        Self::new(erasure.id, erasure.pseudonym, now, erasure.until, JournalKind::Lifted)
    }

    /// Returns whether the entry has not expired.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until > now
    }

    /// Returns the erasure to repeat. It is finished if `user` is `None`, as there is nothing to
    /// erase then.
    pub fn erasure(&self, user: Option<UserId>, now: Timestamp) -> Erasure {
        let finished_at = user.is_none().then_some(now);
        let Self { id, pseudonym, at: began_at, until, .. } = *self;
        Erasure {
            id,
            pseudonym,
            user,
            began_at,
            until,
            finished_at,
            erased: ErasedCounts::default(),
            retained: Vec::new(),
        }
    }
}

impl StoreFingerprint {
    /// Returns the fingerprint of the store with this secret.
    pub fn of(secret: &[u8; 32]) -> Self {
        let hash: [u8; 32] =
            Sha256::new().chain_update(b"guestbook journal 1\n").chain_update(secret).finalize().into();
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        Self(first)
    }
}

impl fmt::Display for StoreFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for StoreFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreFingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_stores_apart_and_is_not_the_pseudonym_of_anybody() {
        let (one, other) = (StoreFingerprint::of(&[1; 32]), StoreFingerprint::of(&[2; 32]));
        assert_ne!(one, other);
        assert_eq!(one.to_string().len(), 32);
        assert!(!Pseudonym::of(&UserId::from(1), &[1; 32]).to_string().starts_with(&one.to_string()));
    }

    #[test]
    fn an_erasure_that_is_remembered_keeps_its_name_and_its_times() {
        let (now, until) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        let user = UserId::from(7);
        let erasure = Erasure::begin(user.clone(), Pseudonym::of(&user, &[0; 32]), now, until).unwrap();
        let entry = JournalEntry::erased(&erasure);
        assert_eq!(entry.erasure(Some(user), until), erasure);
        let finished = entry.erasure(None, until);
        assert_eq!((finished.id, finished.user, finished.finished_at), (erasure.id, None, Some(until)));
        assert!(entry.is_in_force(now) && !entry.is_in_force(until), "to the millisecond");
        let lifted = JournalEntry::lifted(&erasure, until);
        assert_eq!((lifted.id, lifted.at, lifted.kind), (erasure.id, until, JournalKind::Lifted));
    }
}
