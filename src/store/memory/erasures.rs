//! Erasure in memory.

use std::collections::BTreeSet;

use super::{MemoryStore, State};
use crate::{
    error::Result,
    id::UserId,
    model::{
        activity::Event,
        consent::Subject,
        privacy::{
            AuditNote, ErasedActivities, Erasure, ErasureId, HeldClass, PrivacyRequest, Pseudonym, RetainedData,
        },
    },
    store::{
        ErasureStore, Revocation,
        erasure::{check_nameless, check_whole, no_such_erasure, under_way, user_erased},
    },
    time::Timestamp,
};

impl ErasureStore for MemoryStore {
    async fn begin_erasure(&self, user: UserId, until: Timestamp, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        let mut state = self.state();
        let pseudonym = Pseudonym::of(&user, &state.consents.secret()?);
        if let Some(known) = state.erasures.get(&pseudonym) {
            return Ok(known.clone());
        }
        let mut erasure = Erasure::begin(user.clone(), pseudonym, now, until)?;
        state.note(&note, now)?;
        let ended = Revocation::Erased(user);
        state.raise_with(&ended)?;
        let ids = state.matching(&ended);
        state.end_all(&ids, now);
        erasure.erased.sessions = ids.len() as u64;
        state.erasures.insert(erasure.pseudonym, erasure.clone());
        Ok(erasure)
    }

