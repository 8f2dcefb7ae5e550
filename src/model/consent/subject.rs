//! [`Subject`]: whose decisions they are.

use serde::Serialize;

use crate::id::{UserId, VisitorId};

/// Whose decisions they are: somebody's who has an account, or a visitor's who has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum Subject {
    /// Somebody with an account.
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
