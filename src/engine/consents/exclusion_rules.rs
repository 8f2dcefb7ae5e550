//! [`ExclusionRules`]: whose events are not looked at, though they were recorded when they might be.

use crate::{
    engine::{consents::ConsentSettings, runtime::Runtime},
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        activity::EventType,
        consent::{Mode, PurposeId, Regime, Subject},
    },
    store::Exclusion,
};

/// The purposes that events fall under and that somebody can refuse.
#[derive(Clone, Debug)]
pub(crate) struct ExclusionRules {
    purposes: Vec<Refusable>,
    max: usize,
}

/// A purpose, and the events under it.
#[derive(Clone, Debug)]
struct Refusable {
    purpose: PurposeId,
    /// Whether events are recorded before anybody has decided, so that a mere denial comes after some of them.
    before_deciding: bool,
    types: Option<Vec<EventType>>,
    except_types: Vec<EventType>,
}

impl ExclusionRules {
    /// For these settings. More than `max` persons are an error.
    pub(crate) fn new(settings: Option<&ConsentSettings>, max: usize) -> Self {
        Self { purposes: settings.map(Refusable::all).unwrap_or_default(), max }
    }

    /// Who is left out: those who are restricted, with all of their events, and those who refuse a purpose, with the events under it.
    pub(crate) async fn exclusion(&self, runtime: &Runtime) -> Result<Vec<Exclusion>> {
        let Runtime { store, tasks, .. } = runtime;
        let restricted = tasks.within(store.restricted_users(self.max.saturating_add(1))).await?;
        let mut left = self.left(self.max, restricted.len())?;
        let mut all = vec![Exclusion::new(restricted.into_iter().map(Into::into))];
        for Refusable { purpose, before_deciding, types, except_types } in &self.purposes {
            let refusing = store.refusing_subjects(purpose.clone(), *before_deciding, left.saturating_add(1));
            let refusing = tasks.within(refusing).await?;
            left = self.left(left, refusing.len())?;
            let mut exclusion = Exclusion::new(refusing).except_types(except_types.iter().cloned());
            exclusion.types.clone_from(types);
            all.push(exclusion);
        }
        all.retain(|exclusion| !exclusion.users.is_empty() || !exclusion.visitors.is_empty());
        Ok(all)
    }

    /// How many persons may still be left out after `more`, of the `left` ones.
    fn left(&self, left: usize, more: usize) -> Result<usize> {
        left.checked_sub(more).ok_or_else(|| {
            let context = format!(
                "more than {} persons are left out because they are restricted or refuse a purpose: see \
                 AnalyticsRules::max_left_out",
                self.max
            );
            Error::new(ErrorKind::TooLarge, context)
        })
    }
}

impl ExclusionRules {
    /// Which events of one user are left out: all if they are restricted, or those under a purpose that they refuse.
    pub(crate) async fn of_user(&self, user: &UserId, runtime: &Runtime) -> Result<Vec<Exclusion>> {
        let Runtime { store, tasks, .. } = runtime;
        let of_user = || Exclusion::new([Subject::User(user.clone())]);
        let account = tasks.within(store.profile(Subject::User(user.clone()))).await?;
        if account.restriction.is_some() {
            return Ok(vec![of_user()]);
        }
        let consent_states = account.consents;
        let refused = self.purposes.iter().filter(|refusable| {
            consent_states.get(&refusable.purpose).is_some_and(|consent_state| consent_state.decision.is_no())
        });
        let exclusion = refused.map(|Refusable { types, except_types, .. }| {
            let mut exclusion = of_user().except_types(except_types.iter().cloned());
            exclusion.types.clone_from(types);
            exclusion
        });
        Ok(exclusion.collect())
    }
}

impl Refusable {
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
                before_deciding: modes != [Mode::OptIn; 2],
                types: (!is_general).then(|| own().filter(is_under).cloned().collect()),
                except_types: own().filter(|own| is_general && !is_under(own)).cloned().collect(),
            })
        });
        refusable.collect()
    }
}
