//! [`CredentialStore`]: the contract of a store that counts changes of credentials.

use std::future::Future;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::session::{CredentialEpoch, Realm},
};

/// A store that keeps the [`CredentialEpoch`] of each user.
///
/// 1. **An epoch never decreases.** It is 0 for an unknown user. After the epoch of a user or a
///    realm is raised, every number read before differs from the current one.
/// 2. Epochs of different realms are independent.
/// 3. **A store that is also a [`SessionStore`](super::SessionStore)** follows [`EpochRule`] in the
///    transaction that creates a session, and raises the epoch in the transaction of a
///    [`Revocation::User`](super::Revocation::User) or [`Revocation::All`](super::Revocation::All).
/// 4. The epoch of an erased user is deleted with their sessions. Nothing is stored for a user who
///    is erased.
pub trait CredentialStore: Send + Sync + 'static {
    /// Returns the current epoch of `user` in `realm`.
    fn credential_epoch(&self, realm: Realm, user: UserId) -> impl Future<Output = Result<CredentialEpoch>> + Send;

    /// Raises the epoch of `user` in `realm`, or of everybody in `realm` if `user` is `None`.
    /// Returns the new epoch of the user; of a user without changes of their own if it is `None`.
    /// Ends no session.
    fn raise_credential_epoch(
        &self,
        realm: Realm,
        user: Option<UserId>,
    ) -> impl Future<Output = Result<CredentialEpoch>> + Send;
}

/// What a store does about the [`CredentialEpoch`] of a session that it makes.
///
/// A session without a user has epoch 0, whatever the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EpochRule {
    /// Stores the epoch of the head as it is. A [`SplitStore`](super::SplitStore) has compared it
    /// where epochs are kept, and its session store is asked with nothing else.
    Keep,
    /// Stores the session with the current epoch of its user.
    Stamp,
    /// Refuses with [`CredentialsChanged`](ErrorKind::CredentialsChanged) unless the epoch of the
    /// head is the current one of its user. Nothing is stored then.
    Compare,
    /// Raises the epoch of the user, ends all their other sessions in the realm, and stores the
    /// session with the new epoch: all in one step.
    Raise,
}

pub(in crate::store) fn credentials_changed() -> Error {
    Error::new(
        ErrorKind::CredentialsChanged,
        "the credentials were changed, or all sessions ended, since they were read: log in again",
    )
}
