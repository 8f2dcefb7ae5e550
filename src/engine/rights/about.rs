//! [`About`]: what an export says of the processing itself (GDPR, Article 15(1)), beside the data.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::Rights;
use crate::{
    engine::{
        consents::{Consents, Controller, PurposeState},
        preferences::DynPreferences,
        profiles::ProfileState,
    },
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        activity::EventType,
        consent::{PurposeId, Subject},
        session::{SessionData, SessionInfo},
    },
};

/// How the guestbook is set up, as far as rights need to know.
pub(crate) struct ProcessingRegister {
    pub(crate) controller: Option<Controller>,
    pub(crate) consents: Option<Consents>,
    pub(crate) preferences: Option<Arc<dyn DynPreferences>>,
    pub(crate) periods: Vec<RetentionPeriod>,
    /// Keys of session data whose values no export shows.
    pub(crate) secret_session_keys: Vec<String>,
}

/// How long what is kept: a time limit of Article 30(1)(f), and of Article 15(1)(d).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetentionPeriod {
    /// What: `activities` are all that have no class of their own, `activities:login` those of one type, and there are `audit`,
    /// `sessions`, `preferences`, `consent` and `erasures`. A login may ask for a longer session than this.
    pub class: String,
    /// For how long at most, in seconds; `None` is until the user is erased.
    pub keep_seconds: Option<u64>,
}

/// The members of an export that are not lists of data.
#[derive(Serialize)]
pub(super) struct About {
    pub(super) controller: Option<Controller>,
    pub(super) purposes: Vec<Value>,
    pub(super) retention: Vec<RetentionPeriod>,
}

impl RetentionPeriod {
    pub(crate) fn new(class: impl Into<String>, keep: Option<Duration>) -> Self {
        Self { class: class.into(), keep_seconds: keep.map(|keep| keep.as_secs()) }
    }
}

impl ProcessingRegister {
    /// The periods of events that fall under `purpose`, or under none.
    pub(super) fn periods_of_activities(&self, purpose: Option<&PurposeId>) -> Vec<RetentionPeriod> {
        let settings = self.consents.as_ref().map(Consents::settings);
        let is_under = |of_type: &EventType| settings.and_then(|settings| settings.purpose_of(of_type)) == purpose;
        let has_own = |of_type: &EventType| self.periods.iter().any(|period| type_of(period).as_ref() == Some(of_type));
        // The general period is that of all types that have none of their own, whatever their purpose.
        let named = settings.iter().flat_map(|settings| &settings.event_purposes).map(|(of_type, _)| of_type);
        let is_general_under = settings.and_then(|settings| settings.activity.as_ref()) == purpose
            || named.clone().any(|of_type| is_under(of_type) && !has_own(of_type));
        let applies = |period: &&RetentionPeriod| match type_of(period) {
            Some(of_type) => is_under(&of_type),
            None => period.class == ACTIVITIES && is_general_under,
        };
        self.periods.iter().filter(applies).cloned().collect()
    }
}

/// Of which type the events of a class are, if it has events of one type only.
fn type_of(period: &RetentionPeriod) -> Option<EventType> {
    let of_type = period.class.strip_prefix(ACTIVITIES)?.strip_prefix(':')?;
    EventType::try_from(of_type).ok()
}

impl Rights {
    /// What is said of the processing to this user.
    pub(super) async fn about(&self, user: &UserId) -> Result<About> {
        let register = &self.inner.config.register;
        Ok(About {
            controller: register.controller.clone(),
            purposes: self.purposes_of(user).await?,
            retention: register.periods.clone(),
        })
    }

    /// Each purpose as it is declared, with where the user stands.
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
            value.insert("standing".into(), serde_json::to_value(state.consent_state)?);
            Ok(Value::Object(value))
        };
        states.iter().map(purpose).collect::<serde_json::Result<_>>().map_err(unwritable)
    }

    /// The live sessions of the user with what they hold.
    pub(super) async fn sessions_of(&self, user: &UserId) -> Result<Vec<Box<RawValue>>> {
        let inner = &self.inner;
        let mut sessions = Vec::new();
        for session in inner.parts.sessions.list_of_all_realms(user).await? {
            let data = inner
                .runtime
                .tasks
                .within(inner.runtime.store.session_data(session.id, inner.runtime.clock.now()))
                .await?;
            // It may have ended a moment ago.
            let Some(data) = data else { continue };
            sessions.push(self.session_with(&session, &data).map_err(unwritable)?);
        }
        Ok(sessions)
    }

    /// A session with its data, as text: what is stored is passed through as it is, so that it can always be exported.
    fn session_with(&self, session: &SessionInfo, data: &SessionData) -> serde_json::Result<Box<RawValue>> {
        #[derive(Serialize)]
        struct Exported<'a> {
            #[serde(flatten)]
            session: Map<String, Value>,
            data: BTreeMap<&'a str, &'a RawValue>,
        }
        let mut head = object(session)?;
        // That is said to whoever asks, and nobody's session asks here.
        head.remove("current");
        let secret = &self.inner.config.register.secret_session_keys;
        let is_secret = |name: &str| secret.iter().any(|key| key == name);
        let value = |key| Ok((key, raw(if is_secret(key) { None } else { data.raw(key) })?));
        let data = data.keys().map(value).collect::<serde_json::Result<_>>()?;
        to_raw_value(&Exported { session: head, data })
    }

    /// What the user has set.
    pub(super) async fn preferences_of(&self, user: &UserId) -> Result<Value> {
        let stored = self.inner.runtime.tasks.within(self.inner.runtime.store.preferences(user.clone())).await?;
        Ok(stored.overrides.to_value())
    }
}

fn raw(json: Option<&str>) -> serde_json::Result<&RawValue> {
    serde_json::from_str(json.unwrap_or("null"))
}

fn object<T: Serialize>(value: &T) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(value)? {
        Value::Object(object) => Ok(object),
        _ => Ok(Map::new()),
    }
}

/// The class of events without a class of their own.
const ACTIVITIES: &str = "activities";

pub(super) fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "a record cannot be written as JSON").with_source(error)
}
