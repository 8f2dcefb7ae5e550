//! Restrictions and legal holds in memory.

use std::collections::HashSet;

use super::{MemoryStore, State};
use crate::{
    error::Result,
    id::{UserId, VisitorId},
    model::{
        activity::{ActivityFilter, Event},
        privacy::{AuditNote, HeldClass, LegalHold, Restriction},
    },
    store::{RestrictionStore, restriction::nothing_to_hold},
    time::Timestamp,
};

/// The people whose events are excluded by a filter.
#[derive(Debug, Default)]
pub(super) struct Restricted {
    users: HashSet<UserId>,
    visitors: HashSet<VisitorId>,
}

impl RestrictionStore for MemoryStore {
    async fn restrict(
        &self,
        user: UserId,
        restriction: Option<Restriction>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Option<Restriction>> {
        let mut state = self.state();
        state.check_not_erased(&user)?;
        let before = state.restrictions.get(&user).copied();
        let after = Restriction::replaced(before, restriction, state.awaits_erasure(&user), now)?;
        if before != after {
            state.note(&note, now)?;
            state.set_restriction(user, after);
        }
        Ok(before)
    }

    async fn restriction_of(&self, user: UserId) -> Result<Option<Restriction>> {
        Ok(self.state().restrictions.get(&user).copied())
    }

    async fn restricted_users(&self, limit: usize) -> Result<Vec<UserId>> {
        let mut users: Vec<_> = self.state().restrictions.keys().cloned().collect();
        users.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        users.truncate(limit);
        Ok(users)
    }

    async fn place_hold(&self, user: UserId, hold: LegalHold, note: AuditNote, now: Timestamp) -> Result<()> {
        let mut state = self.state();
        if state.erasure(&user)?.is_some_and(|erasure| erasure.finished_at.is_some()) {
            return Err(nothing_to_hold());
        }
        state.note(&note, now)?;
        state.holds.insert((user, hold.class), hold);
        Ok(())
    }

    async fn release_hold(&self, user: UserId, class: HeldClass, note: AuditNote, now: Timestamp) -> Result<bool> {
        let mut state = self.state();
        let key = (user, class);
        if !state.holds.contains_key(&key) {
            return Ok(false);
        }
        state.note(&note, now)?;
        state.holds.remove(&key);
        Ok(true)
    }

    async fn holds_of(&self, user: UserId) -> Result<Vec<LegalHold>> {
        Ok(self.state().holds_of(&user))
    }
}

impl State {
    pub(super) fn set_restriction(&mut self, user: UserId, restriction: Option<Restriction>) {
        match restriction {
            Some(restriction) => _ = self.restrictions.insert(user, restriction),
            None => _ = self.restrictions.remove(&user),
        }
    }

    pub(super) fn holds_of(&self, user: &UserId) -> Vec<LegalHold> {
        let theirs = self.holds.iter().filter(|((other, _), _)| other == user);
        theirs.map(|(_, hold)| hold.clone()).collect()
    }

    /// Returns whether an event is not stored because its user is restricted.
    pub(super) fn is_restricted(&self, event: &Event) -> bool {
        let user = match (&event.user, event.visitor) {
            (Some(user), _) => Some(user),
            (None, Some(visitor)) => self.consents.user_of(visitor),
            (None, None) => None,
        };
        user.is_some_and(|user| self.restrictions.contains_key(user))
    }

    /// Returns the people that `filter` excludes.
    pub(super) fn restricted(&self, filter: &ActivityFilter) -> Restricted {
        let Some(now) = filter.except_restricted else { return Restricted::default() };
        let is_held = |((_, class), hold): &(&(UserId, HeldClass), &LegalHold)| {
            *class == HeldClass::Activities && hold.holds_at(now)
        };
        let held = self.holds.iter().filter(is_held).map(|((user, _), _)| user);
        let users: HashSet<UserId> = self.restrictions.keys().chain(held).cloned().collect();
        let visitors = users.iter().flat_map(|user| self.consents.visitors_of(user)).collect();
        Restricted { users, visitors }
    }
}

impl Restricted {
    pub(super) fn has(&self, event: &Event) -> bool {
        match (&event.user, event.visitor) {
            (Some(user), _) => self.users.contains(user),
            (None, Some(visitor)) => self.visitors.contains(&visitor),
            (None, None) => false,
        }
    }
}
