//! The limit on anonymous sessions.

/// The limit on anonymous sessions, see
/// [`SessionStore::trim_anonymous`](super::SessionStore::trim_anonymous).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnonymousBound {
    /// Maximum number of sessions.
    pub sessions: u64,
    /// Maximum number of [bytes of data](crate::session::SessionData::bytes) in all of them.
    pub bytes: u64,
}

/// The stored anonymous sessions, including expired ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnonymousTotal {
    /// Number of sessions.
    pub sessions: u64,
    /// Number of [bytes of data](crate::session::SessionData::bytes) in all of them.
    pub bytes: u64,
    /// Number of sessions that were just ended.
    pub ended: u64,
}

impl AnonymousBound {
    /// Returns whether a store with this total must end sessions.
    pub fn is_exceeded_by(self, total: AnonymousTotal) -> bool {
        total.sessions > self.sessions || total.bytes > self.bytes
    }

    /// Returns the level to which a store ends sessions: a sixty-fourth below the limit, so that
    /// not every new session ends an old one.
    #[must_use]
    pub fn low(self) -> Self {
        Self { sessions: self.sessions - self.sessions / 64, bytes: self.bytes - self.bytes / 64 }
    }

    /// Returns whether the next oldest session must end. Nothing is ended below [`low`](Self::low),
    /// and the last session stays.
    pub(crate) fn takes_another(self, total: AnonymousTotal) -> bool {
        total.sessions > 1 && self.low().is_exceeded_by(total)
    }
}
