//! The bound on anonymous sessions, as a store applies it.

/// The most anonymous sessions, see
/// [`SessionStore::trim_anonymous`](super::SessionStore::trim_anonymous).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnonymousBound {
    /// The most sessions.
    pub sessions: u64,
    /// The most [bytes of data](crate::session::SessionData::bytes) in all of them.
    pub bytes: u64,
}

/// The anonymous sessions that are stored, expired ones too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnonymousTotal {
    /// The number of sessions.
    pub sessions: u64,
    /// The [bytes of data](crate::session::SessionData::bytes) in all of them.
    pub bytes: u64,
    /// The number of sessions that were ended just now.
    pub ended: u64,
}

impl AnonymousBound {
    /// Whether a store with this total has to end sessions.
    pub fn is_exceeded_by(self, total: AnonymousTotal) -> bool {
        total.sessions > self.sessions || total.bytes > self.bytes
    }

    /// To where a store goes that has to end sessions: a sixty-fourth below, so that not every new
    /// session costs an old one a step of its own.
    #[must_use]
    pub fn low(self) -> Self {
        Self { sessions: self.sessions - self.sessions / 64, bytes: self.bytes - self.bytes / 64 }
    }

    /// Whether the next oldest session has to end: nothing is ended below [`low`](Self::low), and
    /// the last one stays.
    pub(crate) fn takes_another(self, total: AnonymousTotal) -> bool {
        total.sessions > 1 && self.low().is_exceeded_by(total)
    }
}
