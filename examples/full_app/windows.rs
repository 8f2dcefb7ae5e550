//! Counts per key within a minute, for a bounded number of keys.

use std::{
    hash::Hash,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use lru::LruCache;

/// How long a count lasts, from its first event on.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// The number of keys that are remembered. The key that was not used for the longest time makes
/// room for another, so a stranger who invents keys locks nobody out.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(100_000).expect("it is not zero");

pub(crate) struct Windows<K: Hash + Eq> {
    counts: LruCache<K, Window>,
}

struct Window {
    opened: Instant,
    count: u32,
}

impl<K: Hash + Eq> Windows<K> {
    pub(crate) fn new() -> Self {
        // The map grows with its keys.
        let mut counts = LruCache::unbounded();
        counts.resize(CAPACITY);
        Self { counts }
    }

    /// Adds `more` events of `key`.
    pub(crate) fn add(&mut self, key: K, more: u32, now: Instant) {
        let window = self.counts.get_or_insert_mut(key, || Window { opened: now, count: 0 });
        if window.is_over(now) {
            *window = Window { opened: now, count: 0 };
        }
        window.count = window.count.saturating_add(more);
    }

    /// Takes one event of `key` back.
    pub(crate) fn take_back(&mut self, key: &K) {
        if let Some(window) = self.counts.peek_mut(key) {
            window.count = window.count.saturating_sub(1);
        }
    }

    /// The number of events of `key` in its window.
    pub(crate) fn count(&self, key: &K, now: Instant) -> u32 {
        self.counts.peek(key).filter(|window| !window.is_over(now)).map_or(0, |window| window.count)
    }

    /// How long to wait until `more` events of `key` do not exceed `limit`; nothing if they do not
    /// now.
    pub(crate) fn wait(&self, key: &K, more: u32, limit: u32, now: Instant) -> Option<Duration> {
        if self.count(key, now).saturating_add(more) <= limit {
            return None;
        }
        // Alone it may exceed the limit already.
        let opened = self.counts.peek(key).filter(|window| !window.is_over(now)).map_or(now, |window| window.opened);
        Some(WINDOW - now.duration_since(opened))
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.opened) >= WINDOW
    }
}
