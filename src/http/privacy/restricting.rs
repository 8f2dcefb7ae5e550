//! Restriction (GDPR, Article 18): read, set and lifted by the user.

use serde_json::json;

use super::{
    answer::{Answer, Refusal, ok},
    asking::Asking,
    problems,
    reading::Members,
};
use crate::model::privacy::RestrictionReason;

pub(super) async fn state(asking: &Asking) -> Answer {
    ok(&json!({ "restriction": asking.rights.restriction_of(&asking.user).await? }))
}

pub(super) async fn restrict(asking: &Asking, mut members: Members) -> Answer {
    let reason = match members.text("reason")? {
        None => RestrictionReason::Accuracy,
        // That one comes with a confirmed erasure, and goes with it.
        Some(name) => RestrictionReason::from_name(&name)
            .filter(|reason| *reason != RestrictionReason::ErasurePending)
            .ok_or_else(|| Refusal::naming(problems::FIELD, "reason"))?,
    };
    members.end()?;
    asking.rights.restrict(&asking.user, reason).await?;
    state(asking).await
}

pub(super) async fn lift(asking: &Asking, members: Members) -> Answer {
    members.end()?;
    match asking.rights.lift_restriction(&asking.user).await? {
        true => state(asking).await,
        false => Err(problems::NOT_FOUND.into()),
    }
}
