//! A cache bounded in number, bytes and age.

use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lru::LruCache;

use crate::{
    id::SessionKey,
    model::{
        consent::Subject,
        session::{SessionHead, SessionRecord},
    },
    time::Timestamp,
};

/// A cache of values read from the store. An entry is used for `max_age` after it was read, so a
/// change by another process is noticed within that time.
///
/// A change by this process is visible at once: before a task reads a value to [`put`](Self::put),
/// it takes a [`Ticket`], and every [`remove`](Self::remove) after that invalidates the ticket.
pub(crate) struct Cache<K: CacheKey, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    hasher: K::Hasher,
    max_age: Duration,
    max_bytes: usize,
    /// Number of removals in all shards.
    epoch: AtomicU64,
}

/// Sessions by their key.
pub(crate) type SessionCache = Cache<SessionKey, Arc<SessionRecord>>;

pub(crate) trait CacheKey: Clone + Eq + Hash {
    type Hasher: BuildHasher + Clone + Default;

    /// Returns a number that is independent of the position within a shard.
    fn number(&self, hasher: &Self::Hasher) -> usize;
}

pub(crate) trait CacheValue: Clone {
    /// Returns the approximate size in bytes.
    fn weight(&self) -> usize;
}

struct Shard<K: CacheKey, V> {
    entries: LruCache<K, Entry<V>, K::Hasher>,
    bytes: usize,
    epoch: u64,
}

struct Entry<V> {
    value: V,
    read_at: Timestamp,
}

/// Proof of whether a read began before or after a removal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ticket {
    /// For one key.
    Key(u64),
    /// For a key that is not known yet: any removal invalidates it.
    Any(u64),
}

const SHARDS: usize = 64;

/// Size of an entry without its data: key, head, list links and allocations.
const ENTRY_OVERHEAD: usize = 512;

impl<K: CacheKey, V: CacheValue> Cache<K, V> {
    pub(crate) fn new(max_entries: usize, max_bytes: usize, max_age: Duration) -> Self {
        let per_shard = NonZeroUsize::new(max_entries / SHARDS).unwrap_or(NonZeroUsize::MIN);
        let hasher = K::Hasher::default();
        let shards = std::iter::repeat_with(|| {
            let mut entries = LruCache::unbounded_with_hasher(hasher.clone());
            entries.resize(per_shard);
            Mutex::new(Shard { entries, bytes: 0, epoch: 0 })
        });
        let shards = shards.take(SHARDS).collect();
        Self { shards, hasher, max_age, max_bytes: max_bytes / SHARDS, epoch: AtomicU64::new(0) }
    }

    #[inline]
    /// Returns the value under `key`, if it was read recently enough.
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let mut shard = self.shard(key);
        let entry = shard.entries.get(key)?;
        // A clock that was set back must not make entries immortal.
        let fresh = entry.read_at <= now && now.since(entry.read_at) < self.max_age;
        fresh.then(|| entry.value.clone())
    }

    pub(crate) fn ticket(&self, key: &K) -> Ticket {
        Ticket::Key(self.shard(key).epoch)
    }

    pub(crate) fn ticket_for_any(&self) -> Ticket {
        Ticket::Any(self.epoch.load(Ordering::SeqCst))
    }

    /// Stores a value that was read at `now` with a ticket taken before.
    pub(crate) fn put(&self, key: K, value: V, now: Timestamp, ticket: Ticket) {
        let weight = weight(&value);
        let mut shard = self.shard(&key);
        let is_valid = match ticket {
            Ticket::Key(epoch) => shard.epoch == epoch,
            Ticket::Any(epoch) => self.epoch.load(Ordering::SeqCst) == epoch,
        };
        if !is_valid || weight > self.max_bytes {
            return;
        }
        shard.bytes += weight;
        if let Some((_, old)) = shard.entries.push(key, Entry { value, read_at: now }) {
            shard.bytes -= self::weight(&old.value);
        }
        while shard.bytes > self.max_bytes {
            let Some((_, old)) = shard.entries.pop_lru() else { break };
            shard.bytes -= self::weight(&old.value);
        }
    }

    /// Changes a value without changing its age and size.
    pub(crate) fn update(&self, key: &K, change: impl FnOnce(&mut V)) {
        if let Some(entry) = self.shard(key).entries.get_mut(key) {
            change(&mut entry.value);
        }
    }

    pub(crate) fn remove(&self, key: &K) {
        let mut shard = self.shard(key);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        shard.epoch += 1;
        if let Some(old) = shard.entries.pop(key) {
            shard.bytes -= weight(&old.value);
        }
    }

    /// Removes the entries that `matches` selects. Visits all entries.
    pub(crate) fn remove_where(&self, matches: impl Fn(&V) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            self.epoch.fetch_add(1, Ordering::SeqCst);
            shard.epoch += 1;
            let doomed = shard.entries.iter().filter(|(_, entry)| matches(&entry.value));
            let doomed: Vec<_> = doomed.map(|(key, _)| key.clone()).collect();
            for key in doomed {
                if let Some(old) = shard.entries.pop(&key) {
                    shard.bytes -= weight(&old.value);
                }
            }
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        lock(&self.shards[key.number(&self.hasher) % SHARDS])
    }
}

