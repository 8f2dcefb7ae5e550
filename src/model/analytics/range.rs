//! [`Range`]: a span of time.

use std::time::Duration;

use serde::Serialize;

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// A half-open span of time: it includes `from` and excludes `until`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{Timestamp, analytics::Range};
///
/// let now = Timestamp::from_millis(1_800_000_000_000);
/// let day = Range::last(Duration::from_secs(86_400), now);
/// assert!(day.contains(day.from()) && !day.contains(now));
/// assert_eq!(day, Range::new(now.before(Duration::from_secs(86_400)), now)?);
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Range {
    from: Timestamp,
    until: Timestamp,
}

impl Range {
    /// Creates the range from `from` to `until`. It is empty if they are equal.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if `until` is before `from`.
    pub fn new(from: Timestamp, until: Timestamp) -> Result<Self> {
        if until < from {
            return Err(Error::new(ErrorKind::InvalidInput, "`until` is before `from`"));
        }
        Ok(Self { from, until })
    }

    /// Creates the range of the last `duration` before `now`.
    pub fn last(duration: Duration, now: Timestamp) -> Self {
        Self { from: now.before(duration), until: now }
    }

    /// Returns the start.
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// Returns the end, which is not part of the range.
    pub const fn until(self) -> Timestamp {
        self.until
    }

    /// Returns whether `time` is in the range.
    pub fn contains(self, time: Timestamp) -> bool {
        self.from <= time && time < self.until
    }
}
