//! [`recording_decision`]: how much of an event may be recorded.

use super::{RequestContext, State};
use crate::{
    engine::{
        consents::{Consents, DisallowedActivity},
        profiles::ProfileState,
    },
    id::VisitorId,
    model::{activity::Event, consent::Reason},
};

/// How much of an event may be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordingDecision {
    /// The whole event, with the visitor if they have agreed to that.
    Full(Option<VisitorId>),
    /// Only that it happened.
    Unlinked,
    /// Nothing.
    Nothing,
    /// Nothing: processing is restricted.
    Restricted,
}

/// Returns how much of an event in this request may be recorded. Without a request context the
/// decisions are unknown, so nothing is.
pub(crate) fn recording_decision(
    event: &Event,
    context: Option<&RequestContext>,
    consents: Option<&Consents>,
) -> RecordingDecision {
    if context.is_some_and(|context| context.state().is_restricted(event)) {
        return RecordingDecision::Restricted;
    }
    let Some(consents) = consents else { return RecordingDecision::Full(None) };
    let Some(purpose) = consents.settings().purpose_of(&event.event_type) else { return RecordingDecision::Full(None) };
    let (verdict, visitor) = match context {
        Some(context) => {
            let state = context.state();
            // A browser may carry a visitor's cookie beside a login. The user's decision is not a
            // grant of that visitor.
            let visitor = state.visitor.filter(|_| !state.is_logged_in()).map(|visitor| visitor.id);
            (consents.verdict(purpose, state.profile_of(event), context.verdict_inputs()), visitor)
        }
        None => (consents.verdict(purpose, &ProfileState::Unavailable, consents.verdict_inputs()), None),
    };
    match verdict {
        Some(verdict) if verdict.is_allowed() => {
            RecordingDecision::Full(visitor.filter(|_| verdict.reason() == Reason::Granted))
        }
        _ if consents.settings().disallowed == DisallowedActivity::Unlinked => RecordingDecision::Unlinked,
        _ => RecordingDecision::Nothing,
    }
}

impl State {
    pub(super) fn is_logged_in(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.record.head.user.is_some())
    }

    /// Returns whether nothing of this person may be recorded.
    fn is_restricted(&self, event: &Event) -> bool {
        self.profile_of(event).cached().is_some_and(|cached| cached.profile().restriction.is_some())
    }

    /// Returns the profile whose decisions apply to an event. A logout belongs to the user before
    /// it.
    fn profile_of(&self, event: &Event) -> &ProfileState {
        let present = self.current.as_ref().and_then(|current| current.record.head.user.as_ref());
        let is_of_another = event.user.as_ref().is_some_and(|user| Some(user) != present);
        match &self.former {
            Some(former) if self.logged_out || is_of_another => former,
            _ => &self.profile,
        }
    }
}

impl RecordingDecision {
    /// Returns the part of `event` that may be recorded.
    ///
    /// `cookieless` is the visitor of an event that nobody else is known for. It never stands beside
    /// a user: others with the same network and browser would be taken for that user.
    pub(crate) fn apply(self, mut event: Event, cookieless: Option<VisitorId>) -> Option<Event> {
        match self {
            Self::Full(visitor) => {
                let is_unknown = event.user.is_none() && event.session.is_none();
                event.visitor = event.visitor.or(visitor).or(cookieless.filter(|_| is_unknown));
                Some(event)
            }
            Self::Unlinked => Some(event.without_person()),
            Self::Nothing | Self::Restricted => None,
        }
    }
}