impl<K: CacheKey, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

impl CacheKey for SessionKey {
    type Hasher = BuildHasherDefault<KeyHasher>;

    // The map of a shard uses the first bytes of the key, the choice of the shard the last one.
    fn number(&self, _: &Self::Hasher) -> usize {
        usize::from(self.as_bytes()[31])
    }
}

impl CacheKey for Subject {
    type Hasher = foldhash::fast::RandomState;

    fn number(&self, hasher: &Self::Hasher) -> usize {
        // The map uses the lowest and the highest bits.
        (hasher.hash_one(self) >> 32) as usize
    }
}

impl CacheValue for Arc<SessionRecord> {
    fn weight(&self) -> usize {
        self.data.bytes()
    }
}

impl CacheValue for () {
    fn weight(&self) -> usize {
        0
    }
}

fn lock<K: CacheKey, V>(shard: &Mutex<Shard<K, V>>) -> MutexGuard<'_, Shard<K, V>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn weight<V: CacheValue>(value: &V) -> usize {
    ENTRY_OVERHEAD + value.weight()
}

/// Records a request on a cached session.
pub(crate) fn touch(cache: &SessionCache, key: &SessionKey, now: Timestamp) {
    cache.update(key, |record| {
        let head: &mut SessionHead = &mut Arc::make_mut(record).head;
        head.last_seen = head.last_seen.max(now);
    });
}

/// A key is a SHA-256 already, so its first eight bytes are a good hash. Only somebody who can
/// choose SHA-256 outputs could cause collisions.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk::<8>() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    // The length prefix of an array carries no information.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{SessionId, SessionToken},
        model::session::{Changes, Lifetime, Merge, SessionData, SessionLimits},
    };

    fn record(bytes: usize) -> Arc<SessionRecord> {
        let now = Timestamp::from_millis(0);
        let mut changes = Changes::default();
        changes.set("k", &"x".repeat(bytes)).unwrap();
        let Merge::Merged(data) = changes.merge(&SessionData::default(), &SessionLimits::default()).unwrap() else {
            panic!("nothing was expected")
        };
        Arc::new(SessionRecord {
            head: SessionHead::new(SessionId::generate(now).unwrap(), now, Lifetime::default()),
            data,
        })
    }

    fn key() -> SessionKey {
        SessionToken::generate().unwrap().key()
    }

    #[test]
    fn put_ignores_a_ticket_from_before_a_removal() {
        let (cache, key, now) =
            (SessionCache::new(64, 1 << 20, Duration::from_secs(1)), key(), Timestamp::from_millis(5));
        let ticket = cache.ticket(&key);
        cache.remove(&key);
        cache.put(key, record(1), now, ticket);
        assert!(cache.get(&key, now).is_none());
        cache.put(key, record(1), now, cache.ticket(&key));
        assert!(cache.get(&key, now).is_some());
    }

    #[test]
    fn get_returns_entries_within_max_age_and_not_from_the_future() {
        let (cache, key, at) =
            (SessionCache::new(64, 1 << 20, Duration::from_millis(1_000)), key(), Timestamp::from_millis);
        cache.put(key, record(1), at(5_000), cache.ticket(&key));
        touch(&cache, &key, at(5_500));
        assert!(cache.get(&key, at(5_999)).is_some());
        assert!(cache.get(&key, at(6_000)).is_none());
        assert!(cache.get(&key, at(4_999)).is_none());
    }

    #[test]
    fn cache_bounds_entries_and_bytes() {
        let (max_entries, max_bytes) = (SHARDS * 4, SHARDS * 8 * 1024);
        let cache = SessionCache::new(max_entries, max_bytes, Duration::from_secs(1));
        for number in 0..5_000 {
            let key = key();
            cache.put(key, record(number % 4_000), Timestamp::from_millis(0), cache.ticket(&key));
        }
        for shard in &cache.shards {
            let shard = lock(shard);
            let bytes: usize = shard.entries.iter().map(|(_, entry)| weight(&entry.value)).sum();
            assert_eq!(bytes, shard.bytes);
            assert!(shard.entries.len() <= 4 && bytes <= max_bytes / SHARDS && bytes > 0);
        }
    }
}
