//! [`Subject`]: the person whose decisions they are.

use serde::Serialize;

use crate::id::{UserId, VisitorId};

/// The person whose decisions they are: a user, or a visitor who is not logged in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum Subject {
    /// A user.
    User(UserId),
    /// A visitor: one browser.
    Visitor(VisitorId),
}

impl From<UserId> for Subject {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<VisitorId> for Subject {
    fn from(visitor: VisitorId) -> Self {
        Self::Visitor(visitor)
    }
}
