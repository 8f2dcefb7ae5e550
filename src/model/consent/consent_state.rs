//! [`ConsentState`]: the state of one purpose for one subject.

use serde::{Deserialize, Serialize};

use super::{Decision, DecisionEvent, Purpose};
use crate::time::Timestamp;

/// The state of one purpose for one subject: the last decision, and until when it counts.
///
/// It is derived from the decisions and can be rebuilt from them at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConsentState {
    /// The last decision.
    pub decision: Decision,
    /// The version of the notice that the decision was made under.
    pub notice_version: u32,
    /// Whether the browser sent `Sec-GPC: 1` with the decision.
    pub gpc_present: bool,
    /// Whether the browser sent `DNT: 1` with the decision.
    #[serde(default)]
    pub dnt_present: bool,
    /// When the decision was made.
    pub since: Timestamp,
    /// When a grant expires. A refusal does not expire.
    pub valid_until: Option<Timestamp>,
}

impl ConsentState {
    /// Returns the state of `purpose` after a decision. Earlier decisions do not matter.
    pub fn after(purpose: &Purpose, decision: &DecisionEvent) -> Self {
        let DecisionEvent { decision, notice_version, gpc_present, dnt_present, at } = *decision;
        let valid_until = purpose.expiry.filter(|_| decision == Decision::Granted).map(|expiry| at.after(expiry));
        Self { decision, notice_version, gpc_present, dnt_present, since: at, valid_until }
    }

    /// Returns the state of `purpose` after `decisions`, in the order in which they were received;
    /// `None` if there is none.
    pub fn rebuild<'a>(purpose: &Purpose, decisions: impl IntoIterator<Item = &'a DecisionEvent>) -> Option<Self> {
        decisions.into_iter().last().map(|last| Self::after(purpose, last))
    }
}
