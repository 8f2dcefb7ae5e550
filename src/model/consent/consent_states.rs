//! [`ConsentStates`]: the states of all purposes for one subject.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConsentId, ConsentRecord, ConsentState, PurposeId};
use crate::error::{Error, ErrorKind, Result};

/// The states of all purposes for one subject.
///
/// It is a projection of the records and can be [rebuilt](Self::rebuild) from them at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentStates {
    by_purpose: BTreeMap<PurposeId, RecordedState>,
}

/// A consent state and the record that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedState {
    /// The state.
    #[serde(flatten)]
    pub consent_state: ConsentState,
    /// The record.
    pub record: ConsentId,
}

/// Which decisions of a visitor the user takes over at login.
///
/// Only [`CarryGrants`](Self::CarryGrants) takes over grants. An attacker who can set a cookie in a
/// browser can make it a visitor that has agreed to everything; under the other policies that does
/// not grant anything for the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergePolicy {
    /// A refusal replaces a less strict decision of the user. The default.
    #[default]
    MostRestrictive,
    /// As [`MostRestrictive`](Self::MostRestrictive), and a grant counts if the user has not
    /// decided.
    CarryGrants,
    /// A refusal counts unless the user has decided later.
    LatestDecision,
    /// A refusal counts if the user has not decided.
    AccountWins,
}

impl ConsentStates {
    /// Returns the state of `purpose`; `None` without a decision.
    pub fn get(&self, purpose: &PurposeId) -> Option<&ConsentState> {
        self.by_purpose.get(purpose).map(|recorded| &recorded.consent_state)
    }

    /// Returns the state of `purpose` with the record that it comes from; `None` without a
    /// decision.
    pub fn recorded(&self, purpose: &PurposeId) -> Option<&RecordedState> {
        self.by_purpose.get(purpose)
    }

    /// Returns all states, ordered by the name of the purpose.
    pub fn iter(&self) -> impl Iterator<Item = (&PurposeId, &RecordedState)> {
        self.by_purpose.iter()
    }

    /// Returns the number of purposes with a decision.
    pub fn len(&self) -> usize {
        self.by_purpose.len()
    }

    /// Returns whether there is no decision.
    pub fn is_empty(&self) -> bool {
        self.by_purpose.is_empty()
    }

    /// Applies a record as the latest one of its purpose. Returns the id of the record that it
    /// replaces.
    pub fn add(&mut self, record: &ConsentRecord) -> Option<ConsentId> {
        let recorded = RecordedState { consent_state: record.consent_state, record: record.id };
        self.by_purpose.insert(record.purpose.clone(), recorded).map(|before| before.record)
    }

    /// Returns the states after `records`, in the order in which they were stored.
    pub fn rebuild<'a>(records: impl IntoIterator<Item = &'a ConsentRecord>) -> Self {
        let mut consent_states = Self::default();
        for record in records {
            consent_states.add(record);
        }
        consent_states
    }

    /// Returns the decisions of `visitor` to be recorded for this user at login.
    pub fn merge(&self, visitor: &Self, policy: MergePolicy) -> Vec<(PurposeId, RecordedState)> {
        let is_carried = |theirs: &ConsentState| theirs.decision.is_no() || policy == MergePolicy::CarryGrants;
        let news = visitor.iter().filter(|(purpose, theirs)| match (self.get(purpose), policy) {
            (None, _) => is_carried(&theirs.consent_state),
            (Some(ours), MergePolicy::MostRestrictive | MergePolicy::CarryGrants) => {
                theirs.consent_state.decision.is_stricter_than(ours.decision)
            }
            (Some(ours), MergePolicy::LatestDecision) => {
                let theirs = &theirs.consent_state;
                is_carried(theirs) && theirs.since > ours.since && theirs.decision != ours.decision
            }
            (Some(_), MergePolicy::AccountWins) => false,
        });
        news.map(|(purpose, recorded)| (purpose.clone(), *recorded)).collect()
    }

    /// Parses the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the bytes are anything else.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "stored consent states are damaged").with_source(error))
    }

    /// Returns one JSON object, for a store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names, numbers and ids serialise")
    }
}
