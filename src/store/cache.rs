//! Sessions that were read a moment ago: bounded in number, in bytes and in age.

use std::{
    fmt,
    hash::{BuildHasherDefault, Hasher},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lru::LruCache;

use crate::{
    id::SessionKey,
    session::{SessionHead, SessionRecord},
    time::Timestamp,
};

/// A cache from key to session. An entry is used for `max_age` after it was read from the store, so that this is also
/// the time within which another process's revocation is noticed.
///
/// Nothing that this process ended is served again: whoever wants to [`put`](Self::put) what it read takes a
/// [`Ticket`] before it asks the store, and every [`remove`](Self::remove) since then makes the ticket worthless.
pub(crate) struct SessionCache {
    shards: Box<[Mutex<Shard>]>,
    max_age: Duration,
    max_bytes: usize,
}

struct Shard {
    entries: LruCache<SessionKey, Entry, BuildHasherDefault<KeyHasher>>,
    bytes: usize,
    epoch: u64,
}

struct Entry {
    record: Arc<SessionRecord>,
    read_at: Timestamp,
}

/// Proof that a reader began before or after a removal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

const SHARDS: usize = 64;

/// What an entry weighs beside its data: key, head, list links and allocations.
const ENTRY_OVERHEAD: usize = 512;

impl SessionCache {
    pub(crate) fn new(max_entries: usize, max_bytes: usize, max_age: Duration) -> Self {
        let per_shard = NonZeroUsize::new(max_entries / SHARDS).unwrap_or(NonZeroUsize::MIN);
        let shard =
            || Shard { entries: LruCache::unbounded_with_hasher(BuildHasherDefault::default()), bytes: 0, epoch: 0 };
        let shards = std::iter::repeat_with(|| {
            let mut shard = shard();
            shard.entries.resize(per_shard);
            Mutex::new(shard)
        });
        Self { shards: shards.take(SHARDS).collect(), max_age, max_bytes: max_bytes / SHARDS }
    }

    /// The session under `key`, if it was read recently enough.
    pub(crate) fn get(&self, key: &SessionKey, now: Timestamp) -> Option<Arc<SessionRecord>> {
        let mut shard = self.shard(key);
        let entry = shard.entries.get(key)?;
        // A clock that was set back must not make entries immortal.
        let fresh = entry.read_at <= now && now.since(entry.read_at) < self.max_age;
        fresh.then(|| entry.record.clone())
    }

    pub(crate) fn ticket(&self, key: &SessionKey) -> Ticket {
        Ticket(self.shard(key).epoch)
    }

    /// Keeps what was read at `now` with a ticket taken before.
    pub(crate) fn put(&self, key: SessionKey, record: Arc<SessionRecord>, now: Timestamp, ticket: Ticket) {
        let weight = weight(&record);
        let mut shard = self.shard(&key);
        if shard.epoch != ticket.0 || weight > self.max_bytes {
            return;
        }
        shard.bytes += weight;
        if let Some((_, old)) = shard.entries.push(key, Entry { record, read_at: now }) {
            shard.bytes -= self::weight(&old.record);
        }
        while shard.bytes > self.max_bytes {
            let Some((_, old)) = shard.entries.pop_lru() else { break };
            shard.bytes -= self::weight(&old.record);
        }
    }

    /// Notes a request on a cached session, without making the entry any younger.
    pub(crate) fn touch(&self, key: &SessionKey, now: Timestamp) {
        if let Some(entry) = self.shard(key).entries.get_mut(key) {
            let record = Arc::make_mut(&mut entry.record);
            record.head.last_seen = record.head.last_seen.max(now);
        }
    }

    pub(crate) fn remove(&self, key: &SessionKey) {
        let mut shard = self.shard(key);
        shard.epoch += 1;
        if let Some(old) = shard.entries.pop(key) {
            shard.bytes -= weight(&old.record);
        }
    }

    /// Removes the sessions that `matches` names. Looks at every entry.
    pub(crate) fn remove_where(&self, matches: impl Fn(&SessionHead) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.epoch += 1;
            let doomed = shard.entries.iter().filter(|(_, entry)| matches(&entry.record.head));
            let doomed: Vec<_> = doomed.map(|(key, _)| *key).collect();
            for key in doomed {
                if let Some(old) = shard.entries.pop(&key) {
                    shard.bytes -= weight(&old.record);
                }
            }
        }
    }

    fn shard(&self, key: &SessionKey) -> MutexGuard<'_, Shard> {
        // The map inside a shard is addressed by the first bytes of the key, the shard by the last one.
        lock(&self.shards[usize::from(key.as_bytes()[31]) % SHARDS])
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCache").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn weight(record: &SessionRecord) -> usize {
    ENTRY_OVERHEAD + record.data.bytes()
}

/// A key is a SHA-256 already: its first eight bytes are as good a hash as any. Only who can choose SHA-256 outputs
/// could make them collide.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk::<8>() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    // The length prefix of an array says nothing.
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
        session::{Changes, Lifetime, Merge, SessionData, SessionLimits},
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
    fn what_was_read_before_a_removal_is_not_kept_after_it() {
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
    fn an_entry_is_used_for_its_age_and_not_when_the_clock_goes_back() {
        let (cache, key, at) =
            (SessionCache::new(64, 1 << 20, Duration::from_millis(1_000)), key(), Timestamp::from_millis);
        cache.put(key, record(1), at(5_000), cache.ticket(&key));
        cache.touch(&key, at(5_500));
        assert!(cache.get(&key, at(5_999)).is_some());
        assert!(cache.get(&key, at(6_000)).is_none());
        assert!(cache.get(&key, at(4_999)).is_none());
    }

    #[test]
    fn entries_and_bytes_stay_bounded() {
        let (max_entries, max_bytes) = (SHARDS * 4, SHARDS * 8 * 1024);
        let cache = SessionCache::new(max_entries, max_bytes, Duration::from_secs(1));
        for number in 0..5_000 {
            let key = key();
            cache.put(key, record(number % 4_000), Timestamp::from_millis(0), cache.ticket(&key));
        }
        for shard in &cache.shards {
            let shard = lock(shard);
            let bytes: usize = shard.entries.iter().map(|(_, entry)| weight(&entry.record)).sum();
            assert_eq!(bytes, shard.bytes);
            assert!(shard.entries.len() <= 4 && bytes <= max_bytes / SHARDS && bytes > 0);
        }
    }
}
