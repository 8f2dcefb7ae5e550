//! [`GuestbookBuilder::build`]: the settings are checked, the parts are made and put together.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use super::{DAY, GuestbookBuilder, Parts};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    engine::{
        activities::Activities,
        analytics::Analytics,
        audit::AuditTrail,
        consents::{Consents, Objections},
        pending::{PendingErasures, WithholdingStore},
        profiles::Profiles,
        recorder::Recorder,
        retention::{Retention, RetentionRules},
        rights::{JournalGuard, ProcessingRegister, RetentionPeriod, Rights, RightsConfig},
        sessions::Sessions,
        tasks::Tasks,
    },
    error::Result,
    gate::Gate,
    guestbook::{
        Guestbook, Inner,
        background::{go_on_erasing, sweep, watch_trail},
        wrong,
    },
    http::{
        ActivityLayer, ClientAddress, ClientSettings, ConsentLayer, ExportService, PrivacyService, SessionLayer,
        Transport, consent::ConsentRules,
    },
    model::session::Lifetime,
    store::{Store, dyn_store::DynActivityStore, gated::Gated},
};

impl<S: Store> GuestbookBuilder<S> {
    /// Checks the settings and starts the background tasks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`], naming the setting, if a setting is impossible, contradicts another one, or if
    /// there is no Tokio runtime to run the background tasks.
    pub fn build(self) -> Result<Guestbook> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            wrong("build() needs a Tokio runtime: call it inside #[tokio::main]").with_source(error)
        })?;
        let header = self
            .header
            .map(HeaderName::try_from)
            .transpose()
            .map_err(|error| wrong("accept_header() needs a header name of RFC 9110").with_source(error))?;
        let Lifetime { absolute, .. } = self.settings.lifetime;
        self.settings.lifetime.check().map_err(|_| {
            wrong("session_lifetime() needs an idle time of at least 1 ms and at most the absolute one")
        })?;
        if self.settings.cap.max == 0 {
            return Err(wrong("sessions_per_user() needs room for at least one session"));
        }
        let (anonymous, largest) = (self.settings.anonymous, self.settings.limits.bytes as u64);
        if anonymous.sessions.min(anonymous.network_sessions) == 0
            || anonymous.bytes.min(anonymous.network_bytes) < largest
        {
            return Err(wrong("anonymous_sessions() needs room for at least one session of the largest size"));
        }
        if let ClientAddress::Forwarded { proxies: 0 } | ClientAddress::XForwardedFor { proxies: 0 } = self.address {
            return Err(wrong("client_address() needs at least one proxy, or ClientAddress::Peer"));
        }
        if self.settings.store_timeout.is_zero() || self.sweep_interval.is_zero() {
            return Err(wrong("store_timeout() and sweep_interval() must be longer than zero"));
        }
        if self.verify_audit.is_zero() {
            return Err(wrong("verify_audit() must be longer than zero"));
        }
        if self.grace > 27 * DAY {
            return Err(wrong("erasure_grace() has at most 27 days: an erasure is due within a month"));
        }
        self.retention.check()?;
        self.privacy.check(self.sources.iter().map(|source| source.name()))?;
        let rules = self.rules.check(header.as_ref())?;
        let analytics = self.analytics.check(self.consent.as_ref().map(ConsentRules::settings))?;
        let objections = Objections::new(self.consent.as_ref().map(ConsentRules::settings), analytics.max_left_out);
        let (store, clock, ungated) = (Arc::new(self.store), self.clock, Tasks::new(self.settings.store_timeout));
        let journal_guard = self.journal.map(|journal| (journal, Gate::closed()));
        let gate = journal_guard.as_ref().map(|(_, gate)| gate.clone());
        let tasks = gate.clone().map_or_else(|| ungated.clone(), |gate| ungated.behind(gate));
        let profiles = (self.consent.is_some() || self.preferences.is_some()).then(|| {
            let size = (self.settings.cache_entries, self.settings.cache_bytes);
            Profiles::new(store.clone(), clock.clone(), tasks.clone(), size, self.settings.cache_age)
        });
        let (mut consents, mut door, mut enforcement) = (None, None, None);
        if let (Some(rules), Some(profiles)) = (self.consent, &profiles) {
            rules.settings().check()?;
            let (store, mut settings) = (store.clone(), rules.settings().clone());
            settings.controller = settings.controller.or_else(|| self.controller.clone());
            let all = Consents::new(store, profiles.clone(), tasks.clone(), clock.clone(), settings);
            let (at_the_door, inside) = rules.check(&self.cookie, all.clone())?;
            (consents, door, enforcement) = (Some(all), Some(at_the_door), Some(Arc::new(inside)));
        }
        let mut preferences = None;
        if let (Some(make), Some(profiles)) = (self.preferences, &profiles) {
            let (store, profiles, tasks) = (store.clone(), profiles.clone(), tasks.clone());
            preferences = Some(make(Parts { store, profiles, tasks, consents: consents.clone() })?);
        }
        let transport = Transport::new(self.cookie.build()?, self.bearer, header);
        let activities = Activities::new(store.clone(), tasks.clone(), objections.clone());
        let analytics = Analytics::new(store.clone(), tasks.clone(), clock.clone(), analytics, objections);
        let pending = PendingErasures::default();
        let recorded: Arc<dyn DynActivityStore> = match gate {
            Some(gate) => Arc::new(Gated::new(store.clone(), gate)),
            None => store.clone(),
        };
        let recorded = Arc::new(WithholdingStore::new(recorded, pending.clone()));
        let (recorder, worker) = Recorder::pair_dynamic(recorded, self.recorder, clock.clone())?;
        let (kept, timer, own) = (profiles.clone(), clock.clone(), pending.clone());
        let sessions = Sessions::new(store.clone(), kept, timer, tasks.clone(), own, self.settings);
        let (sources, keep_out) = (self.sources, self.keep_out);
        let of_consent = consents.as_ref().and_then(|consents| consents.settings().controller.clone());
        let register = ProcessingRegister {
            controller: self.controller.or(of_consent),
            consents: consents.clone(),
            preferences: preferences.clone(),
            periods: periods(&self.retention, absolute, keep_out),
            secret_session_keys: self.secret_session_keys,
        };
        let (retained, timed) = (tasks, clock.clone());
        // A replay of the journal is noted while everybody else waits for it.
        let audit = AuditTrail::new(store.clone(), ungated.clone(), clock.clone(), self.audit_key);
        let retention = Retention::new(store.clone(), sessions.clone(), audit.clone(), retained, timed, self.retention);
        let journal_guard = journal_guard.map(|(journal, gate)| JournalGuard::new(journal, self.missing_journal, gate));
        let config = RightsConfig {
            grace: self.grace,
            keep_requests: self.keep_requests,
            activities: self.erased_activities,
            journal_guard,
        };
        let (heard, held, trail, now) = (recorder.clone(), sessions.clone(), audit.clone(), clock.clone());
        let rights = Rights::new(
            store, profiles, held, heard, trail, ungated, now, sources, keep_out, register, config, pending,
        );
        let export_service = ExportService::new(rights.clone());
        let (trail, export) = (audit.clone(), export_service.clone());
        let privacy_service = PrivacyService::new(rights.clone(), trail, consents.clone(), export, self.privacy, clock);
        let client = ClientSettings { address: self.address };
        let on_store_error = self.on_store_error;
        let session_layer = SessionLayer::new(
            sessions.clone(),
            recorder.clone(),
            transport,
            client,
            on_store_error,
            door,
            preferences.clone(),
        );
        let activity_layer = ActivityLayer::new(recorder.clone(), consents.clone(), rules, client);
        let consent_layer = ConsentLayer::new(enforcement.clone());
        let sweepers = [
            runtime.spawn(sweep(sessions.clone(), self.sweep_interval)),
            runtime.spawn(go_on_erasing(rights.clone(), self.sweep_interval)),
            runtime.spawn(watch_trail(audit.clone(), self.sweep_interval, self.verify_audit)),
            runtime.spawn(analytics.clone().roll_up_by_itself()),
        ];
        runtime.spawn(worker.run());
        let retainer = runtime.spawn(retention.clone().run_by_itself());
        let inner = Inner {
            sessions,
            activities,
            analytics,
            recorder,
            consents,
            preferences,
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

/// How long what is kept. A login that is remembered may ask for a longer session than the usual one.
fn periods(rules: &RetentionRules, session: Duration, keep_out: Duration) -> Vec<RetentionPeriod> {
    let of_activities = rules.periods().into_iter();
    let others = [("sessions", Some(session)), ("preferences", None), ("consent", None), ("erasures", Some(keep_out))];
    let others = others.map(|(class, keep)| (class.to_owned(), keep));
    of_activities.chain(others).map(|(class, keep)| RetentionPeriod::new(class, keep)).collect()
}
