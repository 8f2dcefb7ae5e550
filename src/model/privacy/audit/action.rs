//! [`AuditAction`] and [`ActorKind`]: names that are stored as text, so that a trail can be read by who does not know them all.

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
/// let own = AuditAction::custom("invoice.corrected")?;
/// assert_eq!(own.as_str(), "invoice.corrected");
/// for wrong in ["", "exported", "corrected", "Upper.case", "two words.", ".begins", &"x.".repeat(33)] {
///     assert!(AuditAction::custom(wrong).is_err());
/// }
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditAction {
    /// A user was struck out.
    ErasureBegan,
    /// Nothing of a user is left.
    ErasureFinished,
    /// A user was let in again.
    Lifted,
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
    RetentionApplied,
    /// Something else: an action of the [application](Self::custom), or one that this version does not know.
    Other(ActionName),
}

/// The name of an action that is none of ours.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ActionName(Arc<str>);

/// What kind of actor did something. In JSON and in the store its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActorKind {
    /// [`Actor::System`].
    System,
    /// [`Actor::User`].
    User,
    /// [`Actor::Operator`].
    Operator,
    /// One that this version does not know.
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

    /// An action of the application: 1 to 64 bytes of `a` to `z`, digits and `_ . : -`, beginning with a letter. At least one `.` or
    /// `:` is in it, as in `invoice.corrected`, so that it is never the name of one of ours, now or later.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], saying what is wrong, if the name breaks the rules.
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

    /// The action with this name, as it was stored: by this version, another one or somebody who changed it.
    pub fn stored(name: &str) -> Self {
        let known = KNOWN.into_iter().find(|(_, known)| *known == name);
        known.map_or_else(|| Self::Other(ActionName(name.into())), |(action, _)| action)
    }

    /// The name. It does not change from version to version.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => &name.0,
            _ => KNOWN.iter().find(|(known, _)| known == self).map_or("", |(_, name)| name),
        }
    }
}

impl ActorKind {
    /// The kind with this name, as it was stored.
    pub fn stored(name: &str) -> Self {
        [Self::System, Self::User, Self::Operator]
            .into_iter()
            .find(|known| known.as_str() == name)
            .unwrap_or_else(|| Self::Other(name.into()))
    }

    /// The name.
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
    /// What kind of actor it is.
    pub fn kind(&self) -> ActorKind {
        match self {
            Self::System => ActorKind::System,
            Self::User(_) => ActorKind::User,
            Self::Operator(_) => ActorKind::Operator,
        }
    }
}

impl ActionName {
    /// The name.
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
