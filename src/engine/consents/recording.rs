//! From [`Choices`] to the records that are stored.

use super::{
    Consents,
    notice_snapshot::{NoticeSnapshot, stale_notice},
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::consent::{
        Choice, Choices, ConsentRecord, ConsentState, ConsentStates, Decision, DecisionContext, DecisionEvent,
        DecisionMethod, Mode, Notice, NoticeHash, Proof, Purpose, PurposeId, Regime, Subject,
    },
};

impl Consents {
    /// Checks `choices` independently of the subject.
    pub(super) fn check(&self, choices: &Choices, decision_context: &DecisionContext) -> Result<()> {
        if choices.made.is_empty() {
            return Err(invalid("there is no choice to record"));
        }
        let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > 200);
        if too_long(&choices.source) || too_long(&choices.actor) {
            return Err(invalid("the source and the actor of a decision have at most 200 bytes each"));
        }
        let is_yes = |choice: &Choice| *choice == Choice::Decision(Decision::Granted);
        let fits = match choices.method {
            DecisionMethod::AcceptAll => choices.made.iter().all(|(_, choice)| is_yes(choice)),
            DecisionMethod::RejectAll | DecisionMethod::Dismiss => {
                !choices.made.iter().any(|(_, choice)| is_yes(choice))
            }
            _ => true,
        };
        if !fits {
            return Err(invalid(
                "accepting all cannot decline a purpose; rejecting all or dismissing cannot grant one",
            ));
        }
        for (index, (id, _)) in choices.made.iter().enumerate() {
            let purpose = self.purposes().get(id).ok_or_else(|| undeclared(id))?;
            if purpose.mode_under(decision_context.jurisdiction.regime) == Mode::Necessary {
                return Err(invalid(&format!("purpose {:?} is necessary: there is nothing to decide", id.as_str())));
            }
            if choices.made[..index].iter().any(|(other, _)| other == id) {
                return Err(invalid(&format!("purpose {:?} is decided twice", id.as_str())));
            }
        }
        Ok(())
    }

    /// Returns the records for `choices` of a subject whose states are `consent_states`.
    pub(super) fn records(
        &self,
        subject: &Subject,
        choices: &Choices,
        shown: Option<&NoticeSnapshot>,
        decision_context: &DecisionContext,
        consent_states: &ConsentStates,
    ) -> Result<Vec<ConsentRecord>> {
        self.check(choices, decision_context)?;
        let mut records = Vec::with_capacity(choices.made.len());
        for (id, choice) in &choices.made {
            let purpose = self.purposes().get(id).ok_or_else(|| undeclared(id))?;
            let mode = purpose.mode_under(decision_context.jurisdiction.regime);
            let before = consent_states.get(id).map(|consent_state| consent_state.decision);
            let decision = match choice {
                Choice::Decision(decision) => *decision,
                Choice::Decline => refusal(before, mode),
            };
            let notice = self.notice_shown(id, purpose, shown, decision, choices.method)?;
            records.push(self.build_record(subject, choices, (id, purpose), decision, notice, decision_context)?);
        }
        Ok(records)
    }

    /// Withdraws an objection. Returns the states after that, or `None` if there is no objection.
    ///
    /// A purpose that needs no consent anywhere is allowed again. For other purposes a grant would
    /// be a consent that was never given, so a denial replaces the objection. The record leaves the
    /// browser's signals out: with them, a grant would count as given in spite of the signal.
    pub(crate) async fn withdraw_objection(&self, subject: &Subject, id: &PurposeId) -> Result<Option<ConsentStates>> {
        let purpose = self.purposes().get(id).ok_or_else(|| undeclared(id))?;
        let consent_states = self.consent_states(subject).await?;
        if consent_states.get(id).is_none_or(|consent_state| consent_state.decision != Decision::Objected) {
            return Ok(None);
        }
        let modes = [Regime::Strictest, Regime::OptOut].map(|regime| purpose.mode_under(regime));
        let decision = if modes.contains(&Mode::OptIn) { Decision::Denied } else { Decision::Granted };
        let choices = Choices::new(DecisionMethod::Api).decide(id.clone(), decision);
        let record =
            self.build_record(subject, &choices, (id, purpose), decision, None, &DecisionContext::default())?;
        self.record(subject, vec![record]).await.map(Some)
    }

    /// Returns language and hash of the notice that a decision about `purpose` refers to.
    fn notice_shown(
        &self,
        id: &PurposeId,
        purpose: &Purpose,
        shown: Option<&NoticeSnapshot>,
        decision: Decision,
        method: DecisionMethod,
    ) -> Result<Option<(String, Option<NoticeHash>)>> {
        let Some(snapshot) = shown else {
            let needs_none =
                decision.is_no() || method == DecisionMethod::Import || !self.inner.settings.grants_need_a_notice;
            let missing = || {
                Error::new(
                    ErrorKind::Conflict,
                    "a grant needs the snapshot of the notice that was shown: get a consent prompt first",
                )
            };
            return if needs_none { Ok(None) } else { Err(missing()) };
        };
        let current = self.notice_in(id, &snapshot.language);
        let is_current = |shown: &&(u32, Option<NoticeHash>)| **shown == (purpose.version(), current.map(Notice::hash));
        let Some((_, hash)) = snapshot.shown.get(id).filter(is_current) else {
            return if decision.is_no() { Ok(None) } else { Err(stale_notice()) };
        };
        // A purpose without a text in this language was shown in another one.
        let language = current.map_or(&*snapshot.language, Notice::language);
        Ok(Some((language.to_owned(), *hash)))
    }

    fn build_record(
        &self,
        subject: &Subject,
        choices: &Choices,
        (id, purpose): (&PurposeId, &Purpose),
        decision: Decision,
        notice: Option<(String, Option<NoticeHash>)>,
        decision_context: &DecisionContext,
    ) -> Result<ConsentRecord> {
        let now = self.now();
        let decided = DecisionEvent::new(decision, purpose.version(), now);
        let decided = if decision_context.signals.gpc { decided.with_gpc() } else { decided };
        let decided = if decision_context.signals.dnt { decided.with_dnt() } else { decided };
        let mut proof = Proof::new(choices.method, now);
        (proof.language, proof.notice) = notice.map_or((None, None), |(language, hash)| (Some(language), hash));
        proof.source.clone_from(&choices.source);
        proof.actor.clone_from(&choices.actor);
        proof.place.clone_from(&decision_context.jurisdiction.place);
        proof.regime = decision_context.jurisdiction.regime;
        (proof.session, proof.network, proof.agent) =
            (decision_context.session, decision_context.network, decision_context.agent);
        ConsentRecord::new(subject.clone(), id.clone(), ConsentState::after(purpose, &decided), proof)
    }
}

/// Returns the kind of refusal that follows the decision `before`.
fn refusal(before: Option<Decision>, mode: Mode) -> Decision {
    match (before, mode) {
        // A repetition is the same refusal.
        (Some(Decision::Granted | Decision::Withdrawn), _) => Decision::Withdrawn,
        (Some(Decision::Objected), _) => Decision::Objected,
        (_, Mode::ExemptWithObjection | Mode::NoticeOnly) => Decision::Objected,
        _ => Decision::Denied,
    }
}

fn undeclared(id: &PurposeId) -> Error {
    invalid(&format!("purpose {:?} is not declared", id.as_str()))
}

fn invalid(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, problem)
}
