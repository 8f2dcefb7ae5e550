//! Which request, of what kind, and whose.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::Result,
    id::{UserId, uuid_of},
    model::privacy::Pseudonym,
    time::Timestamp,
};

/// The name of a request, a UUIDv7 (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

/// Which right somebody exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestKind {
    /// A copy of the data: Article 15.
    Access,
    /// The data is to be corrected: Article 16.
    Rectification,
    /// The data is to be erased: Article 17.
    Erasure,
    /// Processing is to be restricted: Article 18.
    Restriction,
    /// The data in a form that another service can read: Article 20.
    Portability,
    /// Processing for a purpose is to end: Article 21.
    Objection,
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestSubject {
    /// A user's.
    User(UserId),
    /// A user's who was erased since.
    Pseudonym(Pseudonym),
}

impl RequestId {
    /// A new id of the given time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the operating system gives no random bytes.
    pub fn generate(now: Timestamp) -> Result<Self> {
        uuid_of(now).map(Self)
    }

    /// The id as a UUID.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for RequestId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl RequestKind {
    /// The name it is stored by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Rectification => "rectification",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
            Self::Portability => "portability",
            Self::Objection => "objection",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Access, Self::Rectification, Self::Erasure, Self::Restriction, Self::Portability, Self::Objection];
}
