//! Anonymous sessions in memory, in the order of their last use.

use std::collections::{BTreeMap, HashMap};

use crate::{
    id::SessionId,
    model::session::SessionRecord,
    store::{AnonymousBound, AnonymousTotal},
    time::Timestamp,
};

/// The anonymous sessions, and the size of their data.
#[derive(Debug, Default)]
pub(super) struct Anonymous {
    entries: HashMap<SessionId, Entry>,
    order: BTreeMap<Place, SessionId>,
    bytes: u64,
    begun: u64,
}

/// Time of the last use. At the same time, the order of insertion decides.
type Place = (Timestamp, u64);

#[derive(Debug)]
struct Entry {
    place: Place,
    bytes: u64,
}

impl Anonymous {
    /// Records that a session was stored, used or changed.
    pub(super) fn note(&mut self, record: &SessionRecord) {
        if record.head.user.is_some() {
            return;
        }
        let id = record.head.id;
        let number = match self.remove(id) {
            Some(entry) => entry.place.1,
            None => {
                self.begun += 1;
                self.begun
            }
        };
        let entry = Entry { place: (record.head.last_seen, number), bytes: record.data.bytes() as u64 };
        self.bytes += entry.bytes;
        self.order.insert(entry.place, id);
        self.entries.insert(id, entry);
    }

    /// Records that a session was removed.
    pub(super) fn evict(&mut self, id: SessionId) {
        self.remove(id);
    }

    pub(super) fn total(&self) -> AnonymousTotal {
        AnonymousTotal { sessions: self.entries.len() as u64, bytes: self.bytes, ended: 0 }
    }

    /// Returns the least recently used session.
    pub(super) fn oldest(&self) -> Option<SessionId> {
        self.order.first_key_value().map(|(_, id)| *id)
    }

    /// Returns the sessions that must end, at most `limit`, the least recently used first.
    pub(super) fn beyond(&self, bound: AnonymousBound, limit: usize) -> Vec<SessionId> {
        let mut left = self.total();
        if !bound.is_exceeded_by(left) {
            return Vec::new();
        }
        let oldest = self.order.values().take_while(|id| {
            let takes_another = bound.takes_another(left);
            left.sessions -= 1;
            left.bytes -= self.entries.get(id).map_or(0, |entry| entry.bytes);
            takes_another
        });
        oldest.take(limit).copied().collect()
    }

    fn remove(&mut self, id: SessionId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.order.remove(&entry.place);
        self.bytes -= entry.bytes;
        Some(entry)
    }
}
