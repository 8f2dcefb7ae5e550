//! The boxed twin of [`SessionStore`], so that no type of a user carries a store parameter.

use std::{future::Future, pin::Pin};

use super::{Applied, Loaded, Revocation, Rotation, SessionStore, Started};
use crate::{
    error::Result,
    id::{SessionId, SessionKey, UserId},
    session::{Changes, SessionCap, SessionHead, SessionLimits, SessionRecord},
    time::Timestamp,
};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Declares the object-safe trait and implements it for every [`SessionStore`].
macro_rules! twin {
    ($($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        pub(crate) trait DynamicStore: Send + Sync {
            $(fn $verb(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>>;)*
        }

        impl<S: SessionStore> DynamicStore for S {
            $(fn $verb(&self, $($name: $type),*) -> BoxFuture<'_, Result<$answer>> {
                Box::pin(SessionStore::$verb(self, $($name),*))
            })*
        }
    };
}

twin! {
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
