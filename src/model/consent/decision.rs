//! [`Decision`] and [`DecisionEvent`].

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A decision about a purpose.
///
/// There are three refusals because they differ in consequence: only a grant can be withdrawn, and
/// an objection also ends processing that needs no consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The person agreed.
    Granted,
    /// The person was asked and declined.
    Denied,
    /// The person withdrew an earlier grant (GDPR, Article 7(3)).
    Withdrawn,
    /// The person objected to processing that needs no consent (GDPR, Article 21). It holds until
    /// an express grant.
    Objected,
}

/// A decision at the time it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionEvent {
    /// The decision.
    pub decision: Decision,
    /// The version of the notice that was shown.
    pub notice_version: u32,
    /// Whether the browser sent `Sec-GPC: 1` with the decision. A grant then overrides the signal.
    pub gpc_present: bool,
    /// Whether the browser sent `DNT: 1` with the decision. A grant then overrides the signal.
    pub dnt_present: bool,
    /// When the server received the decision.
    pub at: Timestamp,
}

impl Decision {
    /// Returns whether it is a refusal: a denial, a withdrawal or an objection.
    pub fn is_no(self) -> bool {
        self != Self::Granted
    }

    /// Returns whether this decision is stricter: an objection is stricter than a denial or a
    /// withdrawal, and both are stricter than a grant.
    pub(super) fn is_stricter_than(self, other: Self) -> bool {
        let rank = |decision| match decision {
            Self::Granted => 0,
            Self::Denied | Self::Withdrawn => 1,
            Self::Objected => 2,
        };
        rank(self) > rank(other)
    }
}

impl DecisionEvent {
    /// Creates the event of a decision without signals of the browser.
    pub fn new(decision: Decision, notice_version: u32, at: Timestamp) -> Self {
        Self { decision, notice_version, gpc_present: false, dnt_present: false, at }
    }

    /// Sets that the browser sent `DNT: 1`.
    #[must_use]
    pub fn with_dnt(mut self) -> Self {
        self.dnt_present = true;
        self
    }

    /// Sets that the browser sent `Sec-GPC: 1`.
    #[must_use]
    pub fn with_gpc(mut self) -> Self {
        self.gpc_present = true;
        self
    }
}
