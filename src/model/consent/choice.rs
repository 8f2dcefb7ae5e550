//! [`Choices`]: what somebody decides at once, and the [`DecisionContext`] of it.

use super::{Decision, DecisionMethod, PurposeId, Regime, Signals};
use crate::{
    id::SessionId,
    model::client::{Agent, TruncatedAddress},
};

/// What somebody decides at once: stored together or not at all.
///
/// ```
/// use tower_guestbook::consent::{Choices, DecisionMethod, PurposeId};
///
/// let choices = Choices::new(DecisionMethod::Custom).grant(PurposeId::ANALYTICS).decline(PurposeId::MARKETING);
/// # let _ = choices;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Choices {
    pub(crate) made: Vec<(PurposeId, Choice)>,
    pub(crate) method: DecisionMethod,
    pub(crate) snapshot: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) actor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Decision(Decision),
    /// A no, of the kind that fits where the purpose stands.
    Decline,
}

/// The law that holds where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Jurisdiction {
    /// The rules. The strictest where nobody knows.
    pub regime: Regime,
    /// The place, as it is to be recorded with a decision: `DE`, `US-CA`.
    pub place: Option<String>,
    /// Whether the law forbids to serve this place at all what is gated: 451 (RFC 7725).
    pub is_blocked: bool,
}

/// What a request says beside what was decided before, as it is recorded with a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecisionContext {
    /// What the browser signals.
    pub signals: Signals,
    /// The law that holds.
    pub jurisdiction: Jurisdiction,
    /// The session in which it was said.
    pub session: Option<SessionId>,
    /// The network that it came from.
    pub network: Option<TruncatedAddress>,
    /// The families of browser and system.
    pub agent: Option<Agent>,
}

impl Choices {
    /// No choice yet; those that follow are made by this method.
    pub fn new(method: DecisionMethod) -> Self {
        Self { made: Vec::new(), method, snapshot: None, source: None, actor: None }
    }

    /// Agrees.
    pub fn grant(self, purpose: impl Into<PurposeId>) -> Self {
        self.with(purpose.into(), Choice::Decision(Decision::Granted))
    }

    /// Says no: recorded as a withdrawal where there was a grant, as an objection where the purpose needs no consent, as a
    /// denial otherwise.
    pub fn decline(self, purpose: impl Into<PurposeId>) -> Self {
        self.with(purpose.into(), Choice::Decline)
    }

    /// Decides exactly this.
    pub fn decide(self, purpose: impl Into<PurposeId>, decision: Decision) -> Self {
        self.with(purpose.into(), Choice::Decision(decision))
    }

    /// What proves which notice was shown: [`ConsentPrompt::snapshot`](crate::consent::ConsentPrompt::snapshot), brought back unchanged.
    pub fn notice(mut self, snapshot: impl Into<String>) -> Self {
        self.snapshot = Some(snapshot.into());
        self
    }

    /// Where it was decided: the name of a page, say. At most 200 bytes.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Who acted for the person: an administrator, a guardian. At most 200 bytes.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    fn with(mut self, purpose: PurposeId, choice: Choice) -> Self {
        self.made.push((purpose, choice));
        self
    }
}

impl Jurisdiction {
    /// A place under these rules.
    pub fn new(place: impl Into<String>, regime: Regime) -> Self {
        Self { regime, place: Some(place.into()), is_blocked: false }
    }

    /// A place that must not be served what is gated.
    pub fn blocked(place: impl Into<String>) -> Self {
        Self { is_blocked: true, ..Self::new(place, Regime::Strictest) }
    }
}
