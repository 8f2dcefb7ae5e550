//! [`ConsentStates`]: where all purposes of one subject stand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConsentId, ConsentRecord, ConsentState, Decision, PurposeId};
use crate::error::{Error, ErrorKind, Result};

/// Where all purposes of one subject stand: a projection of the records, to be made again from them at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentStates {
    by_purpose: BTreeMap<PurposeId, RecordedState>,
}

/// A standing and the record that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedState {
    /// The standing.
    #[serde(flatten)]
    pub consent_state: ConsentState,
    /// The record.
    pub record: ConsentId,
}

/// Which of a visitor's decisions the account takes over when the visitor logs in.
///
/// A grant is taken over with [`CarryGrants`](Self::CarryGrants) only. Whoever can set a cookie in a browser can make it a
/// visitor who has agreed to everything; without that policy the person who logs in there has agreed to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergePolicy {
    /// A refusal replaces a less strict decision of the account. The default.
    #[default]
    MostRestrictive,
    /// As [`MostRestrictive`](Self::MostRestrictive), and a grant counts where the account has not decided.
    CarryGrants,
    /// A refusal counts unless the account has decided since.
    LatestDecision,
    /// A refusal counts where the account has not decided.
    AccountWins,
}

impl ConsentStates {
    /// Where `purpose` stands, if anything was decided.
    pub fn get(&self, purpose: &PurposeId) -> Option<&ConsentState> {
        self.by_purpose.get(purpose).map(|held| &held.consent_state)
    }

    /// The same, with the record that it comes from.
    pub fn recorded(&self, purpose: &PurposeId) -> Option<&RecordedState> {
        self.by_purpose.get(purpose)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&PurposeId, &RecordedState)> {
        self.by_purpose.iter()
    }

    /// How many purposes were decided.
    pub fn len(&self) -> usize {
        self.by_purpose.len()
    }

    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.by_purpose.is_empty()
    }

    /// Takes over what a record says, as the last one. Returns the record before it.
    pub fn add(&mut self, record: &ConsentRecord) -> Option<ConsentId> {
        let held = RecordedState { consent_state: record.consent_state, record: record.id };
        self.by_purpose.insert(record.purpose.clone(), held).map(|before| before.record)
    }

    /// Where all purposes stand after `records`, in the order in which they were stored.
    pub fn rebuild<'a>(records: impl IntoIterator<Item = &'a ConsentRecord>) -> Self {
        let mut consent_states = Self::default();
        for record in records {
            consent_states.add(record);
        }
        consent_states
    }

    /// What has to be recorded for this account when a visitor with these standings logs in to it.
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
        news.map(|(purpose, held)| (purpose.clone(), *held)).collect()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the bytes are something else.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "stored consents are damaged").with_source(error))
    }

    /// One JSON object, for a store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names, numbers and ids can be written")
    }
}

impl Decision {
    /// Whether it is a no, of whatever kind.
    pub fn is_no(self) -> bool {
        self != Self::Granted
    }

    /// An objection outlives a denial or a withdrawal, and each of them a grant.
    fn is_stricter_than(self, other: Self) -> bool {
        let rank = |decision| match decision {
            Self::Granted => 0,
            Self::Denied | Self::Withdrawn => 1,
            Self::Objected => 2,
        };
        rank(self) > rank(other)
    }
}
