//! [`RequestId`], [`RequestKind`] and [`RequestSubject`].

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::Result,
    id::{UserId, uuid_of},
    model::privacy::Pseudonym,
    time::Timestamp,
};

/// The id of a request, a UUIDv7 (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

/// The right that a request exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestKind {
    /// Access: Article 15.
    Access,
    /// Rectification: Article 16.
    Rectification,
    /// Erasure: Article 17.
    Erasure,
    /// Restriction of processing: Article 18.
    Restriction,
    /// Data portability: Article 20.
    Portability,
    /// Objection: Article 21.
    Objection,
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestSubject {
    /// A user.
    User(UserId),
    /// A user who was erased since.
    Pseudonym(Pseudonym),
}

impl RequestId {
    /// Creates an id for the given time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the operating system provides no
    /// random bytes.
    pub fn generate(now: Timestamp) -> Result<Self> {
        uuid_of(now).map(Self)
    }

    /// Returns the id as a UUID.
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
    /// Returns the stored name.
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

    /// Returns the kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Access, Self::Rectification, Self::Erasure, Self::Restriction, Self::Portability, Self::Objection];
}
