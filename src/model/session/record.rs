//! [`SessionRecord`]: what a store keeps of one session.

use serde::{Deserialize, Serialize};

use super::{data::SessionData, login::CredentialEpoch, policy::Lifetime, realm::Realm, stamp::CredentialStamp};
use crate::{
    id::{SessionId, UserId},
    model::client::{Device, TruncatedAddress},
    time::Timestamp,
};

/// A session without its data: who, when, how long, from what device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionHead {
    /// The public name.
    pub id: SessionId,
    /// Which kind of accounts it belongs to.
    pub realm: Realm,
    /// The logged-in user; `None` for an anonymous session.
    pub user: Option<UserId>,
    /// The epoch of the user's credentials that the session was made in; 0 for an anonymous
    /// session.
    pub epoch: CredentialEpoch,
    /// The fingerprint of the credentials that the user logged in with, if it is known.
    pub stamp: Option<CredentialStamp>,
    /// When the session began. A login begins a new one.
    pub created_at: Timestamp,
    /// When the user last proved who they are.
    pub authenticated_at: Option<Timestamp>,
    /// The last recorded request; recorded at most once per [`Lifetime::touch_interval`].
    pub last_seen: Timestamp,
    /// How long the session may live.
    pub lifetime: Lifetime,
    /// Browser and system in words.
    pub device: Option<Device>,
    /// The client's network, never its full address.
    pub address: Option<TruncatedAddress>,
}

impl SessionHead {
    /// An anonymous session of the default realm that begins `now`.
    pub fn new(id: SessionId, now: Timestamp, lifetime: Lifetime) -> Self {
        Self {
            id,
            realm: Realm::default(),
            user: None,
            epoch: CredentialEpoch::default(),
            stamp: None,
            created_at: now,
            authenticated_at: None,
            last_seen: now,
            lifetime,
            device: None,
            address: None,
        }
    }

    /// From when on the session is over: the idle or the absolute end, whichever comes first.
    pub fn expires_at(&self) -> Timestamp {
        self.last_seen.after(self.lifetime.idle).min(self.created_at.after(self.lifetime.absolute))
    }

    /// Whether the session is over at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at()
    }
}

/// A session as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Everything but the data.
    pub head: SessionHead,
    /// The application's data.
    pub data: SessionData,
}

/// A session as its user sees it in a list. It names no token and no full address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The name by which it can be revoked.
    pub id: SessionId,
    /// Which kind of accounts it belongs to.
    #[serde(default)]
    pub realm: Realm,
    /// Whether it is the session that asked.
    pub current: bool,
    /// For example "Firefox on Linux".
    pub device: Option<Device>,
    /// For example "203.0.113.0/24".
    pub address: Option<TruncatedAddress>,
    /// When it began, in milliseconds since the Unix epoch.
    pub created_at: Timestamp,
    /// When it was last used, to within [`Lifetime::touch_interval`].
    pub last_seen: Timestamp,
    /// When it ends if it is not used again.
    pub expires_at: Timestamp,
}

impl SessionInfo {
    pub(crate) fn new(head: SessionHead, current: Option<SessionId>) -> Self {
        Self {
            id: head.id,
            realm: head.realm.clone(),
            current: current == Some(head.id),
            created_at: head.created_at,
            last_seen: head.last_seen,
            expires_at: head.expires_at(),
            device: head.device,
            address: head.address,
        }
    }
}
