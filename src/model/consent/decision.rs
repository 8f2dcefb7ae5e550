//! [`Decision`]: what somebody said, and [`ConsentState`]: where that leaves a purpose.

use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::time::Timestamp;

/// What somebody decided. Never a yes or no alone: a refusal, a withdrawal and an objection have different consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Agreed.
    Granted,
    /// Asked, and declined.
    Denied,
    /// Agreed before, and no longer (GDPR, Article 7(3)).
    Withdrawn,
    /// Objected to what needs no consent (GDPR, Article 21). Holds until somebody agrees expressly.
    Objected,
}

/// A decision at the moment it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionEvent {
    /// What was decided.
    pub decision: Decision,
    /// The version of the notice that was shown.
    pub notice_version: u32,
    /// Whether the browser sent `Sec-GPC: 1` with it: who agrees then, does so knowingly.
    pub gpc_present: bool,
    /// The same for `DNT: 1`.
    pub dnt_present: bool,
    /// When the server received it.
    pub at: Timestamp,
}

/// Where a purpose stands after all decisions so far: derived from them, and to be made again from them at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConsentState {
    /// The last decision.
    pub decision: Decision,
    /// The version of the notice that it was made under.
    pub notice_version: u32,
    /// Whether the browser sent `Sec-GPC: 1` with it.
    pub gpc_present: bool,
    /// The same for `DNT: 1`.
    #[serde(default)]
    pub dnt_present: bool,
    /// When it was made.
    pub since: Timestamp,
    /// From when on a grant no longer counts; a refusal has no such end.
    pub valid_until: Option<Timestamp>,
}

impl DecisionEvent {
    /// A decision without `Sec-GPC`.
    pub fn new(decision: Decision, notice_version: u32, at: Timestamp) -> Self {
        Self { decision, notice_version, gpc_present: false, dnt_present: false, at }
    }

    /// The same decision, made with `DNT: 1`.
    #[must_use]
    pub fn with_dnt(mut self) -> Self {
        self.dnt_present = true;
        self
    }

    /// The same decision, made with `Sec-GPC: 1`.
    #[must_use]
    pub fn with_gpc(mut self) -> Self {
        self.gpc_present = true;
        self
    }
}

impl ConsentState {
    /// Where `purpose` stands after `decided`, whatever was decided before: the last decision counts.
    pub fn after(purpose: &Purpose, decided: &DecisionEvent) -> Self {
        let DecisionEvent { decision, notice_version, gpc_present, dnt_present, at } = *decided;
        let valid_until = purpose.expiry.filter(|_| decision == Decision::Granted).map(|expiry| at.after(expiry));
        Self { decision, notice_version, gpc_present, dnt_present, since: at, valid_until }
    }

    /// Where `purpose` stands after all of `decisions`, in the order in which they were received. `None` if there is none.
    pub fn rebuild<'a>(purpose: &Purpose, decisions: impl IntoIterator<Item = &'a DecisionEvent>) -> Option<Self> {
        decisions.into_iter().last().map(|last| Self::after(purpose, last))
    }
}
