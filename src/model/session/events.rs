//! [`LoginEvent`] and [`LogoutEvent`]: what hooks are told.

use super::SessionInfo;
use crate::id::{SessionId, UserId};

/// A user has logged in. For
/// [`GuestbookBuilder::on_login`](crate::GuestbookBuilder::on_login).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoginEvent {
    /// The user.
    pub user: UserId,
    /// The session that began, with its device and network.
    pub session: SessionInfo,
    /// Whether no other live session of the user is on a device of the same description, such as
    /// "Firefox on Linux". `None` if the store could not be asked.
    pub is_new_device: Option<bool>,
}

/// A user has logged out. For
/// [`GuestbookBuilder::on_logout`](crate::GuestbookBuilder::on_logout).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutEvent {
    /// The user.
    pub user: UserId,
    /// The session that ended.
    pub session: SessionId,
}

impl LoginEvent {
    pub(crate) fn new(user: UserId, session: SessionInfo, others: Option<&[SessionInfo]>) -> Self {
        let is_known = |others: &[SessionInfo]| {
            others.iter().any(|other| other.id != session.id && other.device == session.device)
        };
        let is_new_device = others.map(|others| !is_known(others));
        Self { user, session, is_new_device }
    }
}

impl LogoutEvent {
    pub(crate) fn new(user: UserId, session: SessionId) -> Self {
        Self { user, session }
    }
}
