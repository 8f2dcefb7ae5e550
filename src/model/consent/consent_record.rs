//! [`ConsentRecord`]: a decision with its proof, as it is stored.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ConsentState, DecisionMethod, Proof, PurposeId, Subject};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{error::Result, id::uuid_of, time::Timestamp};

/// The id of a consent record, a UUIDv7 (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentId(Uuid);

/// A decision with its proof, as it is stored. Records are never changed; later decisions add
/// records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsentRecord {
    /// The id of the record.
    pub id: ConsentId,
    /// Who decided.
    #[serde(skip_serializing)]
    pub subject: Subject,
    /// The purpose.
    pub purpose: PurposeId,
    /// The state of the purpose after the decision: what was decided, when, and until when it
    /// counts.
    #[serde(flatten)]
    pub consent_state: ConsentState,
    /// The proof.
    #[serde(flatten)]
    pub proof: Proof,
    /// The preceding record of the same subject and purpose. The store fills it in.
    pub previous: Option<ConsentId>,
}

/// Within this time an identical decision adds no record.
const REPETITION: Duration = Duration::from_secs(24 * 60 * 60);

impl ConsentId {
    /// Generates an id for the given time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the operating system provides no random bytes.
    pub fn generate(now: Timestamp) -> Result<Self> {
        uuid_of(now).map(Self)
    }

    /// Returns the id as a UUID.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for ConsentId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for ConsentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConsentRecord {
    /// Creates a record with a new id, as it is passed to a store.
    ///
    /// # Errors
    ///
    /// As for [`ConsentId::generate`].
    pub fn new(
        subject: impl Into<Subject>,
        purpose: PurposeId,
        consent_state: ConsentState,
        proof: Proof,
    ) -> Result<Self> {
        let id = ConsentId::generate(consent_state.since)?;
        Ok(Self { id, subject: subject.into(), purpose, consent_state, proof, previous: None })
    }

    /// Returns whether a store adds this record after `last`, the latest record of the same subject
    /// and purpose.
    ///
    /// A store does not add
    ///
    /// - a signal of the browser ([`DecisionMethod::Gpc`]) after a refusal, or after a decision
    ///   that was made with the signal: browsers send the signal with every request;
    /// - a decision that repeats `last` under the same notice within 24 hours. A later repetition
    ///   is a record of its own and renews the decision.
    ///
    /// A record of [`DecisionMethod::Import`] never counts as a repetition.
    pub fn is_new_after(&self, last: Option<&Self>) -> bool {
        let Some(last) = last else { return true };
        match self.proof.method {
            DecisionMethod::Gpc => !last.consent_state.decision.is_no() && !last.consent_state.gpc_present,
            _ => !self.repeats(last),
        }
    }

    fn repeats(&self, last: &Self) -> bool {
        let (new, old) = (&self.consent_state, &last.consent_state);
        let elapsed = Duration::from_millis(new.since.as_millis().abs_diff(old.since.as_millis()));
        // An id that is taken is a conflict, not a repetition.
        self.id != last.id
            && ![self.proof.method, last.proof.method].contains(&DecisionMethod::Import)
            && (new.decision, new.notice_version) == (old.decision, old.notice_version)
            && (new.gpc_present, new.dnt_present) == (old.gpc_present, old.dnt_present)
            && (&self.proof.notice, &self.proof.actor) == (&last.proof.notice, &last.proof.actor)
            && elapsed < REPETITION
    }
}
