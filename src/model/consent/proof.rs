//! [`Proof`]: the evidence of a decision.

use serde::{Deserialize, Serialize};

use super::{NoticeHash, Regime};
use crate::{
    error::{Error, ErrorKind, Result},
    id::SessionId,
    model::client::{Agent, TruncatedAddress},
    time::Timestamp,
};

/// How a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DecisionMethod {
    /// With a button that accepts all purposes.
    AcceptAll,
    /// With a button that rejects all purposes.
    RejectAll,
    /// Purpose by purpose.
    Custom,
    /// By closing the prompt, which is a refusal.
    Dismiss,
    /// By the signal of the browser, `Sec-GPC: 1`.
    Gpc,
    /// By an API call of a program that acts for the person.
    Api,
    /// Imported from another system.
    Import,
    /// Taken over from the visitor at login.
    Merge,
}

/// The evidence of a decision (GDPR, Article 7(1)), apart from the decision itself.
///
/// It follows the same data minimisation as activity: a network instead of an address, families of
/// browser and system instead of a user agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proof {
    /// How the decision was made.
    pub method: DecisionMethod,
    /// The hash of the exact text that was shown; `None` if none was.
    pub notice: Option<NoticeHash>,
    /// The language of the text (BCP 47).
    pub language: Option<String>,
    /// Where the decision was made: a page, an API, an import.
    pub source: Option<String>,
    /// The place whose law applied, as [`Jurisdiction::place`](super::Jurisdiction::place) names
    /// it.
    pub place: Option<String>,
    /// The regime that applied.
    pub regime: Regime,
    /// When the decision was made. Earlier than the server received it for an import.
    pub given_at: Timestamp,
    /// The session.
    pub session: Option<SessionId>,
    /// The network of the client.
    pub network: Option<TruncatedAddress>,
    /// The families of browser and operating system.
    pub agent: Option<Agent>,
    /// Who acted on behalf of the person: an administrator, a guardian.
    pub actor: Option<String>,
}

impl Proof {
    /// Creates a proof that contains only the method and the time.
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

    /// Parses the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the bytes are anything else.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "a stored proof of consent is damaged").with_source(error))
    }

    /// Returns one JSON object, for a store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and ids serialise")
    }
}
