//! Credential epochs in memory.

use std::collections::HashMap;

use super::{MemoryStore, State};
use crate::{
    error::Result,
    id::{SessionId, UserId},
    model::session::{CredentialEpoch, Realm, SessionHead},
    store::{CredentialStore, EpochRule, Revocation, credential::credentials_changed},
};

/// Number of raises by user and by realm. The epoch is their sum; neither ever decreases.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    realms: HashMap<Realm, u64>,
    users: HashMap<(Realm, UserId), u64>,
}

impl CredentialStore for MemoryStore {
    async fn credential_epoch(&self, realm: Realm, user: UserId) -> Result<CredentialEpoch> {
        Ok(self.state().epochs.current(&realm, Some(&user)))
    }

    async fn raise_credential_epoch(&self, realm: Realm, user: Option<UserId>) -> Result<CredentialEpoch> {
        let mut state = self.state();
        state.raise_epoch(&realm, user.as_ref())?;
        Ok(state.epochs.current(&realm, user.as_ref()))
    }
}

impl State {
    /// Returns the epoch of a new session. Changes nothing.
    pub(super) fn admit(&self, head: &SessionHead, rule: EpochRule) -> Result<CredentialEpoch> {
        let Some(user) = &head.user else { return Ok(CredentialEpoch::default()) };
        let current = self.epochs.current(&head.realm, Some(user));
        match rule {
            EpochRule::Keep => Ok(head.epoch),
            EpochRule::Stamp => Ok(current),
            EpochRule::Compare if head.epoch == current => Ok(current),
            EpochRule::Compare => Err(credentials_changed()),
            EpochRule::Raise => Ok(CredentialEpoch::from_number(current.number() + 1)),
        }
    }

    /// Raises the epoch for [`EpochRule::Raise`], and returns the other sessions, which end.
    pub(super) fn raise_for(&mut self, head: &SessionHead, replaced: Option<SessionId>) -> Result<Vec<SessionId>> {
        let Some(user) = &head.user else { return Ok(Vec::new()) };
        self.raise_epoch(&head.realm, Some(user))?;
        let mut others = self.matching(&Revocation::User(head.realm.clone(), user.clone()));
        others.retain(|id| Some(*id) != replaced);
        Ok(others)
    }

    /// An erased user has no session and no epoch, and gets none.
    pub(super) fn raise_epoch(&mut self, realm: &Realm, user: Option<&UserId>) -> Result<()> {
        match user {
            Some(user) if self.erasure(user)?.is_some() => {}
            Some(user) => *self.epochs.users.entry((realm.clone(), user.clone())).or_default() += 1,
            None => *self.epochs.realms.entry(realm.clone()).or_default() += 1,
        }
        Ok(())
    }

    /// Raises the epochs that a revocation raises.
    pub(super) fn raise_with(&mut self, revocation: &Revocation) -> Result<()> {
        match revocation {
            Revocation::User(realm, user) => self.raise_epoch(realm, Some(user)),
            Revocation::All(realm) => self.raise_epoch(realm, None),
            Revocation::Erased(user) => {
                self.epochs.users.retain(|(_, other), _| other != user);
                Ok(())
            }
            Revocation::One(..) | Revocation::Others(..) => Ok(()),
        }
    }
}

impl Epochs {
    /// Returns the users whose epochs were raised.
    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys().map(|(_, user)| user)
    }

    fn current(&self, realm: &Realm, user: Option<&UserId>) -> CredentialEpoch {
        let of_user = user.and_then(|user| self.users.get(&(realm.clone(), user.clone())));
        let of_realm = self.realms.get(realm);
        CredentialEpoch::from_number(of_user.unwrap_or(&0) + of_realm.unwrap_or(&0))
    }
}
