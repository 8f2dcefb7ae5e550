//! [`ConsentRecord`]: a decision with what it takes to prove it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ConsentState, NoticeHash, PurposeId, Regime, Subject};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, uuid_of},
    model::client::{Agent, TruncatedAddress},
    time::Timestamp,
};

/// The name of a record of consent, a UUIDv7 (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentId(Uuid);

/// How a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DecisionMethod {
    /// With a button that agrees to everything.
    AcceptAll,
    /// With a button that declines everything.
    RejectAll,
    /// Purpose by purpose.
    Custom,
    /// By closing the question, which is a no.
    Dismiss,
    /// By the signal of the browser, `Sec-GPC: 1`.
    Gpc,
    /// By a call of a program that acts for the person.
    Api,
    /// Taken over from another system.
    Import,
    /// When a visitor logged in.
    Merge,
}

/// What it takes to prove a decision (GDPR, Article 7(1)), beside the decision itself. Collected as thriftily as activity:
/// a network, not an address; families, not a user agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proof {
    /// How it was made.
    pub method: DecisionMethod,
    /// The exact text that was shown; `None` if none was.
    pub notice: Option<NoticeHash>,
    /// The language in which it was shown (BCP 47).
    pub language: Option<String>,
    /// Where it was made: a page, an API, an import.
    pub source: Option<String>,
    /// The place whose law held, as the application's resolver named it.
    pub place: Option<String>,
    /// The rules that held.
    pub regime: Regime,
    /// When it was made, if that is known to be earlier than it was received: an import, say.
    pub given_at: Timestamp,
    /// The session in which it was made.
    pub session: Option<SessionId>,
    /// The network that it came from.
    pub network: Option<TruncatedAddress>,
    /// The families of browser and system.
    pub agent: Option<Agent>,
    /// Who acted, if it was not the person: an administrator, a guardian.
    pub actor: Option<String>,
}

/// A decision as it is kept for good: never changed, only followed by others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsentRecord {
    /// The name of the record.
    pub id: ConsentId,
    /// Who decided.
    #[serde(skip_serializing)]
    pub subject: Subject,
    /// For what.
    pub purpose: PurposeId,
    /// What was decided, when the server received it, and until when it counts: where the purpose stands after it.
    #[serde(flatten)]
    pub consent_state: ConsentState,
    /// The proof.
    #[serde(flatten)]
    pub proof: Proof,
    /// The record before this one, of the same subject and purpose. The store fills it in.
    pub previous: Option<ConsentId>,
}

impl ConsentId {
    /// A new id of the given time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the operating system gives no random bytes.
    pub fn generate(now: Timestamp) -> Result<Self> {
        uuid_of(now).map(Self)
    }

    /// The id as a UUID.
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

impl Proof {
    /// A proof that says how a decision was made and nothing else.
    pub fn new(method: DecisionMethod, given_at: Timestamp) -> Self {
        Self {
            method,
            notice: None,
            language: None,
            source: None,
            place: None,
            regime: Regime::default(),
            given_at,
            session: None,
            network: None,
            agent: None,
            actor: None,
        }
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the bytes are something else.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "a stored proof of consent is damaged").with_source(error))
    }

    /// One JSON object, for a store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and ids can be written")
    }
}

impl ConsentRecord {
    /// A record with a new id, as it is given to a store.
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

    /// Returns whether a store whose last record of this subject and purpose is `last` adds this record.
    ///
    /// It does not add a signal of the browser that says what is known already, or that somebody has overridden knowingly: the
    /// signal comes with every request. It does not add a decision that repeats the last one under the same notice within 24
    /// hours either. A later repetition is a record of its own and renews the decision. What another system recorded
    /// ([`DecisionMethod::Import`]) repeats nothing.
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

/// Within this time an identical decision is no new record.
const REPETITION: Duration = Duration::from_secs(24 * 60 * 60);
