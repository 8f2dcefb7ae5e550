//! Keeps anonymous sessions within their [limits](AnonymousLimits): asks the store as rarely as it
//! can, and refuses networks that have used up their share.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lru::LruCache;

use crate::{
    error::{Error, ErrorKind, Result},
    model::{client::TruncatedAddress, session::AnonymousLimits},
    store::{AnonymousBound, AnonymousTotal, dyn_store::DynStore},
    time::{Timestamp, to_millis},
};

pub(super) struct AnonymousSessions {
    limits: AnonymousLimits,
    room: Mutex<Room>,
    networks: Mutex<LruCache<TruncatedAddress, Used>>,
    /// More than half of the bound is used.
    is_crowded: AtomicBool,
}

/// What this process may add before it reads the total from the store again.
#[derive(Debug, Default)]
struct Room {
    sessions: u64,
    bytes: u64,
    warned_at: Option<Timestamp>,
}

/// Recent use of a network, in units of one session, or one byte, and one millisecond: nothing is
/// rounded.
#[derive(Clone, Copy, Debug)]
struct Used {
    at: Timestamp,
    sessions: u128,
    bytes: u128,
}

/// The share of a network is given back in this time.
const SPAN: Duration = Duration::from_secs(600);

/// The number of networks that are remembered. The one that asked least recently goes first, and
/// begins anew.
const NETWORKS: NonZeroUsize = NonZeroUsize::new(10_000).expect("more than none");

/// Maximum number of sessions that one step ends, and of steps at a time.
const STEP: usize = 256;
const STEPS: usize = 8;

/// The number of processes that may share a store before what they add unasked exceeds the bound.
const PROCESSES: u64 = 8;

const WARN_INTERVAL: Duration = Duration::from_secs(60);

impl AnonymousSessions {
    pub(super) fn new(limits: AnonymousLimits) -> Self {
        let mut networks = LruCache::unbounded();
        // Memory comes with the networks.
        networks.resize(NETWORKS);
        Self { limits, room: Mutex::default(), networks: Mutex::new(networks), is_crowded: AtomicBool::new(false) }
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    /// Somebody at `address` wants to begin `sessions` sessions, and to add `bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] if it is crowded and their network has used up its share. Nothing
    /// is counted then.
    pub(super) fn admit(&self, address: Option<IpAddr>, sessions: u64, bytes: u64, now: Timestamp) -> Result<()> {
        let Some(network) = address.map(TruncatedAddress::from).filter(TruncatedAddress::is_public) else {
            return Ok(());
        };
        let AnonymousLimits { network_sessions, network_bytes, .. } = self.limits;
        let mut networks = lock(&self.networks);
        let used = networks.get_or_insert_mut(network, || Used { at: now, sessions: 0, bytes: 0 });
        let elapsed = now.since(used.at);
        used.sessions = left(used.sessions, elapsed, network_sessions) + cost(sessions);
        used.bytes = left(used.bytes, elapsed, network_bytes) + cost(bytes);
        used.at = now;
        let (most_sessions, most_bytes) = (cost(network_sessions), cost(network_bytes));
        if self.is_crowded() {
            let waits = [wait(used.sessions, network_sessions), wait(used.bytes, network_bytes)];
            let longest = waits.into_iter().max().unwrap_or_default();
            if !longest.is_zero() {
                used.sessions -= cost(sessions);
                used.bytes -= cost(bytes);
                let problem = "this network has begun too many anonymous sessions, or stored too much in them";
                return Err(Error::new(ErrorKind::RateLimited, problem).with_retry_after(longest));
            }
        }
        // Use before the limit was half full does not count.
        used.sessions = used.sessions.min(most_sessions);
        used.bytes = used.bytes.min(most_bytes);
        Ok(())
    }

    /// Keeps the store within the bound after something was stored.
    pub(super) async fn added(&self, store: &dyn DynStore, sessions: u64, bytes: u64, now: Timestamp) {
        if self.takes(sessions, bytes) {
            return;
        }
        let bound = AnonymousBound { sessions: self.limits.sessions, bytes: self.limits.bytes };
        let mut ended = 0;
        for _ in 0..STEPS {
            match store.trim_anonymous(bound, STEP).await {
                Ok(total) => {
                    ended += total.ended;
                    self.learn(bound, total);
                    if !bound.is_exceeded_by(total) {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "anonymous sessions could not be kept within their bound; the next one tries again");
                    break;
                }
            }
        }
        if ended > 0 {
            self.warn(ended, now);
        }
    }

    /// Whether there is room for it without asking.
    fn takes(&self, sessions: u64, bytes: u64) -> bool {
        let mut room = lock(&self.room);
        match (room.sessions.checked_sub(sessions), room.bytes.checked_sub(bytes)) {
            (Some(sessions), Some(bytes)) => {
                (room.sessions, room.bytes) = (sessions, bytes);
                true
            }
            _ => false,
        }
    }

    fn learn(&self, bound: AnonymousBound, total: AnonymousTotal) {
        let mut room = lock(&self.room);
        room.sessions = bound.sessions.saturating_sub(total.sessions) / PROCESSES;
        room.bytes = bound.bytes.saturating_sub(total.bytes) / PROCESSES;
        let half = AnonymousBound { sessions: bound.sessions / 2, bytes: bound.bytes / 2 };
        self.is_crowded.store(half.is_exceeded_by(total), Ordering::Relaxed);
    }

    fn warn(&self, ended: u64, now: Timestamp) {
        let mut room = lock(&self.room);
        if room.warned_at.is_none_or(|at| now.since(at) >= WARN_INTERVAL) {
            room.warned_at = Some(now);
            let AnonymousLimits { sessions, bytes, .. } = self.limits;
            tracing::warn!(
                ended,
                sessions,
                bytes,
                "anonymous sessions reached their bound: the least recently used ones ended; said once a minute"
            );
        }
    }
}

fn cost(amount: u64) -> u128 {
    u128::from(amount) * millis(SPAN)
}

/// Returns what still counts of `used` after some time, if `most` is replenished in a span.
fn left(used: u128, elapsed: Duration, most: u64) -> u128 {
    used.saturating_sub(millis(elapsed) * u128::from(most))
}

/// How long it takes until `used` is no more than `most`.
fn wait(used: u128, most: u64) -> Duration {
    let excess = used.saturating_sub(cost(most));
    Duration::from_millis(u64::try_from(excess.div_ceil(u128::from(most.max(1)))).unwrap_or(u64::MAX))
}

fn millis(duration: Duration) -> u128 {
    u128::try_from(to_millis(duration)).unwrap_or(0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
