//! The boxed twins of the store traits, so that no type of a user carries a store parameter.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{ActivityStore, Applied, Commit, Loaded, Revocation, Rotation, SessionStore, Started};
use crate::{
    activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
    error::Result,
    id::{SessionId, SessionKey, UserId},
    session::{Changes, SessionCap, SessionHead, SessionLimits, SessionRecord},
    time::Timestamp,
};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Declares the object-safe twin of a store trait and implements it for every store.
macro_rules! twin {
    ($twin:ident of $trait:ident: $($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        pub(crate) trait $twin: Send + Sync {
            $(fn $verb(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>>;)*
        }

        impl<S: $trait> $twin for S {
            $(fn $verb(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>> {
                Box::pin($trait::$verb(self, $($name),*))
            })*
        }
    };
}

twin! {
    DynamicActivityStore of ActivityStore:
    append(entries: Arc<[Entry]>, commit: Commit) -> Vec<Option<u64>>;
    history(query: HistoryQuery) -> HistoryPage;
    count(filter: ActivityFilter) -> u64;
    discard(filter: ActivityFilter, limit: usize) -> usize;
}

twin! {
    DynamicSessionStore of SessionStore:
    insert(key: SessionKey, record: SessionRecord, cap: SessionCap, now: Timestamp) -> Started;
    load(key: SessionKey) -> Loaded;
    apply(id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Applied;
    touch(id: SessionId, now: Timestamp) -> bool;
    rotate(rotation: Rotation, limits: SessionLimits, cap: SessionCap, now: Timestamp) -> Option<Started>;
    delete(id: SessionId, now: Timestamp) -> Option<SessionKey>;
    list(user: UserId, limit: usize, now: Timestamp) -> Vec<SessionHead>;
    revoke(revocation: Revocation, now: Timestamp) -> u64;
    purge_expired(now: Timestamp, limit: usize) -> usize;
}
