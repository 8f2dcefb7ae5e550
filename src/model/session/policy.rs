//! How long a session lives and how many a user may have: rules as functions from values to values.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// How long a session lives. Both limits are enforced by the server; the earlier one ends the
/// session.
///
/// The idle time is at least 1 ms and at most the absolute time: `build()` and logins refuse
/// anything else.
///
/// The default, 30 minutes idle and 12 hours in all, is what NIST SP 800-63B asks for at AAL3 (idle
/// 15 to 30 minutes, 12 hours) and stricter than AAL2 (1 hour, 24 hours).
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::session::Lifetime;
///
/// let day = Duration::from_secs(86_400);
/// let remembered = Lifetime::new(14 * day, 90 * day).persistent();
/// assert!(remembered.persistent);
/// assert_eq!(remembered.touch_interval(), Duration::from_secs(60));
/// assert_eq!(remembered.renewal_interval(), day);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// How long it may go unused.
    pub idle: Duration,
    /// How long it may last, however much it is used.
    pub absolute: Duration,
    /// Whether the browser keeps the cookie when it is closed ("remember me").
    pub persistent: bool,
}

impl Lifetime {
    /// A lifetime that ends with the browser session or with either limit, whichever comes first.
    pub const fn new(idle: Duration, absolute: Duration) -> Self {
        Self { idle, absolute, persistent: false }
    }

    /// 14 days idle, 90 days in all, kept by the browser: the usual "remember me".
    pub const fn remembered() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self::new(Duration::from_secs(14 * DAY), Duration::from_secs(90 * DAY)).persistent()
    }

    /// The same lifetime with a cookie that outlives the browser.
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if a session of this lifetime would be over as it begins, or
    /// could never go unused.
    pub(crate) fn check(&self) -> Result<()> {
        if self.idle >= Duration::from_millis(1) && self.idle <= self.absolute {
            return Ok(());
        }
        let problem = "a lifetime has an idle time of at least 1 ms and at most the absolute one";
        Err(Error::new(ErrorKind::InvalidInput, problem))
    }

    /// The minimum time between two stored touches: 60 seconds, or a twentieth of a short idle
    /// timeout.
    ///
    /// A session therefore ends between `idle - touch_interval` and `idle` after its last request,
    /// never later.
    /// later.
    pub fn touch_interval(&self) -> Duration {
        Duration::from_secs(60).min(self.idle / 20)
    }

    /// The minimum time between two renewals of a persistent cookie: one day, or a quarter of an
    /// idle timeout shorter than four days.
    ///
    /// The browser may therefore drop the cookie up to one such interval before the session ends.
    pub fn renewal_interval(&self) -> Duration {
        Duration::from_secs(24 * 60 * 60).min(self.idle / 4)
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self::new(Duration::from_secs(30 * 60), Duration::from_secs(12 * 60 * 60))
    }
}

/// The maximum number of sessions per user (OWASP ASVS 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCap {
    /// The number, at least 1. Default: 100.
    pub max: u32,
    /// What a login does at the maximum. Default: end the oldest session.
    pub on_limit: OnSessionLimit,
}

impl SessionCap {
    pub(crate) fn exceeded(self) -> Error {
        Error::new(ErrorKind::SessionLimit, format!("a user has at most {} sessions", self.max))
    }
}

impl Default for SessionCap {
    fn default() -> Self {
        Self { max: 100, on_limit: OnSessionLimit::EndOldest }
    }
}

/// What a login does when the user has the maximum number of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnSessionLimit {
    /// The session that was not seen for the longest time ends.
    EndOldest,
    /// The login fails with [`ErrorKind::SessionLimit`](crate::ErrorKind::SessionLimit).
    Refuse,
}
