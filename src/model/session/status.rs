//! [`SessionStatus`]: whether a session is live.

use super::record::SessionHead;
use crate::time::Timestamp;

/// What to do with a session that a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// It is live and was recorded as seen a moment ago.
    Keep,
    /// It is live and this request is to be recorded.
    Touch,
    /// It is over.
    Expire,
}

/// Returns what to do with the session `head` at `now`.
pub fn session_status(head: &SessionHead, now: Timestamp) -> SessionStatus {
    if head.is_expired(now) {
        SessionStatus::Expire
    } else if now.since(head.last_seen) >= head.lifetime.touch_interval() {
        SessionStatus::Touch
    } else {
        SessionStatus::Keep
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{id::SessionId, model::session::Lifetime};

    #[test]
    fn each_limit_ends_a_session_to_the_millisecond() {
        let id = SessionId::from(uuid::Uuid::nil());
        let at = Timestamp::from_millis;
        let lifetime = Lifetime::new(Duration::from_millis(2_000), Duration::from_millis(5_000));
        let mut head = SessionHead::new(id, at(0), lifetime);
        assert_eq!(session_status(&head, at(99)), SessionStatus::Keep);
        assert_eq!(session_status(&head, at(100)), SessionStatus::Touch);
        assert_eq!(session_status(&head, at(1_999)), SessionStatus::Touch);
        assert_eq!(session_status(&head, at(2_000)), SessionStatus::Expire);
        head.last_seen = at(4_990);
        assert_eq!(session_status(&head, at(4_999)), SessionStatus::Keep);
        assert_eq!(session_status(&head, at(5_000)), SessionStatus::Expire);
    }
}
