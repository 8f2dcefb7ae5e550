//! [`Timestamp`] and the [`Clock`] it comes from.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

/// A moment: whole milliseconds since 1970-01-01T00:00:00Z, as stored and as shown in JSON.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_guestbook::Timestamp;
///
/// let minute = Duration::from_secs(60);
/// let noon = Timestamp::from_millis(1_764_590_400_000);
/// assert_eq!(noon.after(minute).since(noon), minute);
/// assert_eq!(noon.before(minute).after(minute), noon);
/// assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH), Timestamp::from_millis(0));
/// assert!(Timestamp::now() > noon);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Makes a timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the current time of the operating system.
    ///
    /// A guestbook takes its time from a [`Clock`]; use that one's [`now`](Clock::now) in code that
    /// tests run with a manual clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Returns the moment `duration` earlier; the first representable one instead of an overflow.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(to_millis(duration)))
    }

    /// Returns the moment `duration` later; the last representable one instead of an overflow.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(to_millis(duration)))
    }

    /// Returns the beginning of the day in UTC; on the first representable day, the moment itself.
    #[must_use]
    pub fn start_of_day(self) -> Self {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        if self.0 < i64::MIN + DAY { self } else { Self(self.0 - self.0.rem_euclid(DAY)) }
    }

    /// Returns the time since `earlier`; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Rounds down to whole milliseconds. A time before 1970 becomes 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, to_millis))
    }
}

/// The source of the time: the operating system, or a hand that a test moves.
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

    /// A clock that stands still until [`advance`](Self::advance) moves it; its clones move with
    /// it.
    pub fn manual(start: Timestamp) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(start.0))) }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match &self.manual {
            Some(hand) => Timestamp(hand.load(Ordering::SeqCst)),
            // A system clock set before 1970 reads as 1970: nothing was created earlier, so nothing
            // looks older.
            None => Timestamp::now(),
        }
    }

    /// The current time, and the beginning of a measurement of how long something takes.
    ///
    /// Asks one clock where others need two: the wall clock is asked every [`WALL_CLOCK_AGE`] and
    /// counted on from there.
    pub(crate) fn arrival(&self) -> (Timestamp, Stopwatch) {
        if self.manual.is_some() {
            let now = self.now();
            return (now, Stopwatch::Manual(now));
        }
        let begin = Instant::now();
        let millis = to_millis(begin.duration_since(*START.get_or_init(|| begin)));
        if millis >= ASK_AGAIN.load(Ordering::Acquire) {
            AHEAD.store(self.now().0.saturating_sub(millis), Ordering::Release);
            // After the answer: who sees that nothing is to be asked sees the answer as well.
            ASK_AGAIN.store(millis.saturating_add(to_millis(WALL_CLOCK_AGE)), Ordering::Release);
        }
        (Timestamp(millis.saturating_add(AHEAD.load(Ordering::Relaxed))), Stopwatch::System(begin))
    }

    /// Moves a manual clock forward by whole milliseconds.
    ///
    /// # Panics
    ///
    /// On the system clock, which cannot be moved.
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

/// How late [`Clock::arrival`] notices that the wall clock was set, at most.
const WALL_CLOCK_AGE: Duration = Duration::from_millis(100);

/// When the process first asked for the time.
static START: OnceLock<Instant> = OnceLock::new();
/// The wall clock minus the time since the start, in milliseconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);
/// When the wall clock is asked again, in milliseconds since the start.
static ASK_AGAIN: AtomicI64 = AtomicI64::new(0);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_is_at_the_time_that_the_clock_shows() {
        let clock = Clock::system();
        for _ in 0..100_000 {
            let before = clock.now();
            let (arrival, _) = clock.arrival();
            let after = clock.now();
            // All are cut to whole milliseconds, from different beginnings.
            assert!((before.0 - 1..=after.0 + 1).contains(&arrival.0), "{arrival:?} between {before:?} and {after:?}");
        }
        let clock = Clock::manual(Timestamp(7));
        let (arrival, stopwatch) = clock.arrival();
        clock.advance(Duration::from_millis(3));
        assert_eq!((arrival, stopwatch.micros(&clock)), (Timestamp(7), 3_000));
    }
}
