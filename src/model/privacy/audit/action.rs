//! [`AuditAction`] and [`ActorKind`]: names that are stored as text, so that a trail with unknown
//! names can be read.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

use super::Actor;
use crate::error::{Error, ErrorKind, Result};

/// What was done.
///
/// ```
/// use tower_guestbook::privacy::AuditAction;
///
/// assert_eq!(AuditAction::Exported.as_str(), "exported");
/// let custom = AuditAction::custom("invoice.corrected")?;
/// assert_eq!(custom.as_str(), "invoice.corrected");
/// for invalid in ["", "exported", "Upper.case", "two words.", ".begins", &"x.".repeat(33)] {
///     assert!(AuditAction::custom(invalid).is_err());
/// }
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditAction {
    /// The erasure of a user began.
    ErasureBegan,
    /// The erasure of a user is finished.
    ErasureFinished,
    /// The erasure of a user was lifted.
    Lifted,
    /// A user received a copy of their data.
    Exported,
    /// Data was imported from an export.
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
    /// A request was confirmed, extended, cancelled or answered.
    RequestChanged,
    /// Data was corrected.
    Rectified,
    /// Retention deleted or anonymised old data.
    RetentionApplied,
    /// An action of the [application](Self::custom), or one that this version does not know.
    Other(ActionName),
}

/// The name of another action.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ActionName(Arc<str>);

/// The kind of an actor. In JSON and in the store: its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActorKind {
    /// [`Actor::System`].
    System,
    /// [`Actor::User`].
    User,
    /// [`Actor::Operator`].
    Operator,
    /// A kind that this version does not know.
    Other(Arc<str>),
}

const KNOWN: [(AuditAction, &str); 13] = [
    (AuditAction::ErasureBegan, "erasure_began"),
    (AuditAction::ErasureFinished, "erasure_finished"),
    (AuditAction::Lifted, "readmitted"),
    (AuditAction::Exported, "exported"),
    (AuditAction::Imported, "imported"),
    (AuditAction::Restricted, "restricted"),
    (AuditAction::RestrictionLifted, "restriction_lifted"),
    (AuditAction::HoldPlaced, "hold_placed"),
    (AuditAction::HoldReleased, "hold_released"),
    (AuditAction::RequestFiled, "request_filed"),
    (AuditAction::RequestChanged, "request_changed"),
    (AuditAction::Rectified, "rectified"),
    (AuditAction::RetentionApplied, "retained"),
];

impl AuditAction {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Creates an action of the application: 1 to 64 bytes of `a` to `z`, digits and `_ . : -`,
    /// beginning with a letter. It has at least one `.` or `:`, as in `invoice.corrected`, so it
    /// never equals a name of the guestbook.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name breaks a rule; the error says which.
    pub fn custom(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.:-".contains(&byte);
        let problem = if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
            "the name of an action begins with a letter of a to z"
        } else if name.len() > Self::MAX_BYTES {
            "the name of an action has at most 64 bytes"
        } else if !name.bytes().all(allowed) {
            "the name of an action consists of a to z, digits, '_', '.', ':' and '-'"
        } else if !name.contains(['.', ':']) {
            "the name of an application's own action has a '.' or ':' in it"
        } else {
            return Ok(Self::Other(ActionName(name.into())));
        };
        Err(Error::new(ErrorKind::InvalidInput, problem))
    }

    /// Returns the action with this stored name, even if another program wrote it.
    pub fn stored(name: &str) -> Self {
        let known = KNOWN.into_iter().find(|(_, known)| *known == name);
        known.map_or_else(|| Self::Other(ActionName(name.into())), |(action, _)| action)
    }

    /// Returns the name, which is the same in all versions.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => &name.0,
            _ => KNOWN.iter().find(|(known, _)| known == self).map_or("", |(_, name)| name),
        }
    }
}

impl ActorKind {
    /// Returns the kind with this stored name.
    pub fn stored(name: &str) -> Self {
        [Self::System, Self::User, Self::Operator]
            .into_iter()
            .find(|known| known.as_str() == name)
            .unwrap_or_else(|| Self::Other(name.into()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Operator => "operator",
            Self::Other(name) => name,
        }
    }
}

impl Actor {
    /// Returns the kind of the actor.
    pub fn kind(&self) -> ActorKind {
        match self {
            Self::System => ActorKind::System,
            Self::User(_) => ActorKind::User,
            Self::Operator(_) => ActorKind::Operator,
        }
    }
}

impl ActionName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for AuditAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for ActorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_has_a_name_of_its_own_and_is_read_back() {
        for (index, (action, name)) in KNOWN.iter().enumerate() {
            assert_eq!((action.as_str(), &AuditAction::stored(name)), (*name, action));
            assert!(KNOWN[..index].iter().all(|(_, other)| other != name));
            assert!(AuditAction::custom(name).is_err(), "an application cannot use our name");
        }
        for unknown in ["of_a_later_version", "", "Ü"] {
            assert_eq!(AuditAction::stored(unknown).as_str(), unknown);
            assert_eq!(ActorKind::stored(unknown).as_str(), unknown);
        }
    }
}
