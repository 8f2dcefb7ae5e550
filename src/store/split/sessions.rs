//! The sessions of a [`SplitStore`]: kept in one store, checked against erasures and epochs in the
//! other.

use super::SplitStore;
use crate::{
    error::Result,
    id::{SessionId, SessionKey, UserId},
    model::session::{
        Changes, CredentialEpoch, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord,
    },
    store::{
        AnonymousBound, AnonymousTotal, Applied, CredentialStore, EpochRule, ErasureStore, Loaded, Revocation,
        Rotation, SessionStore, Started, credential::credentials_changed, erasure::user_erased,
    },
    time::Timestamp,
};

impl<S: SessionStore, R: ErasureStore + CredentialStore> SessionStore for SplitStore<S, R> {
    async fn insert(
        &self,
        key: SessionKey,
        mut record: SessionRecord,
        cap: SessionCap,
        epoch: EpochRule,
        now: Timestamp,
    ) -> Result<Started> {
        self.admit(&mut record.head, epoch).await?;
        let started = self.sessions.insert(key, record, cap, EpochRule::Keep, now).await?;
        self.confirm(started, epoch, now).await
    }

    async fn load(&self, key: SessionKey, realm: Realm) -> Result<Loaded> {
        let loaded = self.sessions.load(key, realm).await?;
        match &loaded {
            Loaded::Found(record) if !self.is_current(&record.head).await? => Ok(Loaded::Ended { logged_in: true }),
            _ => Ok(loaded),
        }
    }

    async fn apply(&self, id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Result<Applied> {
        self.sessions.apply(id, changes, limits, now).await
    }

    async fn touch(&self, id: SessionId, now: Timestamp) -> Result<bool> {
        self.sessions.touch(id, now).await
    }

    async fn rotate(
        &self,
        mut rotation: Rotation,
        limits: SessionLimits,
        cap: SessionCap,
        now: Timestamp,
    ) -> Result<Option<Started>> {
        let epoch = std::mem::replace(&mut rotation.epoch, EpochRule::Keep);
        self.admit(&mut rotation.head, epoch).await?;
        match self.sessions.rotate(rotation, limits, cap, now).await? {
            Some(started) => self.confirm(started, epoch, now).await.map(Some),
            None => Ok(None),
        }
    }

    async fn delete(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionKey>> {
        self.sessions.delete(id, now).await
    }

    async fn list(&self, user: UserId, realm: Option<Realm>, limit: usize, now: Timestamp) -> Result<Vec<SessionHead>> {
        let mut epochs: Vec<(Realm, CredentialEpoch)> = Vec::new();
        let mut current = Vec::new();
        for head in self.sessions.list(user.clone(), realm, limit, now).await? {
            let known = epochs.iter().find(|(realm, _)| *realm == head.realm).map(|(_, epoch)| *epoch);
            let epoch = match known {
                Some(epoch) => epoch,
                None => {
                    let epoch = self.records.credential_epoch(head.realm.clone(), user.clone()).await?;
                    epochs.push((head.realm.clone(), epoch));
                    epoch
                }
            };
            if head.epoch == epoch {
                current.push(head);
            }
        }
        Ok(current)
    }

    async fn session_data(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionData>> {
        self.sessions.session_data(id, now).await
    }

    async fn revoke(&self, revocation: Revocation, now: Timestamp) -> Result<u64> {
        // The epoch first: if the second step fails, no session that should have ended is served
        // any more.
        match &revocation {
            Revocation::User(realm, user) => {
                self.records.raise_credential_epoch(realm.clone(), Some(user.clone())).await?;
            }
            Revocation::All(realm) => {
                self.records.raise_credential_epoch(realm.clone(), None).await?;
            }
            Revocation::One(..) | Revocation::Others(..) | Revocation::Erased(_) => {}
        }
        self.sessions.revoke(revocation, now).await
    }

    async fn trim_anonymous(&self, bound: AnonymousBound, limit: usize) -> Result<AnonymousTotal> {
        self.sessions.trim_anonymous(bound, limit).await
    }

    async fn delete_expired(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.sessions.delete_expired(now, limit).await
    }
}

impl<S: Send + Sync + 'static, R: CredentialStore> CredentialStore for SplitStore<S, R> {
    store_methods!(CredentialStore, delegate_methods records);
}

impl<S: SessionStore, R: ErasureStore + CredentialStore> SplitStore<S, R> {
    /// Checks the user of a new session and settles its epoch.
    ///
    /// Two stores have no transaction in common. A login that is under way while its user is
    /// being erased may get a session, which [`erase_some`](ErasureStore::erase_some) ends; one that is
    /// under way while the epoch is raised is found by [`confirm`](Self::confirm), or by the next
    /// [`load`](SessionStore::load).
    async fn admit(&self, head: &mut SessionHead, rule: EpochRule) -> Result<()> {
        let Some(user) = head.user.clone() else {
            head.epoch = CredentialEpoch::default();
            return Ok(());
        };
        if self.records.erasure_of(user.clone()).await?.is_some() {
            return Err(user_erased());
        }
        match rule {
            EpochRule::Keep => {}
            EpochRule::Stamp => head.epoch = self.records.credential_epoch(head.realm.clone(), user).await?,
            EpochRule::Compare if self.is_current(head).await? => {}
            EpochRule::Compare => return Err(credentials_changed()),
            EpochRule::Raise => {
                head.epoch = self.records.raise_credential_epoch(head.realm.clone(), Some(user)).await?;
            }
        }
        Ok(())
    }

    /// Ends the other sessions if the rule says so, and ends the new one if its epoch was raised
    /// meanwhile.
    async fn confirm(&self, mut started: Started, rule: EpochRule, now: Timestamp) -> Result<Started> {
        let head = &started.record.head;
        let Some(user) = &head.user else { return Ok(started) };
        if rule == EpochRule::Raise {
            let others = self.sessions.list(user.clone(), Some(head.realm.clone()), usize::MAX, now).await?;
            started.ended.extend(others.iter().map(|other| other.id).filter(|id| *id != head.id));
            self.sessions.revoke(Revocation::Others(head.realm.clone(), user.clone(), head.id), now).await?;
        }
        let is_current = if rule == EpochRule::Keep { Ok(true) } else { self.is_current(head).await };
        if matches!(is_current, Ok(true)) {
            return Ok(started);
        }
        // Its token is never told, and no load would accept it. This keeps it out of the cap, too.
        let deleted = self.sessions.delete(head.id, now).await;
        is_current?;
        deleted?;
        Err(credentials_changed())
    }

    async fn is_current(&self, head: &SessionHead) -> Result<bool> {
        match &head.user {
            Some(user) => Ok(self.records.credential_epoch(head.realm.clone(), user.clone()).await? == head.epoch),
            None => Ok(true),
        }
    }
}
