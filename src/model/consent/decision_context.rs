//! [`DecisionContext`]: the request in which a decision is made, as far as it is recorded.

use super::{Regime, Signals};
use crate::{
    id::SessionId,
    model::client::{Agent, TruncatedAddress},
};

/// The request in which a decision is made, as far as it is recorded with the decision.
///
/// Outside a request use `DecisionContext::default()`: no signals, the strictest regime, nothing
/// else known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecisionContext {
    /// The signals of the browser.
    pub signals: Signals,
    /// The law that applies.
    pub jurisdiction: Jurisdiction,
    /// The session of the request.
    pub session: Option<SessionId>,
    /// The network of the client.
    pub network: Option<TruncatedAddress>,
    /// The families of browser and operating system.
    pub agent: Option<Agent>,
}

/// The law that applies in the place that a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Jurisdiction {
    /// The kind of consent law. The strictest if the place is unknown.
    pub regime: Regime,
    /// The place, as it is recorded with a decision: `DE`, `US-CA`.
    pub place: Option<String>,
    /// Whether [`RequireConsent`](crate::http::RequireConsent) answers 451 (RFC 7725) to requests
    /// from this place.
    pub is_blocked: bool,
}

impl Jurisdiction {
    /// Creates a jurisdiction: a place and its regime.
    pub fn new(place: impl Into<String>, regime: Regime) -> Self {
        Self { regime, place: Some(place.into()), is_blocked: false }
    }

    /// Creates a jurisdiction whose law forbids to serve the routes behind
    /// [`RequireConsent`](crate::http::RequireConsent).
    pub fn blocked(place: impl Into<String>) -> Self {
        Self { is_blocked: true, ..Self::new(place, Regime::Strictest) }
    }
}
