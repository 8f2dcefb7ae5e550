//! The audit trail as plain data: what was done, by whom, about whom.

use std::fmt;

use serde_json::Value;

use crate::id::UserId;

/// Somebody who does something that the trail records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// The guestbook itself: a background task.
    System,
    /// A user, most often the one whom it is about.
    User(UserId),
    /// Somebody who runs the service, by a name of theirs.
    Operator(Box<str>),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditAction {
    /// A user was struck out.
    ErasureBegan,
    /// Nothing of a user is left.
    ErasureFinished,
    /// A user was let in again.
    Readmitted,
    /// Somebody got a copy of their data.
    Exported,
    /// Data was taken over from an export.
    Imported,
    /// Processing was restricted.
    Restricted,
    /// A restriction was lifted.
    RestrictionLifted,
    /// Data was put on hold.
    HoldPlaced,
    /// A hold was released.
    HoldReleased,
    /// A request was filed.
    RequestFiled,
    /// A request went on: confirmed, extended, cancelled, done.
    RequestChanged,
    /// Data was corrected.
    Rectified,
    /// Old data was deleted.
    Retained,
}

/// The key of the trail's MACs.
#[derive(Clone)]
pub struct AuditKey([u8; 32]);

/// What is to be recorded, in the transaction of what it records.
#[derive(Clone, Debug)]
pub struct AuditNote {
    /// What was done.
    pub action: AuditAction,
    /// By whom.
    pub actor: Actor,
    /// About whom.
    pub subject: Option<UserId>,
    /// What else there is to say; erased with the subject.
    pub detail: Value,
    key: AuditKey,
}

impl AuditNote {
    /// A note with nothing more to say.
    pub fn new(action: AuditAction, actor: Actor, subject: Option<UserId>, key: AuditKey) -> Self {
        Self { action, actor, subject, detail: Value::Null, key }
    }

    /// With more to say.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(..)")
    }
}
