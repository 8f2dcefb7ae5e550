//! Objections (GDPR, Article 21): listed, made and withdrawn.

use serde_json::{Value, json};

use super::super::{
    answer::{Answer, Refusal, invalid, ok},
    members::Members,
    problems,
    user_request::UserRequest,
};
use crate::{
    engine::consents::Consents,
    model::consent::{ConsentStates, Decision, PurposeId, Subject},
};

pub(super) async fn list(request: &UserRequest) -> Answer {
    let consent_states = consents(request)?.consent_states(&Subject::User(request.user.clone())).await?;
    let objections = consent_states.iter().filter(|(_, held)| held.consent_state.decision == Decision::Objected);
    let objections: Vec<_> = objections.map(|(purpose, _)| objection_state(&consent_states, purpose)).collect();
    ok(&json!({ "objections": objections }))
}

pub(super) async fn object(request: &UserRequest, purpose: &PurposeId, members: Members) -> Answer {
    members.end()?;
    is_declared(request, purpose)?;
    let circumstances = request.context.decision_context();
    let objected = request.rights.object_in(&request.user, [purpose.clone()], &circumstances).await;
    decided(request, purpose, objected.map_err(invalid("purpose"))?)
}

pub(super) async fn withdraw(request: &UserRequest, purpose: &PurposeId, members: Members) -> Answer {
    members.end()?;
    is_declared(request, purpose)?;
    let consent_states = request.rights.withdraw_objection(&request.user, purpose).await?;
    decided(request, purpose, consent_states.ok_or(problems::NOT_FOUND)?)
}

fn decided(request: &UserRequest, purpose: &PurposeId, consent_states: ConsentStates) -> Answer {
    let answer = objection_state(&consent_states, purpose);
    // The activity of this request is recorded, or not, by the new state.
    if let Some(consent) = request.context.consent() {
        consent.decided(consent_states);
    }
    ok(&answer)
}

fn objection_state(consent_states: &ConsentStates, purpose: &PurposeId) -> Value {
    let consent_state = consent_states.get(purpose);
    json!({
        "purpose": purpose,
        "decision": consent_state.map(|consent_state| consent_state.decision),
        "since": consent_state.map(|consent_state| consent_state.since),
    })
}

fn is_declared(request: &UserRequest, purpose: &PurposeId) -> Result<(), Refusal> {
    consents(request)?.purposes().get(purpose).map(drop).ok_or_else(|| problems::NOT_FOUND.into())
}

/// The purposes; there are none without consent.
fn consents(request: &UserRequest) -> Result<&Consents, Refusal> {
    request.shared.consents.as_ref().ok_or_else(|| problems::NOT_FOUND.into())
}
