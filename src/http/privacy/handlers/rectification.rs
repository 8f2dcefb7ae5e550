//! Rectification (GDPR, Article 16) of preferences, and of the sources that users may correct.

use serde_json::{Map, Value, json};

use super::super::{
    answer::{Answer, Refusal, ok},
    members::Members,
    problems,
    user_request::UserRequest,
};
use crate::error::{Error, ErrorKind};

pub(super) async fn rectify(request: &UserRequest, mut members: Members) -> Answer {
    let named = ["preferences", "sources"].map(|name| (name.to_owned(), members.value(name)));
    members.end()?;
    let patch: Map<_, _> = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if let Some(sources) = patch.get("sources") {
        let sources = sources.as_object().ok_or_else(|| Refusal::naming(problems::FIELD, "sources"))?;
        let correctable = &request.shared.rules.correctable;
        if !sources.keys().all(|name| correctable.contains(name)) {
            return Err(Refusal::naming(problems::FIELD, "sources"));
        }
    }
    let rectified = request.rights.rectify_by_member(&request.user, &patch.into()).await;
    let rectified = rectified.map_err(|(member, error)| wrong(member.as_deref().unwrap_or("preferences"), error))?;
    let sources: Map<String, Value> =
        rectified.sources.into_iter().map(|(name, is_corrected)| (name, is_corrected.into())).collect();
    ok(&json!({ "preferences": rectified.preferences, "sources": sources }))
}

fn wrong(field: &str, error: Error) -> Refusal {
    match error.kind() {
        // Preferences may not be configured.
        ErrorKind::InvalidInput | ErrorKind::Configuration => Refusal::explaining(problems::FIELD, field, &error),
        _ => error.into(),
    }
}
