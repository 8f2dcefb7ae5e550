//! [`ProcessingInfo`]: the part of an export about the processing itself (GDPR, Article 15(1)).

use serde::Serialize;
use serde_json::Value;

use super::{
    RetentionPeriod, Rights,
    user_data::{object, unwritable},
};
use crate::{
    engine::{
        consents::{Controller, PurposeState},
        profiles::ProfileState,
    },
    error::Result,
    id::UserId,
    model::consent::Subject,
};

/// The members of an export about the processing.
#[derive(Serialize)]
pub(super) struct ProcessingInfo {
    pub(super) controller: Option<Controller>,
    pub(super) purposes: Vec<Value>,
    pub(super) retention: Vec<RetentionPeriod>,
}

impl Rights {
    /// Reads what an export says about the processing to this user.
    pub(super) async fn processing_info(&self, user: &UserId) -> Result<ProcessingInfo> {
        let register = &self.inner.config.register;
        Ok(ProcessingInfo {
            controller: register.controller.clone(),
            purposes: self.purposes_of(user).await?,
            retention: register.periods.clone(),
        })
    }

    /// Each purpose as it is declared, with the consent state of the user.
    async fn purposes_of(&self, user: &UserId) -> Result<Vec<Value>> {
        let (Some(consents), Some(profiles)) = (&self.inner.config.register.consents, &self.inner.parts.profiles)
        else {
            return Ok(Vec::new());
        };
        let account = ProfileState::Profile(profiles.load(&Subject::User(user.clone())).await?);
        let states = consents.purpose_states(&account, consents.verdict_inputs());
        let purpose = |state: &PurposeState| {
            let Some(purpose) = consents.purposes().get(&state.id) else { return Ok(Value::Null) };
            let mut value = object(purpose)?;
            let retention = self.inner.config.register.periods_of_activities(Some(&state.id));
            value.insert("retention".into(), serde_json::to_value(retention)?);
            value.extend(object(&state.verdict)?);
            value.insert("consent_state".into(), serde_json::to_value(state.consent_state)?);
            Ok(Value::Object(value))
        };
        states.iter().map(purpose).collect::<serde_json::Result<_>>().map_err(unwritable)
    }
}
