//! [`Verdict`]: whether a purpose is allowed, and why.

use serde::Serialize;

use super::{Mode, Purpose, Regime};

/// Whether a purpose is allowed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    #[serde(rename = "allowed")]
    pub(super) is_allowed: bool,
    #[serde(rename = "why")]
    pub(super) reason: Reason,
    #[serde(rename = "ask")]
    pub(super) needs_prompt: bool,
}

/// The reason for a [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The purpose is strictly necessary.
    Necessary,
    /// Processing is restricted.
    Restricted,
    /// The person objected.
    Objected,
    /// The person declined.
    Denied,
    /// The person withdrew their consent.
    Withdrawn,
    /// The browser sent `Sec-GPC: 1`.
    GlobalPrivacyControl,
    /// The browser sent `DNT: 1`.
    DoNotTrack,
    /// The person agreed.
    Granted,
    /// There is no decision; the mode applies.
    Undecided,
    /// The grant has expired; the mode applies.
    Expired,
    /// The grant was given under another version of the notice; the mode applies.
    Stale,
    /// The store is unavailable, so the decisions are unknown.
    Unavailable,
}

impl Verdict {
    /// Returns the verdict while the decisions are unknown: only necessary purposes are allowed.
    pub(crate) fn unavailable(purpose: &Purpose, regime: Regime) -> Self {
        match purpose.mode_under(regime) {
            Mode::Necessary => Self { is_allowed: true, reason: Reason::Necessary, needs_prompt: false },
            _ => Self { is_allowed: false, reason: Reason::Unavailable, needs_prompt: false },
        }
    }

    /// Returns whether the purpose is allowed.
    pub fn is_allowed(self) -> bool {
        self.is_allowed
    }

    /// Returns the reason.
    pub fn reason(self) -> Reason {
        self.reason
    }

    /// Returns whether to ask the person: there is no decision, or a grant no longer counts.
    pub fn needs_prompt(self) -> bool {
        self.needs_prompt
    }
}
