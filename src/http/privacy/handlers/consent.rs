//! The consent of the user: states, decisions, withdrawal.

use http::header;
use serde_json::{Value, json};

use super::super::{
    answer::{Answer, Refusal, invalid, ok},
    members::Members,
    problems,
    user_request::UserRequest,
};
use crate::{
    error::{Error, ErrorKind},
    model::consent::{Choices, DecisionMethod, PurposeId},
    request::Consent,
};

pub(super) async fn state(request: &UserRequest) -> Answer {
    let consent = known_consent(request)?;
    let language = request.parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|said| said.to_str().ok());
    let prompt = consent.prompt(language.unwrap_or_default()).await?;
    ok(&json!({ "ask": consent.needs_prompt(), "purposes": consent.states(), "offer": prompt }))
}

pub(super) async fn receipt(request: &UserRequest) -> Answer {
    let receipt = known_consent(request)?.receipt().await?.filter(|receipt| !receipt.pii_processing.is_empty());
    ok(&receipt.ok_or(problems::NOT_FOUND)?)
}

pub(super) async fn decide(request: &UserRequest, mut members: Members) -> Answer {
    let consent = known_consent(request)?;
    let method = method(members.text("method")?.as_deref())?;
    let made = choices(members.value("choices"))?;
    let notice = members.text("notice")?;
    members.end()?;
    let choose = |choices: Choices, (purpose, granted)| match granted {
        true => choices.grant(purpose),
        false => choices.decline(purpose),
    };
    let choices = made.into_iter().fold(Choices::new(method), choose);
    consent.decide(notice.into_iter().fold(choices, Choices::notice)).await.map_err(invalid("choices"))?;
    ok(&json!({ "purposes": consent.states() }))
}

pub(super) async fn withdraw(request: &UserRequest, purpose: &PurposeId, members: Members) -> Answer {
    members.end()?;
    let consent = known_consent(request)?;
    if consent.purposes().get(purpose).is_none() {
        return Err(problems::NOT_FOUND.into());
    }
    consent.withdraw(purpose.clone()).await.map_err(invalid("purpose"))?;
    ok(&json!({ "purposes": consent.states() }))
}

/// The consent of the user, if it is known.
fn known_consent(request: &UserRequest) -> Result<Consent, Refusal> {
    let consent = request.context.consent().ok_or(problems::NOT_FOUND)?;
    if request.context.is_consent_unknown() {
        return Err(Error::new(ErrorKind::Unavailable, "the decisions of the user could not be loaded").into());
    }
    Ok(consent)
}

fn choices(made: Option<Value>) -> Result<Vec<(PurposeId, bool)>, Refusal> {
    let wrong = || Refusal::naming(problems::FIELD, "choices");
    let Some(Value::Object(made)) = made else { return Err(wrong()) };
    let choice = |(name, granted): (String, Value)| Some((PurposeId::new(&name).ok()?, granted.as_bool()?));
    made.into_iter().map(choice).collect::<Option<_>>().ok_or_else(wrong)
}

/// The methods by which a page lets a user decide. Others, such as an import, are not for users.
fn method(name: Option<&str>) -> Result<DecisionMethod, Refusal> {
    match name {
        None => Ok(DecisionMethod::Api),
        Some("accept_all") => Ok(DecisionMethod::AcceptAll),
        Some("reject_all") => Ok(DecisionMethod::RejectAll),
        Some("custom") => Ok(DecisionMethod::Custom),
        Some("dismiss") => Ok(DecisionMethod::Dismiss),
        Some(_) => Err(Refusal::naming(problems::FIELD, "method")),
    }
}
