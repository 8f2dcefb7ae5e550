//! [`Choices`]: decisions that one person makes at the same time.

use super::{Decision, DecisionMethod, PurposeId};

/// Decisions that one person makes at the same time. They are stored together or not at all.
///
/// # Examples
///
/// ```
/// use tower_guestbook::consent::{Choices, DecisionMethod, PurposeId};
///
/// # let snapshot_from_the_form = "snapshot";
/// let choices = Choices::new(DecisionMethod::Custom)
///     .grant(PurposeId::ANALYTICS)
///     .decline(PurposeId::MARKETING)
///     .notice(snapshot_from_the_form)
///     .source("cookie banner");
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
    /// A refusal. The state of the purpose determines which [`Decision`] is recorded.
    Decline,
}

impl Choices {
    /// Creates an empty set of choices that are made by this method.
    pub fn new(method: DecisionMethod) -> Self {
        Self { made: Vec::new(), method, snapshot: None, source: None, actor: None }
    }

    /// Grants consent to a purpose.
    pub fn grant(self, purpose: impl Into<PurposeId>) -> Self {
        self.with(purpose.into(), Choice::Decision(Decision::Granted))
    }

    /// Declines a purpose.
    ///
    /// It is recorded as a withdrawal after a grant, as an objection if the purpose needs no
    /// consent, and as a denial otherwise.
    pub fn decline(self, purpose: impl Into<PurposeId>) -> Self {
        self.with(purpose.into(), Choice::Decline)
    }

    /// Adds exactly this decision.
    pub fn decide(self, purpose: impl Into<PurposeId>, decision: Decision) -> Self {
        self.with(purpose.into(), Choice::Decision(decision))
    }

    /// Proves which notice was shown.
    ///
    /// `snapshot` is [`ConsentPrompt::snapshot`](crate::consent::ConsentPrompt::snapshot), returned
    /// unchanged by the form.
    pub fn notice(mut self, snapshot: impl Into<String>) -> Self {
        self.snapshot = Some(snapshot.into());
        self
    }

    /// Sets where the decision was made, for example the name of a page. At most 200 bytes.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets who acted on behalf of the person: an administrator, a guardian. At most 200 bytes.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    fn with(mut self, purpose: PurposeId, choice: Choice) -> Self {
        self.made.push((purpose, choice));
        self
    }
}
