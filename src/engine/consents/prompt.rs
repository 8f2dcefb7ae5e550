//! [`ConsentPrompt`]: the content of a consent banner.

use serde::Serialize;

use crate::{
    model::consent::{ConsentState, Mode, Notice, Purpose, PurposeId, Verdict},
    time::Timestamp,
};

/// The content of a consent banner or page: purposes, notices, and the snapshot that proves what
/// was shown.
///
/// Made by [`Consent::prompt`](crate::Consent::prompt), where there is an example of a whole
/// banner. It serialises to JSON for pages that are rendered in the browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsentPrompt {
    /// The purposes, in the order of declaration.
    pub purposes: Vec<PromptedPurpose>,
    /// The language of the notices.
    pub language: String,
    /// Signed proof of what was shown, and to whom. The form returns it unchanged with the
    /// decision, for [`Choices::notice`](crate::consent::Choices::notice).
    ///
    /// A grant is refused if the snapshot was made for another person, or for a visitor who has
    /// logged in since.
    pub snapshot: String,
    /// When the snapshot expires. A later grant is refused.
    pub snapshot_expires_at: Timestamp,
}

/// A purpose in a [`ConsentPrompt`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PromptedPurpose {
    /// The name.
    pub id: PurposeId,
    /// The declaration.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// The mode that applies in the place of the request until the person decides.
    pub mode_here: Mode,
    /// The notice; `None` if the application has registered none for the purpose.
    pub notice: Option<Notice>,
}

/// The state of a purpose for one person, from [`Consent::states`](crate::Consent::states).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PurposeState {
    /// The name.
    pub id: PurposeId,
    /// The current version of the notice.
    pub notice_version: u32,
    /// Whether the purpose is allowed, why, and whether to ask.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The last decision; `None` without one.
    pub consent_state: Option<ConsentState>,
}
