//! [`ExportSlots`]: the number of exports that run at the same time.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::id::UserId;

/// The slot of a user, until it is dropped.
#[derive(Debug, Default)]
pub(super) struct ExportSlots {
    users: Mutex<HashSet<UserId>>,
}

/// A user's turn, until it is dropped.
#[derive(Debug)]
pub(super) struct ExportSlot {
    slots: Arc<ExportSlots>,
    user: UserId,
}

/// The largest number of exports at the same time in a process.
const MAX_EXPORTS: usize = 16;

impl ExportSlots {
    pub(super) fn try_reserve(slots: &Arc<Self>, user: UserId) -> Option<ExportSlot> {
        let mut users = slots.users.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = users.len() < MAX_EXPORTS && users.insert(user.clone());
        is_free.then(|| ExportSlot { slots: slots.clone(), user })
    }
}

impl Drop for ExportSlot {
    fn drop(&mut self) {
        self.slots.users.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.user);
    }
}
