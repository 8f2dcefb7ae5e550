//! Consent records and states in memory.

use std::collections::{BTreeSet, HashMap};

use super::MemoryStore;
use crate::{
    error::{Error, ErrorKind, Result},
    id::{UserId, VisitorId, fill_random},
    model::consent::{
        ConsentId, ConsentRecord, ConsentStates, Decision, DecisionMethod, MergePolicy, Notice, NoticeHash, Proof,
        PurposeId, Subject,
    },
    store::{
        ConsentStore,
        consent::{one_subject, text_changed, visitor_ended},
    },
    time::Timestamp,
};

#[derive(Debug, Default)]
pub(super) struct Consents {
    records: Vec<ConsentRecord>,
    consent_states: HashMap<Subject, ConsentStates>,
    links: HashMap<VisitorId, UserId>,
    notices: Vec<Notice>,
    secret: Option<[u8; 32]>,
}

/// Maximum number of records, as none is ever deleted.
const CAPACITY: usize = 100_000;

impl ConsentStore for MemoryStore {
    async fn consents(&self, subject: Subject) -> Result<ConsentStates> {
        Ok(self.state().consents.present_states(&subject))
    }

    async fn record_consents(&self, records: Vec<ConsentRecord>) -> Result<ConsentStates> {
        let subject = one_subject(&records)?;
        let mut state = self.state();
        if let Subject::User(user) = &subject {
            state.check_not_erased(user)?;
        }
        if state.consents.is_ended(&subject) {
            return Err(visitor_ended());
        }
        state.consents.add(subject, records)
    }

    async fn consent_history(
        &self,
        subject: Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> Result<Vec<ConsentRecord>> {
        let consents = &self.state().consents;
        let is_theirs = |record: &&ConsentRecord| match (&record.subject, &subject) {
            (Subject::Visitor(visitor), Subject::User(user)) => consents.links.get(visitor) == Some(user),
            (one, other) => one == other,
        };
        let end = before.map(|before| consents.place(before).unwrap_or(0));
        let earlier = &consents.records[..end.unwrap_or(consents.records.len())];
        Ok(earlier.iter().rev().filter(is_theirs).take(limit).cloned().collect())
    }

    async fn link_visitor(
        &self,
        visitor: VisitorId,
        user: UserId,
        policy: MergePolicy,
        now: Timestamp,
    ) -> Result<ConsentStates> {
        let mut state = self.state();
        state.check_not_erased(&user)?;
        let consents = &mut state.consents;
        let (theirs, subject) = (consents.consent_states(&visitor.into()), Subject::User(user.clone()));
        let ours = consents.consent_states(&subject);
        if theirs.is_empty() || consents.links.contains_key(&visitor) {
            return Ok(ours);
        }
        let mut merged = Vec::new();
        for (purpose, held) in ours.merge(&theirs, policy) {
            let original = consents.place(held.record).expect("a consent state comes from a record");
            let proof = Proof { method: DecisionMethod::Merge, ..consents.records[original].proof.clone() };
            let mut record = ConsentRecord::new(subject.clone(), purpose, held.consent_state, proof)?;
            record.id = ConsentId::generate(now)?;
            merged.push(record);
        }
        let consent_states = consents.add(subject, merged)?;
        consents.links.insert(visitor, user);
        Ok(consent_states)
    }

    async fn refusing_subjects(&self, purpose: PurposeId, denied: bool, limit: usize) -> Result<Vec<Subject>> {
        let consents = &self.state().consents;
        let is_no = |consent_states: &ConsentStates| {
            consent_states.get(&purpose).is_some_and(|consent_state| consent_state.decision.is_no())
        };
        let said_more = |subject: &Subject| {
            let of = consents.records.iter().filter(|record| record.subject == *subject && record.purpose == purpose);
            of.into_iter().any(|record| record.consent_state.decision != Decision::Denied)
        };
        let refusing = consents
            .consent_states
            .iter()
            .filter(|(_, consent_states)| is_no(consent_states))
            .map(|(subject, _)| subject);
        let mut all: BTreeSet<Subject> = refusing.filter(|subject| denied || said_more(subject)).cloned().collect();
        let linked = consents.links.iter().filter(|(_, user)| all.contains(&Subject::User((*user).clone())));
        let linked: Vec<_> = linked.map(|(visitor, _)| Subject::Visitor(*visitor)).collect();
        all.extend(linked);
        Ok(all.into_iter().take(limit).collect())
    }

    async fn rebuild_consents(&self) -> Result<u64> {
        let consents = &mut self.state().consents;
        let mut rebuilt: HashMap<Subject, ConsentStates> = HashMap::new();
        for record in &consents.records {
            rebuilt.entry(record.subject.clone()).or_default().add(record);
        }
        let wrong =
            rebuilt.iter().filter(|(subject, right)| consents.consent_states.get(subject) != Some(right)).count()
                + consents.consent_states.keys().filter(|subject| !rebuilt.contains_key(subject)).count();
        consents.consent_states = rebuilt;
        Ok(wrong as u64)
    }

    async fn publish_notice(&self, notice: Notice) -> Result<()> {
        let notices = &mut self.state().consents.notices;
        let is_same = |known: &&Notice| {
            (known.purpose(), known.version(), known.language())
                == (notice.purpose(), notice.version(), notice.language())
        };
        match notices.iter().find(is_same) {
            Some(known) if known.hash() == notice.hash() => {}
            Some(_) => return Err(text_changed()),
            None => notices.push(notice),
        }
        Ok(())
    }

    async fn notice(&self, hash: NoticeHash) -> Result<Option<Notice>> {
        Ok(self.state().consents.notices.iter().find(|notice| notice.hash() == hash).cloned())
    }

    async fn signing_secret(&self) -> Result<[u8; 32]> {
        self.state().consents.secret()
    }
}

impl Consents {
    pub(super) fn secret(&mut self) -> Result<[u8; 32]> {
        match self.secret {
            Some(secret) => Ok(secret),
            None => {
                let mut bytes = [0; 32];
                fill_random(&mut bytes)?;
                Ok(*self.secret.insert(bytes))
            }
        }
    }

