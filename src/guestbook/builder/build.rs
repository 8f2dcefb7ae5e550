//! [`GuestbookBuilder::build`]: the settings are checked, the parts are made and put together.

use std::{sync::Arc, time::Duration};

use super::{GuestbookBuilder, Parts};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    engine::{
        activities::Activities,
        analytics::Analytics,
        audit::AuditTrail,
        consents::{Consents, Controller, ExclusionRules},
        pending::{PendingErasures, WithholdingStore},
        profiles::Profiles,
        recorder::Recorder,
        retention::{Retention, RetentionRules},
        rights::{JournalGuard, ProcessingRegister, RetentionPeriod, Rights, RightsConfig, RightsParts},
        runtime::Runtime,
        sessions::Sessions,
        tasks::Tasks,
        users::Users,
    },
    error::Result,
    gate::Gate,
    guestbook::{
        Guestbook, Inner,
        background::{go_on_erasing, sweep, watch_trail},
        wrong,
    },
    http::{
        ActivityLayer, ClientSettings, ConsentEnforcement, ConsentLayer, ConsentRequest, ExportService, PrivacyService,
        SessionCookie, SessionLayer, SessionRules, Transport, consent::ConsentRules,
    },
    store::{Store, dyn_store::DynActivityStore, gated::Gated},
};

impl<S: Store> GuestbookBuilder<S> {
    /// Checks the settings and starts the background tasks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`], naming the setting, if a setting is impossible, contradicts
    /// another one, or if there is no Tokio runtime to run the background tasks.
    pub fn build(self) -> Result<Guestbook> {
        let tokio = tokio::runtime::Handle::try_current().map_err(|error| {
            wrong("build() needs a Tokio runtime: call it inside #[tokio::main]").with_source(error)
        })?;
        self.check()?;
        let header = self.header_name()?;
        let activity_rules = self.rules.check(header.as_ref())?;
        let consent_settings = self.consent.as_ref().map(ConsentRules::settings);
        let analytics_rules = self.analytics.check(consent_settings)?;
        let objections = ExclusionRules::new(consent_settings, analytics_rules.max_excluded_people);

        let store = Arc::new(self.store);
        let clock = self.clock;
        let ungated = Runtime { store: store.clone(), tasks: Tasks::new(self.settings.store_timeout), clock };
        let gate = self.journal.as_ref().map(|_| Gate::closed());
        let runtime = gate.clone().map_or_else(|| ungated.clone(), |gate| ungated.behind(gate));
        let profiles = (self.consent.is_some() || self.preferences.is_some()).then(|| {
            let size = (self.settings.cache_entries, self.settings.cache_bytes);
            Profiles::new(runtime.clone(), size, self.settings.cache_age)
        });
        let consent = match (self.consent, &profiles) {
            (Some(rules), Some(profiles)) => {
                let all = consents(&rules, self.controller.as_ref(), &runtime, profiles)?;
                Some(ConsentParts::new(rules, &self.cookie, all)?)
            }
            _ => None,
        };
        let consents = consent.as_ref().map(|consent| consent.consents.clone());
        let preferences = match (self.preferences, &profiles) {
            (Some(make), Some(profiles)) => {
                let (runtime, profiles, consents) = (runtime.clone(), profiles.clone(), consents.clone());
                Some(make(Parts { runtime, profiles, consents })?)
            }
            _ => None,
        };

        let pending = PendingErasures::default();
        let recorded: Arc<dyn DynActivityStore> = match gate.clone() {
            Some(gate) => Arc::new(Gated::new(store, gate)),
            None => store,
        };
        let recorded = Arc::new(WithholdingStore::new(recorded, pending.clone()));
        let (recorder, worker) = Recorder::pair_dynamic(recorded, self.recorder, runtime.clock.clone())?;
        let activities = Activities::new(runtime.clone(), objections.clone());
        let analytics = Analytics::new(runtime.clone(), analytics_rules, objections);
        let absolute = self.settings.lifetime.absolute;
        let sessions = Sessions::new(runtime.clone(), profiles.clone(), pending.clone(), self.settings, self.hooks);
        // The replay of the journal is recorded while everybody else waits for it.
        let audit = AuditTrail::new(ungated.clone(), self.audit_key);
        let periods = periods(&self.retention, absolute, self.tombstone_retention);
        let retention = Retention::new(runtime.clone(), sessions.clone(), audit.clone(), self.retention);

        let of_consent = consents.as_ref().and_then(|consents| consents.settings().controller.clone());
        let register = ProcessingRegister {
            controller: self.controller.or(of_consent),
            consents: consents.clone(),
            preferences: preferences.clone(),
            periods,
            secret_session_keys: self.secret_session_keys,
        };
        let journal = self.journal.zip(gate);
        let config = RightsConfig {
            tombstone_retention: self.tombstone_retention,
            register,
            grace: self.grace,
            keep_requests: self.keep_requests,
            activities: self.erased_activities,
            journal_guard: journal.map(|(journal, gate)| JournalGuard::new(journal, self.missing_journal, gate)),
        };
        let parts = RightsParts {
            profiles,
            sessions: sessions.clone(),
            recorder: recorder.clone(),
            audit: audit.clone(),
            pending,
            sources: self.sources,
        };
        let users = self.users.map(|loader| Users::new(loader, self.user_cache_age, runtime.clone()));
        let rights = Rights::new(ungated, parts, config);

        let export_service = ExportService::new(rights.clone());
        let (export, clock) = (export_service.clone(), runtime.clock);
        let privacy_service = PrivacyService::new(export, audit.clone(), consents.clone(), self.privacy, clock);
        let client = ClientSettings { address: self.address };
        let transport = Transport::new(self.cookie.build()?, self.bearer, header)
            .accept_tower_sessions_ids(self.tower_sessions_ids);
        let (request, enforcement) = consent.map(|consent| (consent.request, consent.enforcement)).unzip();
        let rules = SessionRules {
            transport,
            client,
            on_store_error: self.on_store_error,
            consent: request,
            users: users.clone(),
            passive: self.passive,
        };
        let session_layer = SessionLayer::new(sessions.clone(), recorder.clone(), preferences.clone(), rules);
        let activity_layer = ActivityLayer::new(recorder.clone(), consents.clone(), activity_rules, client);
        let consent_layer = ConsentLayer::new(enforcement.clone());

        let sweepers = [
            tokio.spawn(sweep(sessions.clone(), self.sweep_interval)),
            tokio.spawn(go_on_erasing(rights.clone(), self.sweep_interval)),
            tokio.spawn(watch_trail(audit.clone(), self.sweep_interval, self.verify_audit)),
            tokio.spawn(analytics.clone().roll_up_in_background()),
        ];
        tokio.spawn(worker.run());
        let retainer = tokio.spawn(retention.clone().run_in_background());
        let inner = Inner {
            sessions,
            activities,
            analytics,
            recorder,
            consents,
            preferences,
            users,
            export_service,
            privacy_service,
            rights,
            audit,
            retention,
            session_layer,
            consent_layer,
            activity_layer,
            enforcement,
            sweepers,
            retainer,
        };
        Ok(Guestbook { inner: Arc::new(inner) })
    }
}

