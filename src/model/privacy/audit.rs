//! The audit trail as plain data. [`entry`] chains entries, [`verifier`] checks a chain.

mod action;
mod entry;
mod verifier;

use std::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroize;

pub use self::{
    action::{ActionName, ActorKind, AuditAction},
    entry::{AuditCheckpoint, AuditContent, AuditEntry, AuditHash, AuditHead, AuditPayload, AuditRow},
    verifier::{AuditFault, AuditFlaw, AuditVerifier, VerificationReport},
};
use super::{Erasure, Pseudonym};
use crate::{
    id::UserId,
    mac::{HmacSha256, Mac, hmac},
};

/// Who did something that the audit trail records.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// The guestbook, or the application without a name: a background task.
    System,
    /// A user, most often the subject.
    User(UserId),
    /// An operator of the service, by name.
    Operator(Box<str>),
}

/// The key of the MACs of an audit trail. It is wiped when dropped.
#[derive(Clone)]
pub struct AuditKey([u8; 32]);

/// An entry to be recorded, in the transaction of what it records.
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{
///     UserId,
///     privacy::{Actor, AuditAction, AuditKey, AuditNote},
/// };
///
/// let (key, desk) = (AuditKey::new([7; 32]), Actor::Operator("desk 3".into()));
/// let note = AuditNote::new(AuditAction::Rectified, desk, Some(UserId::from(42)), key)
///     .detail(json!({ "field": "nickname" }));
/// assert_eq!(note.action.as_str(), "rectified");
/// assert!(!format!("{note:?}").contains("nickname"), "personal data is not logged");
/// ```
#[derive(Clone)]
pub struct AuditNote {
    /// What was done.
    pub action: AuditAction,
    /// Who did it.
    pub actor: Actor,
    /// Whose data it was about.
    pub subject: Option<UserId>,
    /// Further information, which is erased with the subject.
    pub detail: Value,
    /// The pseudonym of a subject whose name must not be stored.
    pseudonym: Option<Pseudonym>,
    key: AuditKey,
}

impl AuditKey {
    /// Creates a key from bytes that the application keeps secret.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Derives the key of a trail without a key of its own from the store's secret.
    pub fn derived(secret: &[u8; 32]) -> Self {
        let mut mac = hmac(secret);
        mac.update(b"guestbook audit key 1\n");
        Self(mac.finalize().into_bytes().into())
    }

    fn mac(&self, domain: &[u8]) -> HmacSha256 {
        let mut mac = hmac(&self.0);
        mac.update(domain);
        mac
    }
}

impl AuditNote {
    /// Creates a note without a detail.
    pub fn new(action: AuditAction, actor: Actor, subject: Option<UserId>, key: AuditKey) -> Self {
        Self { action, actor, subject, detail: Value::Null, pseudonym: None, key }
    }

    /// Sets the detail.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// Sets a subject whose name must not be stored.
    #[must_use]
    pub fn about(mut self, pseudonym: Pseudonym) -> Self {
        (self.subject, self.pseudonym) = (None, Some(pseudonym));
        self
    }

    /// Completes the note of a finished erasure: about the pseudonym, with the id and the counts in
    /// the detail. For stores, which know the last step.
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