    /// Returns the visitors linked to a user.
    pub(super) fn visitors_of(&self, user: &UserId) -> Vec<VisitorId> {
        self.links.iter().filter(|(_, linked)| *linked == user).map(|(visitor, _)| *visitor).collect()
    }

    /// Returns the user to whom a visitor is linked.
    pub(super) fn user_of(&self, visitor: VisitorId) -> Option<&UserId> {
        self.links.get(&visitor)
    }

    /// Returns the users with decisions or linked visitors.
    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        let decided = self.consent_states.keys().filter_map(|subject| match subject {
            Subject::User(user) => Some(user),
            Subject::Visitor(_) => None,
        });
        decided.chain(self.links.values())
    }

    /// Deletes at most `limit` records of a subject, and the subject with its last record, except
    /// for the link of a visitor through which data can still be found. Returns the number of
    /// records.
    pub(super) fn evict(&mut self, subject: &Subject, limit: usize, keep_link: bool) -> usize {
        let mut left = limit;
        self.records.retain(|record| {
            let goes = left > 0 && record.subject == *subject;
            left -= usize::from(goes);
            !goes
        });
        if left > 0 {
            self.consent_states.remove(subject);
            if let (Subject::Visitor(visitor), false) = (subject, keep_link) {
                self.links.remove(visitor);
            }
        }
        limit - left
    }

    /// Returns the consent states of a subject that can still decide.
    pub(super) fn present_states(&self, subject: &Subject) -> ConsentStates {
        if self.is_ended(subject) { ConsentStates::default() } else { self.consent_states(subject) }
    }

    /// Returns whether it is a visitor who has logged in.
    fn is_ended(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Visitor(visitor) if self.links.contains_key(visitor))
    }

    fn consent_states(&self, subject: &Subject) -> ConsentStates {
        self.consent_states.get(subject).cloned().unwrap_or_default()
    }

    /// Returns the number of records stored before this one.
    fn place(&self, id: ConsentId) -> Option<usize> {
        self.records.iter().position(|record| record.id == id)
    }

    /// Adds the new records of a subject; none of them if an id is taken.
    fn add(&mut self, subject: Subject, records: Vec<ConsentRecord>) -> Result<ConsentStates> {
        let mut consent_states = self.consent_states(&subject);
        let mut news: Vec<ConsentRecord> = Vec::new();
        for mut record in records {
            let last = consent_states.recorded(&record.purpose).map(|held| held.record);
            let last = last.and_then(|last| self.records.iter().chain(&news).rfind(|record| record.id == last));
            if !record.is_new_after(last) {
                continue;
            }
            if self.records.iter().chain(&news).any(|known| known.id == record.id) {
                return Err(Error::new(ErrorKind::Conflict, "the id of a record of consent is taken"));
            }
            record.previous = consent_states.add(&record);
            news.push(record);
        }
        if self.records.len() + news.len() > CAPACITY {
            return Err(Error::new(
                ErrorKind::StorageFull,
                format!("the memory store holds {CAPACITY} records of consent"),
            ));
        }
        self.records.extend(news);
        if !consent_states.is_empty() {
            self.consent_states.insert(subject, consent_states.clone());
        }
        Ok(consent_states)
    }
}