/// The parts that are there where consent is configured.
struct ConsentParts {
    consents: Consents,
    request: ConsentRequest,
    enforcement: Arc<ConsentEnforcement>,
}

impl ConsentParts {
    fn new(rules: ConsentRules, cookie: &SessionCookie, consents: Consents) -> Result<Self> {
        let (request, enforcement) = rules.check(cookie, consents.clone())?;
        Ok(Self { consents, request, enforcement: Arc::new(enforcement) })
    }
}

fn consents(
    rules: &ConsentRules,
    controller: Option<&Controller>,
    runtime: &Runtime,
    profiles: &Profiles,
) -> Result<Consents> {
    rules.settings().check()?;
    let mut settings = rules.settings().clone();
    settings.controller = settings.controller.or_else(|| controller.cloned());
    Ok(Consents::new(runtime.clone(), profiles.clone(), settings))
}

/// How long what is kept. A login that is remembered may ask for a longer session than the usual
/// one.
fn periods(rules: &RetentionRules, session: Duration, tombstone_retention: Duration) -> Vec<RetentionPeriod> {
    let of_activities = rules.periods().into_iter();
    let others = [
        ("sessions", Some(session)),
        ("preferences", None),
        ("consent", None),
        ("erasures", Some(tombstone_retention)),
    ];
    let others = others.map(|(class, keep)| (class.to_owned(), keep));
    of_activities.chain(others).map(|(class, keep)| RetentionPeriod::new(class, keep)).collect()
}
