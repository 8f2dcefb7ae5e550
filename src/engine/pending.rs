//! [`PendingErasures`]: users whose erasure was asked for and is not decided yet: a disk or a store that does not answer
//! may have it or not. In this process they are treated as if they were erased.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    error::Result,
    id::UserId,
    model::{
        activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
        privacy::{Actor, Erasure, Pseudonym},
    },
    store::{ActivityStore, Commit, dyn_store::DynActivityStore},
};

/// The pending erasures of a guestbook. A clone is another handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingErasures {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whether there is any, so that the lock is taken only then.
    is_any: AtomicBool,
    users: Mutex<HashMap<UserId, PendingErasure>>,
}

#[derive(Clone, Debug)]
struct PendingErasure {
    pseudonym: Pseudonym,
    actor: Actor,
    /// The erasure, if the journal has it and the store does not.
    entered: Option<Erasure>,
    /// Whether an attempt is under way.
    is_tried: bool,
}

impl PendingErasures {
    /// Whether the user's erasure is pending.
    pub(crate) fn contains(&self, user: &UserId) -> bool {
        self.inner.is_any.load(Ordering::Acquire) && self.users().contains_key(user)
    }

    /// Whether the erasure of the user with this pseudonym is pending.
    pub(crate) fn has(&self, pseudonym: Pseudonym) -> bool {
        self.users().values().any(|pending| pending.pseudonym == pseudonym)
    }

    /// Remembers that an attempt that is under way has not decided anything yet.
    pub(crate) fn put_off(&self, user: &UserId, pseudonym: Pseudonym, actor: Actor) {
        let mut users = self.users();
        let pending = PendingErasure { pseudonym, actor, entered: None, is_tried: true };
        users.entry(user.clone()).or_insert(pending).is_tried = true;
        self.inner.is_any.store(true, Ordering::Release);
    }

    /// Returns whether the caller may try; nobody else does then. Everybody may try users who are
    /// not pending.
    pub(crate) fn take_turn(&self, user: &UserId) -> bool {
        match self.users().get_mut(user) {
            Some(pending) => !std::mem::replace(&mut pending.is_tried, true),
            None => true,
        }
    }

    /// An attempt is over and has decided nothing. `entered`: what it has written to the journal.
    pub(crate) fn end_turn(&self, user: &UserId, entered: Option<Erasure>) {
        if let Some(pending) = self.users().get_mut(user) {
            pending.is_tried = false;
            pending.entered = entered.or(pending.entered.take());
        }
    }

    /// The journal's erasures of the user.
    pub(crate) fn entered(&self, user: &UserId) -> Option<Erasure> {
        self.users().get(user)?.entered.clone()
    }

    /// Users whom nobody tries at the moment, and the actor of the attempt.
    pub(crate) fn waiting(&self) -> Vec<(UserId, Actor)> {
        let users = self.users();
        let waiting = users.iter().filter(|(_, pending)| !pending.is_tried);
        waiting.map(|(user, pending)| (user.clone(), pending.actor.clone())).collect()
    }

    /// It is decided: from now on the store refuses the user.
    pub(crate) fn remove(&self, user: &UserId) {
        let mut users = self.users();
        users.remove(user);
        self.inner.is_any.store(!users.is_empty(), Ordering::Release);
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, PendingErasure>> {
        self.inner.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store of activities for the recorder, that leaves events of pending users out of a batch, as
/// the store does with those of erased ones.
pub(crate) struct WithholdingStore {
    store: Arc<dyn DynActivityStore>,
    pending: PendingErasures,
}

impl WithholdingStore {
    pub(crate) fn new(store: Arc<dyn DynActivityStore>, pending: PendingErasures) -> Self {
        Self { store, pending }
    }
}

impl ActivityStore for WithholdingStore {
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        let is_withheld = |entry: &Entry| entry.event.user.as_ref().is_some_and(|user| self.pending.contains(user));
        let withheld: Vec<bool> = entries.iter().map(is_withheld).collect();
        if !withheld.contains(&true) {
            return self.store.append(entries, commit).await;
        }
        let kept = entries.iter().zip(&withheld).filter(|(_, withheld)| !**withheld);
        let kept: Arc<[Entry]> = kept.map(|(entry, _)| entry.clone()).collect();
        let mut stored = self.store.append(kept, commit).await?.into_iter();
        Ok(withheld.into_iter().map(|withheld| if withheld { None } else { stored.next().flatten() }).collect())
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.store.history(query).await
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.store.count(filter).await
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.store.delete_activities(filter, limit).await
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.store.anonymise(filter, limit).await
    }
}
