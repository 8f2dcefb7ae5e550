//! [`Pair`]: sessions here, records there.

use std::sync::Arc;

use super::{ActivityStore, Applied, Commit, Loaded, Revocation, Rotation, SessionStore, Started};
use crate::{
    activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
    error::Result,
    id::{SessionId, SessionKey, UserId},
    session::{Changes, SessionCap, SessionHead, SessionLimits, SessionRecord},
    time::Timestamp,
};

/// Two stores as one: sessions in the first, activities in the second.
///
/// ```
/// use tower_guestbook::{Guestbook, store::{MemoryStore, Pair}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let store = Pair::new(MemoryStore::new(), MemoryStore::new());
/// let guestbook = Guestbook::builder(store).build()?;
/// # guestbook.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Pair<S, A> {
    sessions: S,
    activities: A,
}

impl<S: SessionStore, A: ActivityStore> Pair<S, A> {
    /// Sessions in `sessions`, activities in `activities`.
    pub fn new(sessions: S, activities: A) -> Self {
        Self { sessions, activities }
    }
}

impl<S: SessionStore, A: Send + Sync + 'static> SessionStore for Pair<S, A> {
    async fn insert(&self, key: SessionKey, record: SessionRecord, cap: SessionCap, now: Timestamp) -> Result<Started> {
        self.sessions.insert(key, record, cap, now).await
    }

    async fn load(&self, key: SessionKey) -> Result<Loaded> {
        self.sessions.load(key).await
    }

    async fn apply(&self, id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Result<Applied> {
        self.sessions.apply(id, changes, limits, now).await
    }

    async fn touch(&self, id: SessionId, now: Timestamp) -> Result<bool> {
        self.sessions.touch(id, now).await
    }

    async fn rotate(
        &self,
        rotation: Rotation,
        limits: SessionLimits,
        cap: SessionCap,
        now: Timestamp,
    ) -> Result<Option<Started>> {
        self.sessions.rotate(rotation, limits, cap, now).await
    }

    async fn delete(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionKey>> {
        self.sessions.delete(id, now).await
    }

    async fn list(&self, user: UserId, limit: usize, now: Timestamp) -> Result<Vec<SessionHead>> {
        self.sessions.list(user, limit, now).await
    }

    async fn revoke(&self, revocation: Revocation, now: Timestamp) -> Result<u64> {
        self.sessions.revoke(revocation, now).await
    }

    async fn purge_expired(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.sessions.purge_expired(now, limit).await
    }
}

impl<S: Send + Sync + 'static, A: ActivityStore> ActivityStore for Pair<S, A> {
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        self.activities.append(entries, commit).await
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.activities.history(query).await
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.activities.count(filter).await
    }

    async fn discard(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.activities.discard(filter, limit).await
    }
}
