//! [`ProcessingRegister`]: what the configuration says of the processing.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    engine::{
        consents::{Consents, Controller},
        preferences::DynPreferences,
    },
    model::{activity::EventType, consent::PurposeId},
};

/// The configuration that exports and records of processing describe.
pub(crate) struct ProcessingRegister {
    pub(crate) controller: Option<Controller>,
    pub(crate) consents: Option<Consents>,
    pub(crate) preferences: Option<Arc<dyn DynPreferences>>,
    pub(crate) periods: Vec<RetentionPeriod>,
    /// Keys of session data whose values no export has.
    pub(crate) secret_session_keys: Vec<String>,
}

/// How long a class of data is kept: a time limit by Article 30(1)(f) and Article 15(1)(d) of the
/// GDPR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetentionPeriod {
    /// The class: `activities` for all types of events without a rule of their own,
    /// `activities:login` for one type; or `audit`, `sessions`, `preferences`, `consent` or
    /// `erasures`. A login may ask for a longer session than this.
    pub class: String,
    /// The period in seconds; `None` until the user is erased.
    pub keep_seconds: Option<u64>,
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
        // The general period applies to all types without a period of their own, of any purpose.
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

/// The type of events of a class that has events of one type only.
fn type_of(period: &RetentionPeriod) -> Option<EventType> {
    let of_type = period.class.strip_prefix(ACTIVITIES)?.strip_prefix(':')?;
    EventType::try_from(of_type).ok()
}

/// The class of events whose type has no rule of its own.
const ACTIVITIES: &str = "activities";
