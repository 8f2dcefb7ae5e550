//! Restriction (GDPR, Article 18): read, set and lifted by the user.

use serde_json::json;

use super::super::{
    answer::{Answer, Refusal, ok},
    members::Members,
    problems,
    user_request::UserRequest,
};
use crate::model::privacy::RestrictionReason;

pub(super) async fn state(request: &UserRequest) -> Answer {
    ok(&json!({ "restriction": request.rights.restriction_of(&request.user).await? }))
}

pub(super) async fn restrict(request: &UserRequest, mut members: Members) -> Answer {
    let reason = match members.text("reason")? {
        None => RestrictionReason::Accuracy,
        // That reason is set and lifted with a confirmed erasure.
        Some(name) => RestrictionReason::from_name(&name)
            .filter(|reason| *reason != RestrictionReason::ErasurePending)
            .ok_or_else(|| Refusal::naming(problems::FIELD, "reason"))?,
    };
    members.end()?;
    request.rights.restrict(&request.user, reason).await?;
    state(request).await
}

pub(super) async fn lift(request: &UserRequest, members: Members) -> Answer {
    members.end()?;
    match request.rights.lift_restriction(&request.user).await? {
        true => state(request).await,
        false => Err(problems::NOT_FOUND.into()),
    }
}
