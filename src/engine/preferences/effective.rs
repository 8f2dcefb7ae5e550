//! The effective preferences: merged from defaults, negotiation, session, store and consent views.

use std::sync::{Arc, atomic::Ordering};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    UserPreferences,
    rules::{Negotiated, NegotiatedKeys},
};
use crate::{
    engine::{consents::VerdictInputs, profiles::ProfileState},
    model::preferences::{Effective, Overrides},
};

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> UserPreferences<T> {
    /// Returns the effective preferences. From the lowest to the highest priority: defaults,
    /// negotiated values, the session, the stored overrides, consent views.
    pub(crate) fn effective(
        &self,
        profile: &ProfileState,
        session: Option<&Overrides>,
        negotiated: Negotiated,
        verdict_inputs: VerdictInputs,
    ) -> Arc<Effective<T>> {
        let views = self.view_bits(profile, verdict_inputs);
        let stored = profile.cached().map(|cached| &cached.profile().preferences.overrides);
        let stored = stored.filter(|overrides| !overrides.is_empty());
        let compute = || self.compute(stored, session, negotiated, views);
        match (profile.cached(), stored, session) {
            (_, _, Some(_)) => Arc::new(compute()),
            (Some(cached), Some(_), None) => cached.memo().get_or(negotiated.number(views), compute),
            _ => self.inner.without_overrides.get_or(negotiated.number(views), compute),
        }
    }

    fn compute(
        &self,
        stored: Option<&Overrides>,
        session: Option<&Overrides>,
        negotiated: Negotiated,
        view_bits: u16,
    ) -> Effective<T> {
        let rules = &self.inner.rules;
        let views = rules
            .views
            .iter()
            .enumerate()
            .map(|(index, view)| Overrides::of(&view.path, Value::Bool(view_bits & (1 << index) != 0)));
        let views: Vec<_> = views.collect();
        let layers = rules.layers(negotiated).chain(session).chain(stored).chain(&views);
        let effective = rules.schema.effective(&layers.collect::<Vec<_>>());
        if !effective.ignored.is_empty() {
            self.inner.ignored.fetch_add(effective.ignored.len() as u64, Ordering::Relaxed);
            #[cfg(feature = "metrics")]
            metrics::counter!("guestbook_preferences_ignored_total").increment(effective.ignored.len() as u64);
            tracing::warn!(keys = ?effective.ignored, "stored preferences are no longer valid: their defaults take effect");
        }
        effective
    }

    /// Returns the values of the consent views, one bit for each.
    pub(super) fn view_bits(&self, profile: &ProfileState, verdict_inputs: VerdictInputs) -> u16 {
        let Some(consents) = &self.inner.consents else { return 0 };
        let views = self.inner.rules.views.iter().enumerate();
        views.fold(0, |bits, (index, view)| {
            let verdict = consents.verdict(&view.purpose, profile, verdict_inputs);
            bits | u16::from(verdict.is_some_and(|verdict| verdict.is_allowed())) << index
        })
    }

    /// Returns which negotiated values take effect because nothing is set.
    pub(crate) fn depends_on(&self, profile: &ProfileState, session: Option<&Overrides>) -> NegotiatedKeys {
        let stored = profile.cached().map(|cached| &cached.profile().preferences.overrides);
        let is_unset = |path: &[String]| !stored.into_iter().chain(session).any(|layer| layer.get(path).is_some());
        let rules = &self.inner.rules;
        NegotiatedKeys {
            language: rules.language.as_ref().is_some_and(|languages| is_unset(&languages.path)),
            scheme: rules.color_scheme.as_ref().is_some_and(|schemes| is_unset(&schemes.path)),
            reduced_motion: rules.reduced_motion.as_ref().is_some_and(|switch| is_unset(&switch.path)),
            save_data: rules.save_data.as_ref().is_some_and(|switch| is_unset(&switch.path)),
        }
    }
}
