//! [`ConsentPrompt`]: what is shown to somebody who is to decide.

use serde::Serialize;

use crate::{
    model::consent::{ConsentState, Mode, Notice, Purpose, PurposeId, Verdict},
    time::Timestamp,
};

/// What is shown to somebody who is to decide. Serialises as a page needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsentPrompt {
    /// The purposes, as they were declared.
    pub purposes: Vec<PromptedPurpose>,
    /// In which language the notices are.
    pub language: String,
    /// To be sent back with the decision, unchanged: it proves what was shown, and to whom. A grant with a snapshot that was
    /// made for somebody else, or for a visitor who has logged in since, is refused.
    pub snapshot: String,
    /// Until when a decision with it counts.
    pub snapshot_expires_at: Timestamp,
}

/// A purpose as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PromptedPurpose {
    /// The name.
    pub id: PurposeId,
    /// How it is declared.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// What holds as long as nobody has decided, in this place.
    pub mode_here: Mode,
    /// The notice, if the application has registered one.
    pub notice: Option<Notice>,
}

/// Where a purpose stands for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PurposeState {
    /// The name.
    pub id: PurposeId,
    /// The version of its notice that is current.
    pub notice_version: u32,
    /// Whether it is allowed, why, and whether to ask.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The last decision, if there is one.
    pub consent_state: Option<ConsentState>,
}
