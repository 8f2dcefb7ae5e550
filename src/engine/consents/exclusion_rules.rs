//! [`ExclusionRules`]: whose recorded events analytics must not use.

use super::settings::ConsentSettings;
use crate::{
    engine::runtime::Runtime,
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        activity::EventType,
        consent::{Mode, PurposeId, Regime, Subject},
    },
    store::Exclusion,
};

/// The purposes that events are recorded under and that people can refuse.
#[derive(Clone, Debug)]
pub(crate) struct ExclusionRules {
    purposes: Vec<RefusablePurpose>,
    max: usize,
}

/// A purpose and the events that are recorded under it.
#[derive(Clone, Debug)]
struct RefusablePurpose {
    purpose: PurposeId,
    /// Whether events are recorded before a decision, so that a first denial can follow some of
    /// them.
    recorded_before_decision: bool,
    types: Option<Vec<EventType>>,
    except_types: Vec<EventType>,
}

impl ExclusionRules {
    /// Creates the rules for these settings. More than `max` excluded subjects are an error.
    pub(crate) fn new(settings: Option<&ConsentSettings>, max: usize) -> Self {
        Self { purposes: settings.map(RefusablePurpose::all).unwrap_or_default(), max }
    }

    /// Returns the exclusions: restricted users with all of their events, and subjects that refuse
    /// a purpose with its events.
    pub(crate) async fn exclusion(&self, runtime: &Runtime) -> Result<Vec<Exclusion>> {
        let Runtime { store, tasks, .. } = runtime;
        let restricted = tasks.within(store.restricted_users(self.max.saturating_add(1))).await?;
        let mut remaining = self.remaining(self.max, restricted.len())?;
        let mut all = vec![Exclusion::new(restricted.into_iter().map(Into::into))];
        for RefusablePurpose { purpose, recorded_before_decision, types, except_types } in &self.purposes {
            let refusing =
                store.refusing_subjects(purpose.clone(), *recorded_before_decision, remaining.saturating_add(1));
            let refusing = tasks.within(refusing).await?;
            remaining = self.remaining(remaining, refusing.len())?;
            let mut exclusion = Exclusion::new(refusing).except_types(except_types.iter().cloned());
            exclusion.types.clone_from(types);
            all.push(exclusion);
        }
        all.retain(|exclusion| !exclusion.users.is_empty() || !exclusion.visitors.is_empty());
        Ok(all)
    }

    /// Returns the exclusions of one user: all events if processing is restricted, or those of each
    /// refused purpose.
    pub(crate) async fn of_user(&self, user: &UserId, runtime: &Runtime) -> Result<Vec<Exclusion>> {
        let Runtime { store, tasks, .. } = runtime;
        let of_user = || Exclusion::new([Subject::User(user.clone())]);
        let profile = tasks.within(store.profile(Subject::User(user.clone()))).await?;
        if profile.restriction.is_some() {
            return Ok(vec![of_user()]);
        }
        let consent_states = profile.consents;
        let refused = self.purposes.iter().filter(|refusable| {
            consent_states.get(&refusable.purpose).is_some_and(|consent_state| consent_state.decision.is_no())
        });
        let exclusion = refused.map(|RefusablePurpose { types, except_types, .. }| {
            let mut exclusion = of_user().except_types(except_types.iter().cloned());
            exclusion.types.clone_from(types);
            exclusion
        });
        Ok(exclusion.collect())
    }

    /// Returns how many of `remaining` exclusions are left after `more`.
    fn remaining(&self, remaining: usize, more: usize) -> Result<usize> {
        remaining.checked_sub(more).ok_or_else(|| {
            let context = format!(
                "more than {} persons are excluded because they are restricted or refuse a purpose: see \
                 AnalyticsRules::max_excluded_people",
                self.max
            );
            Error::new(ErrorKind::TooLarge, context)
        })
    }
}

impl RefusablePurpose {
    fn all(settings: &ConsentSettings) -> Vec<Self> {
        let own = || settings.event_purposes.iter().map(|(event_type, _)| event_type);
        let mut purposes: Vec<&PurposeId> = Vec::new();
        for purpose in
            settings.event_purposes.iter().filter_map(|(_, purpose)| purpose.as_ref()).chain(&settings.activity)
        {
            if !purposes.contains(&purpose) {
                purposes.push(purpose);
            }
        }
        let refusable = purposes.into_iter().filter_map(|id| {
            let purpose = settings.purposes.get(id)?;
            let modes = [Regime::Strictest, Regime::OptOut].map(|regime| purpose.mode_under(regime));
            let is_under = |event_type: &&EventType| settings.purpose_of(event_type) == Some(id);
            let is_general = settings.activity.as_ref() == Some(id);
            (modes != [Mode::Necessary; 2]).then(|| Self {
                purpose: id.clone(),
                recorded_before_decision: modes != [Mode::OptIn; 2],
                types: (!is_general).then(|| own().filter(is_under).cloned().collect()),
                except_types: own().filter(|own| is_general && !is_under(own)).cloned().collect(),
            })
        });
        refusable.collect()
    }
}
