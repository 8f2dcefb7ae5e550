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
    model::consent::{Decision, PurposeId, Standings, Subject},
};

pub(super) async fn list(asking: &Asking) -> Answer {
    let standings = consents(asking)?.standings(&Subject::User(asking.user.clone())).await?;
    let objections = standings.iter().filter(|(_, held)| held.standing.decision == Decision::Objected);
    let objections: Vec<_> = objections.map(|(purpose, _)| where_it_stands(&standings, purpose)).collect();
    ok(&json!({ "objections": objections }))
}

pub(super) async fn object(asking: &Asking, purpose: &PurposeId, members: Members) -> Answer {
    members.end()?;
    is_declared(asking, purpose)?;
    let circumstances = asking.visit.circumstances();
    let objected = asking.rights.object_in(&asking.user, [purpose.clone()], &circumstances).await;
    decided(asking, purpose, objected.map_err(wrong("purpose"))?)
}

pub(super) async fn take_back(asking: &Asking, purpose: &PurposeId, members: Members) -> Answer {
    members.end()?;
    is_declared(asking, purpose)?;
    let standings = asking.rights.withdraw_objection(&asking.user, purpose).await?;
    decided(asking, purpose, standings.ok_or(problems::NOT_FOUND)?)
}

fn decided(asking: &Asking, purpose: &PurposeId, standings: Standings) -> Answer {
    let answer = where_it_stands(&standings, purpose);
    // This very request leaves no trace any more, or may leave one again.
    if let Some(consent) = asking.visit.consent() {
        consent.decided(standings);
    }
    ok(&answer)
}

fn where_it_stands(standings: &Standings, purpose: &PurposeId) -> Value {
    let standing = standings.get(purpose);
    json!({
        "purpose": purpose,
        "decision": standing.map(|standing| standing.decision),
        "since": standing.map(|standing| standing.since),
    })
}

fn is_declared(asking: &Asking, purpose: &PurposeId) -> Result<(), Refusal> {
    consents(asking)?.purposes().get(purpose).map(drop).ok_or_else(|| problems::NOT_FOUND.into())
}

/// Without consent there are no purposes.
fn consents(asking: &Asking) -> Result<&Consents, Refusal> {
    asking.shared.consents.as_ref().ok_or_else(|| problems::NOT_FOUND.into())
}