    async fn erase_some(
        &self,
        id: ErasureId,
        limit: usize,
        activities: ErasedActivities,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Erasure> {
        let mut state = self.state();
        let mut erasure = state.erasure_by_id(id).cloned().ok_or_else(no_such_erasure)?;
        let Some(user) = erasure.user.clone() else { return Ok(erasure) };
        let mut erased = erasure.erased;
        let holds = state.holds_of(&user).into_iter().filter(|hold| hold.holds_at(now)).collect::<Vec<_>>();
        let is_held = |class| holds.iter().any(|hold| hold.class == class);
        state.restrictions.remove(&user);
        if !is_held(HeldClass::Preferences) {
            erased.preferences += u64::from(state.preferences.remove(&user).is_some_and(|stored| stored.version > 0));
        }
        let visitors = state.consents.visitors_of(&user);
        // Others may have used the same browser.
        let is_theirs = |event: &Event| match &event.user {
            Some(other) => *other == user,
            None => event.visitor.is_some_and(|visitor| visitors.contains(&visitor)),
        };
        let mut left = limit;
        if !is_held(HeldClass::Activities) {
            // What only they have done would tell whose the rest is.
            let of_others = state.activities.names(|event| !is_theirs(event));
            let goes = |event: &Event| activities == ErasedActivities::Deleted || !of_others.has(event);
            let deleted = state
                .activities
                .delete_activities(left, |activity| is_theirs(&activity.event) && goes(&activity.event));
            left -= deleted;
            let anonymised = match activities {
                ErasedActivities::Deleted => 0,
                ErasedActivities::Anonymised => state.activities.anonymise(left, |activity| is_theirs(&activity.event)),
            };
            left -= anonymised;
            erased.activities += deleted as u64;
            erased.anonymised += anonymised as u64;
        }
        let subjects = visitors.into_iter().map(Subject::Visitor).chain([Subject::User(user.clone())]);
        for subject in subjects.filter(|_| !is_held(HeldClass::Consents)) {
            let gone = state.consents.evict(&subject, left, is_held(HeldClass::Activities));
            erased.consents += gone as u64;
            left -= gone;
        }
        let pseudonym = erasure.pseudonym;
        let is_nameless = state.audit.erase(pseudonym, limit);
        (erasure.erased, erasure.retained) = (erased, Vec::new());
        match left {
            0 => {}
            _ if !is_nameless => {}
            _ if !holds.is_empty() => {
                erasure.retained = holds.iter().map(RetainedData::from).collect();
                state.erased_in_part(&user, now);
            }
            _ => {
                (erasure.user, erasure.finished_at) = (None, Some(now));
                state.note(&note.finished(&erasure), now)?;
                state.holds.retain(|(other, _), _| *other != user);
                state.delete_in_requests(&user, pseudonym, now);
            }
        }
        state.erasures.insert(pseudonym, erasure.clone());
        Ok(erasure)
    }

    async fn unfinished_erasures(&self) -> Result<Vec<Erasure>> {
        let state = self.state();
        let unfinished = state.erasures.values().filter(|erasure| erasure.finished_at.is_none());
        let mut unfinished: Vec<_> = unfinished.cloned().collect();
        unfinished.sort_by_key(|erasure| (erasure.began_at, erasure.id));
        Ok(unfinished)
    }

    async fn erasure_of(&self, user: UserId) -> Result<Option<Erasure>> {
        let mut state = self.state();
        Ok(state.erasure(&user)?.cloned())
    }

    async fn lift_erasure(&self, user: UserId, note: AuditNote, now: Timestamp) -> Result<bool> {
        let mut state = self.state();
        match state.erasure(&user)?.cloned() {
            Some(erasure) => state.lift(erasure, &note, now),
            None => Ok(false),
        }
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>> {
        let state = self.state();
        let sessions = state.sessions.values().filter_map(|(_, record)| record.head.user.as_ref());
        let activities = state.activities.users();
        let requests = state.requests.values().filter_map(PrivacyRequest::user);
        let demanding = state.restrictions.keys().chain(state.holds.keys().map(|(user, _)| user)).chain(requests);
        let names = sessions.chain(state.preferences.keys()).chain(state.consents.users()).chain(activities);
        let names = names.chain(demanding).chain(state.epochs.users());
        let is_behind = |name: &&UserId| after.as_ref().is_none_or(|after| name.as_str() > after.as_str());
        let names: BTreeSet<&str> = names.filter(is_behind).map(UserId::as_str).collect();
        names.into_iter().take(limit).map(UserId::try_from).collect()
    }

    async fn tombstone(&self, pseudonym: Pseudonym) -> Result<Option<Erasure>> {
        Ok(self.state().erasures.get(&pseudonym).cloned())
    }

    async fn restore_erasure(&self, mut erasure: Erasure, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        let mut state = self.state();
        check_whole(&erasure, &state.consents.secret()?)?;
        if let Some(known) = state.erasures.get(&erasure.pseudonym) {
            return Ok(known.clone());
        }
        state.note(&note, now)?;
        if let Some(user) = &erasure.user {
            let ended = Revocation::Erased(user.clone());
            state.raise_with(&ended)?;
            let ids = state.matching(&ended);
            state.end_all(&ids, now);
            erasure.erased.sessions += ids.len() as u64;
        }
        state.erasures.insert(erasure.pseudonym, erasure.clone());
        Ok(erasure)
    }

    async fn lift_erasure_by_id(&self, id: ErasureId, note: AuditNote, now: Timestamp) -> Result<bool> {
        let mut state = self.state();
        match state.erasure_by_id(id).cloned() {
            Some(erasure) => state.lift(erasure, &note, now),
            None => Ok(false),
        }
    }

    async fn restore_tombstones(&self, erasures: Vec<Erasure>, note: AuditNote, now: Timestamp) -> Result<u64> {
        erasures.iter().try_for_each(check_nameless)?;
        let mut state = self.state();
        let before = state.erasures.len();
        let missing = |erasure: &&Erasure| !state.erasures.contains_key(&erasure.pseudonym);
        if !erasures.iter().any(|erasure| missing(&erasure)) {
            return Ok(0);
        }
        state.note(&note, now)?;
        for erasure in erasures {
            state.erasures.entry(erasure.pseudonym).or_insert(erasure);
        }
        Ok((state.erasures.len() - before) as u64)
    }

    async fn journal_since(&self) -> Result<Option<Timestamp>> {
        Ok(self.state().journal_since)
    }

    async fn begin_journal(&self, now: Timestamp) -> Result<()> {
        self.state().journal_since.get_or_insert(now);
        Ok(())
    }

    async fn delete_tombstones(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let mut left = limit;
        self.state().erasures.retain(|_, erasure| {
            let goes = left > 0 && erasure.finished_at.is_some() && erasure.until <= now;
            left -= usize::from(goes);
            !goes
        });
        Ok(limit - left)
    }

    /// What is freed is not overwritten: memory is gone with the process.
    async fn scrub(&self) -> Result<bool> {
        Ok(true)
    }
}

impl State {
    /// The erasure that keeps a user out.
    pub(super) fn erasure(&mut self, user: &UserId) -> Result<Option<&Erasure>> {
        if self.erasures.is_empty() {
            return Ok(None);
        }
        let pseudonym = Pseudonym::of(user, &self.consents.secret()?);
        Ok(self.erasures.get(&pseudonym))
    }

    fn erasure_by_id(&self, id: ErasureId) -> Option<&Erasure> {
        self.erasures.values().find(|erasure| erasure.id == id)
    }

    fn lift(&mut self, erasure: Erasure, note: &AuditNote, now: Timestamp) -> Result<bool> {
        if erasure.finished_at.is_none() {
            return Err(under_way());
        }
        self.erasures.remove(&erasure.pseudonym);
        // They may be named again from here on.
        if let Err(error) = self.note(note, now) {
            self.erasures.insert(erasure.pseudonym, erasure);
            return Err(error);
        }
        Ok(true)
    }

    pub(super) fn check_not_erased(&mut self, user: &UserId) -> Result<()> {
        match self.erasure(user)? {
            Some(_) => Err(user_erased()),
            None => Ok(()),
        }
    }
}
