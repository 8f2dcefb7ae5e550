//! Objections (GDPR, Article 21): what stands, and what is added or taken back.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, ok, wrong},
    asking::Asking,
    problems,
    reading::Members,
};
use crate::{
    engine::consents::Consents,
    model::consent::{ConsentStates, Decision, PurposeId, Subject},
};

pub(super) async fn list(asking: &Asking) -> Answer {
    let consent_states = consents(asking)?.consent_states(&Subject::User(asking.user.clone())).await?;
    let objections = consent_states.iter().filter(|(_, held)| held.consent_state.decision == Decision::Objected);
    let objections: Vec<_> = objections.map(|(purpose, _)| where_it_stands(&consent_states, purpose)).collect();
    ok(&json!({ "objections": objections }))
}

pub(super) async fn object(asking: &Asking, purpose: &PurposeId, members: Members) -> Answer {
    members.end()?;
    is_declared(asking, purpose)?;
    let circumstances = asking.context.circumstances();
    let objected = asking.rights.object_in(&asking.user, [purpose.clone()], &circumstances).await;
    decided(asking, purpose, objected.map_err(wrong("purpose"))?)
}

pub(super) async fn take_back(asking: &Asking, purpose: &PurposeId, members: Members) -> Answer {
    members.end()?;
    is_declared(asking, purpose)?;
    let consent_states = asking.rights.withdraw_objection(&asking.user, purpose).await?;
    decided(asking, purpose, consent_states.ok_or(problems::NOT_FOUND)?)
}

fn decided(asking: &Asking, purpose: &PurposeId, consent_states: ConsentStates) -> Answer {
    let answer = where_it_stands(&consent_states, purpose);
    // This very request leaves no trace any more, or may leave one again.
    if let Some(consent) = asking.context.consent() {
        consent.decided(consent_states);
    }
    ok(&answer)
}

fn where_it_stands(consent_states: &ConsentStates, purpose: &PurposeId) -> Value {
    let consent_state = consent_states.get(purpose);
    json!({
        "purpose": purpose,
        "decision": consent_state.map(|consent_state| consent_state.decision),
        "since": consent_state.map(|consent_state| consent_state.since),
    })
}

fn is_declared(asking: &Asking, purpose: &PurposeId) -> Result<(), Refusal> {
    consents(asking)?.purposes().get(purpose).map(drop).ok_or_else(|| problems::NOT_FOUND.into())
}

/// Without consent there are no purposes.
fn consents(asking: &Asking) -> Result<&Consents, Refusal> {
    asking.shared.consents.as_ref().ok_or_else(|| problems::NOT_FOUND.into())
}
