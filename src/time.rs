//! [`Timestamp`] and the [`Clock`] it comes from.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

/// A moment: whole milliseconds since 1970-01-01T00:00:00Z, as stored and as shown in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment `duration` later; the last representable one instead of an overflow.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(to_millis(duration)))
    }

    /// How long ago `earlier` was; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Where the time comes from: the system, or a hand that a test moves.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{Clock, Timestamp};
///
/// let clock = Clock::manual(Timestamp::from_millis(1_000));
/// let same = clock.clone();
/// clock.advance(Duration::from_millis(5));
/// assert_eq!(same.now(), Timestamp::from_millis(1_005));
/// ```
#[derive(Clone, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The operating system's wall clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until [`advance`](Self::advance) moves it; its clones move with it.
    pub fn manual(start: Timestamp) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(start.0))) }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match &self.manual {
            Some(hand) => Timestamp(hand.load(Ordering::SeqCst)),
            // A system clock set before 1970 reads as 1970: nothing was created earlier, so nothing looks older.
            None => Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, to_millis)),
        }
    }

    /// Begins to measure how long something takes.
    pub(crate) fn stopwatch(&self) -> Stopwatch {
        match &self.manual {
            Some(_) => Stopwatch::Manual(self.now()),
            None => Stopwatch::System(Instant::now()),
        }
    }

    /// Moves a manual clock forward by whole milliseconds.
    ///
    /// # Panics
    ///
    /// On the system clock, which nobody but the system moves.
    pub fn advance(&self, duration: Duration) {
        let hand = self.manual.as_ref().expect("only a manual clock can be moved");
        hand.fetch_add(to_millis(duration), Ordering::SeqCst);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.manual {
            Some(hand) => f.debug_tuple("Manual").field(hand).finish(),
            None => f.write_str("System"),
        }
    }
}

/// The beginning of something, by a clock that is never set back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stopwatch {
    System(Instant),
    Manual(Timestamp),
}

impl Stopwatch {
    /// How long it has taken by now, in microseconds.
    pub(crate) fn micros(self, clock: &Clock) -> u64 {
        let elapsed = match self {
            Self::System(begin) => begin.elapsed(),
            Self::Manual(begin) => clock.now().since(begin),
        };
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

pub(crate) fn to_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
