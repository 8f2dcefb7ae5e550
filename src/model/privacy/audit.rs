//! The audit trail as plain data: what was done, by whom, about whom. How entries are chained is in [`entry`], how a chain is
//! checked in [`verifier`].

mod action;
mod entry;
mod verifier;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;
use zeroize::Zeroize;

pub use self::{
    action::{ActionName, ActorKind, AuditAction},
    entry::{AuditCheckpoint, AuditContent, AuditEntry, AuditHash, AuditHead, AuditPayload, AuditRow},
    verifier::{AuditFault, AuditFlaw, AuditVerifier, VerificationReport},
};
use super::{Erasure, Pseudonym};
use crate::id::UserId;

/// Somebody who does something that the trail records.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// The guestbook itself, or the application without saying who: a background task.
    System,
    /// A user, most often the one whom it is about.
    User(UserId),
    /// Somebody who runs the service, by a name of theirs.
    Operator(Box<str>),
}

/// The key of the trail's MACs. It is wiped when it is dropped.
#[derive(Clone)]
pub struct AuditKey([u8; 32]);

/// What is to be recorded, in the transaction of what it records.
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{UserId, privacy::{Actor, AuditAction, AuditKey, AuditNote}};
///
/// let key = AuditKey::new([7; 32]);
/// let note = AuditNote::new(AuditAction::Rectified, Actor::Operator("desk 3".into()), Some(UserId::from(42)), key)
///     .detail(json!({ "field": "nickname" }));
/// assert_eq!(note.action.as_str(), "rectified");
/// assert!(!format!("{note:?}").contains("nickname"), "what may be personal is in no log");
/// ```
#[derive(Clone)]
pub struct AuditNote {
    /// What was done.
    pub action: AuditAction,
    /// By whom.
    pub actor: Actor,
    /// About whom.
    pub subject: Option<UserId>,
    /// What else there is to say; erased with the subject.
    pub detail: Value,
    /// About whom, if their name is not to be written down.
    pseudonym: Option<Pseudonym>,
    key: AuditKey,
}

impl AuditKey {
    /// The key with these bytes, from where secrets of the application are kept.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key for a trail without one of its own: whoever can read the store's secret can make it.
    pub fn derived(secret: &[u8; 32]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of HMAC has any length");
        mac.update(b"guestbook audit key 1\n");
        Self(mac.finalize().into_bytes().into())
    }

    fn mac(&self, domain: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of HMAC has any length");
        mac.update(domain);
        mac
    }
}

impl AuditNote {
    /// A note with nothing more to say.
    pub fn new(action: AuditAction, actor: Actor, subject: Option<UserId>, key: AuditKey) -> Self {
        Self { action, actor, subject, detail: Value::Null, pseudonym: None, key }
    }

    /// With more to say.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// About somebody whose name is not to be written down.
    #[must_use]
    pub fn about(mut self, pseudonym: Pseudonym) -> Self {
        (self.subject, self.pseudonym) = (None, Some(pseudonym));
        self
    }

    /// The note for an erasure that is finished: about the pseudonym, with the id and what was erased added to the detail. A store
    /// calls it, as nobody else knows which step is the last.
    #[must_use]
    pub fn finished(self, erasure: &Erasure) -> Self {
        let mut detail = match &self.detail {
            Value::Object(detail) => detail.clone(),
            _ => Map::new(),
        };
        detail.insert("id".into(), erasure.id.as_uuid().to_string().into());
        let erased = erasure.erased;
        for (name, count) in [
            ("sessions_deleted", erased.sessions),
            ("activities_deleted", erased.activities),
            ("preferences_deleted", erased.preferences),
            ("consent_deleted", erased.consents),
        ] {
            detail.insert(name.into(), count.into());
        }
        if erased.anonymised > 0 {
            detail.insert("activities_anonymised".into(), erased.anonymised.into());
        }
        self.detail(detail.into()).about(erasure.pseudonym)
    }
}

impl Drop for AuditKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::User(user) => f.debug_tuple("User").field(user).finish(),
            Self::Operator(_) => f.write_str("Operator(redacted)"),
        }
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(..)")
    }
}

impl fmt::Debug for AuditNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditNote")
            .field("action", &self.action)
            .field("actor", &self.actor)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}
