//! [`GuestbookBuilder`]: what a guestbook is told before it is built.

mod build;
mod check;

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

#[cfg(doc)]
use super::Guestbook;
#[cfg(doc)]
use crate::engine::rights::Rights;
use crate::{
    engine::{
        analytics::AnalyticsRules,
        consents::{Consents, Controller},
        erasure_journal::{DynJournal, ErasureJournal, OnMissingJournal},
        preferences::{DynPreferences, PreferenceRules, UserPreferences},
        profiles::Profiles,
        recorder::RecorderSettings,
        retention::RetentionRules,
        rights::PersonalData,
        runtime::Runtime,
        sessions::Settings,
    },
    error::Result,
    http::{
        ClientAddress, OnStoreError, SessionCookie, activity::ActivityRules, consent::ConsentRules,
        privacy::PrivacyRules,
    },
    model::{
        privacy::{AuditKey, ErasedActivities},
        session::{AnonymousLimits, Lifetime, Realm, SessionCap, SessionLimits},
    },
    store::Store,
    time::Clock,
};

/// What a [`Guestbook`] is told before it is built. Everything has a default that is safe.
#[must_use]
pub struct GuestbookBuilder<S> {
    store: S,
    settings: Settings,
    cookie: SessionCookie,
    bearer: bool,
    header: Option<String>,
    address: ClientAddress,
    rules: ActivityRules,
    recorder: RecorderSettings,
    consent: Option<ConsentRules>,
    preferences: Option<Box<MakePreferences>>,
    sources: Vec<Box<dyn PersonalData>>,
    tombstone_retention: Duration,
    erased_activities: ErasedActivities,
    audit_key: Option<AuditKey>,
    verify_audit: Duration,
    controller: Option<Controller>,
    secret_session_keys: Vec<String>,
    grace: Duration,
    keep_requests: Duration,
    journal: Option<Box<dyn DynJournal>>,
    missing_journal: OnMissingJournal,
    privacy: PrivacyRules,
    on_store_error: OnStoreError,
    sweep_interval: Duration,
    retention: RetentionRules,
    analytics: AnalyticsRules,
    clock: Clock,
}

/// Makes the preferences, whose type only the caller of [`GuestbookBuilder::preferences`] knows.
type MakePreferences = dyn FnOnce(Parts) -> Result<Arc<dyn DynPreferences>> + Send + Sync;

/// What preferences are made of, beside their rules.
struct Parts {
    runtime: Runtime,
    profiles: Profiles,
    consents: Option<Consents>,
}

impl<S> GuestbookBuilder<S> {
    pub(super) fn new(store: S) -> Self {
        Self {
            store,
            settings: Settings {
                realm: Realm::default(),
                lifetime: Lifetime::default(),
                limits: SessionLimits::default(),
                cap: SessionCap::default(),
                anonymous: AnonymousLimits::default(),
                store_timeout: Duration::from_secs(5),
                cache_age: Duration::from_secs(1),
                cache_entries: 10_000,
                cache_bytes: 64 * 1024 * 1024,
            },
            cookie: SessionCookie::new(),
            bearer: false,
            header: None,
            address: ClientAddress::Peer,
            rules: ActivityRules::new(),
            recorder: RecorderSettings::new(),
            consent: None,
            preferences: None,
            sources: Vec::new(),
            tombstone_retention: 400 * DAY,
            erased_activities: ErasedActivities::Deleted,
            audit_key: None,
            verify_audit: DAY,
            controller: None,
            secret_session_keys: Vec::new(),
            grace: 7 * DAY,
            keep_requests: 3 * 365 * DAY,
            journal: None,
            missing_journal: OnMissingJournal::Refuse,
            privacy: PrivacyRules::new(),
            on_store_error: OnStoreError::Refuse,
            sweep_interval: Duration::from_secs(60),
            retention: RetentionRules::new(),
            analytics: AnalyticsRules::new(),
            clock: Clock::system(),
        }
    }
}

impl<S: Store> GuestbookBuilder<S> {
    /// Sets the realm: the kind of accounts that this guestbook serves. Default:
    /// [`Realm::default`].
    ///
    /// Guestbooks that share a store need a realm each if they know different accounts, such as the
    /// customers of a shop and its administrators: a session belongs to one realm, and its token is
    /// unknown to a guestbook of another one, in whatever cookie or header it arrives. Lists,
    /// limits, revocations and [epochs](crate::session::CredentialEpoch) see the sessions of the
    /// own realm only.
    ///
    /// **Everything else is stored by [`UserId`](crate::UserId) alone**: activities, preferences,
    /// consents, requests, erasures. So ids must be unique in the store: where customer 1 and
    /// administrator 1 are different people, use ids such as `customer-1` and `admin-1`. Erasing or
    /// exporting a user covers their sessions of every realm.
    ///
    /// Give each guestbook a cookie of its own with [`cookie`](Self::cookie) where both may see one
    /// request: a browser keeps one cookie of a name. Module
    /// [`http`](crate::http#layers-twice-and-two-guestbooks) says what happens otherwise.
    ///
    /// Sessions that were stored before realms existed belong to the default realm.
    pub fn realm(mut self, realm: Realm) -> Self {
        self.settings.realm = realm;
        self
    }

    /// How long sessions live unless a login says otherwise. Default: 30 minutes idle, 12 hours in
    /// all.
    pub fn session_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.settings.lifetime = lifetime;
        self
    }

    /// How much one session may hold. Default: 64 KiB in 256 keys of at most 128 bytes.
    pub fn session_limits(mut self, limits: SessionLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How many sessions a user may have. Default: 100, then the oldest ends.
    pub fn sessions_per_user(mut self, cap: SessionCap) -> Self {
        self.settings.cap = cap;
        self
    }

    /// How many sessions of people who are not logged in are kept, and how much is in them.
    /// Default: 100,000 with 128 MiB, then the least recently used end; see [`AnonymousLimits`].
    pub fn anonymous_sessions(mut self, limits: AnonymousLimits) -> Self {
        self.settings.anonymous = limits;
        self
    }

    /// The cookie. Default: `__Host-session; Secure; HttpOnly; SameSite=Lax; Path=/`.
    pub fn cookie(mut self, cookie: SessionCookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// Also takes the token from `Authorization: Bearer` (RFC 6750), before the cookie. Such a
    /// client gets its token from [`Session::issued_token`](crate::Session::issued_token) and keeps
    /// it itself.
    pub fn accept_bearer(mut self) -> Self {
        self.bearer = true;
        self
    }

    /// Also takes the token from a header of this name, before the cookie.
    pub fn accept_header(mut self, name: impl Into<String>) -> Self {
        self.header = Some(name.into());
        self
    }

    /// Where the client's address comes from. Default: the connection; no header is trusted.
    pub fn client_address(mut self, address: ClientAddress) -> Self {
        self.address = address;
        self
    }

    /// Which requests leave a trace, and what is in it.
    pub fn activity(mut self, rules: ActivityRules) -> Self {
        self.rules = rules;
        self
    }

    /// How events are queued and stored. Default: [`RecorderSettings::new`].
    pub fn recorder(mut self, settings: RecorderSettings) -> Self {
        self.recorder = settings;
        self
    }

    /// The purposes for which consent is asked, and how decisions are enforced. Default: none;
    /// nothing depends on consent.
    pub fn consent(mut self, rules: ConsentRules) -> Self {
        self.consent = Some(rules);
        self
    }

    /// What preferences there are. Default: none.
    pub fn preferences<T>(mut self, rules: PreferenceRules<T>) -> Self
    where
        T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static,
    {
        self.preferences = Some(Box::new(move |parts| {
            let Parts { runtime, profiles, consents } = parts;
            let rules = rules.check(consents.as_ref())?;
            Ok(Arc::new(UserPreferences::new(runtime, profiles, consents, rules)))
        }));
        self
    }

    /// Adds data of users that the application itself keeps: part of every export and every
    /// erasure.
    pub fn personal_data(mut self, source: impl PersonalData) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// How long a user who was erased is kept out: longer than the oldest backup that may be
    /// restored. Default: 400 days.
    pub fn tombstone_retention(mut self, duration: Duration) -> Self {
        self.tombstone_retention = duration;
        self
    }

    /// What an erasure makes of the user's activities: nothing is left of them, or rows of nobody
    /// that still count as views. Read at [`ErasedActivities`] what those tell before you choose
    /// them. Default: they are deleted.
    pub fn erased_activities(mut self, activities: ErasedActivities) -> Self {
        self.erased_activities = activities;
        self
    }

    /// The key of the [audit trail](crate::privacy): 32 random bytes, kept where the database is
    /// not. Default: one that is made from the store's secret, which finds accidents, but not
    /// changes by somebody who has the whole database. It must stay the same.
    pub fn audit_key(mut self, key: [u8; 32]) -> Self {
        self.audit_key = Some(AuditKey::new(key));
        self
    }

    /// How often the guestbook verifies its [audit trail](crate::privacy#by-itself) by itself;
    /// `Duration::MAX` is never. Default: once a day.
    pub fn verify_audit(mut self, interval: Duration) -> Self {
        self.verify_audit = interval;
        self
    }

    /// Who is responsible: named in exports, in the [record of
    /// processing](Guestbook::processing_records), and in receipts of consent if
    /// [`ConsentRules::controller`] names nobody else. Default: nobody.
    pub fn controller(mut self, controller: Controller) -> Self {
        self.controller = Some(controller);
        self
    }

    /// Keys of session data whose values are secrets of the service, such as tokens for another
    /// one: an export names the keys and not the values. Default: none.
    pub fn secret_session_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.secret_session_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// How long a user who has [confirmed](Rights::confirm_erasure) to be erased may think better
    /// of it; at most 27 days, as the whole must not take longer than a month. Default: 7 days.
    pub fn erasure_grace(mut self, duration: Duration) -> Self {
        self.grace = duration;
        self
    }

    /// How long requests of users are kept after they were answered, as proof of that. Default: 3
    /// years of 365 days.
    pub fn keep_requests(mut self, duration: Duration) -> Self {
        self.keep_requests = duration;
        self
    }

    /// Remembers erasures outside the store, so that a restored backup brings nobody back; see
    /// [`journal`](crate::privacy). Default: none.
    ///
    /// The guestbook replays it at its start, and asks nothing of the store before: await
    /// [`Guestbook::ready`] before you serve.
    pub fn erasure_journal(mut self, journal: impl ErasureJournal) -> Self {
        self.journal = Some(Box::new(journal));
        self
    }

    /// Begins a new [journal](Self::erasure_journal) where the store has had one that is not there
    /// any more. For one start, when the old one is lost for good: erased users would come
    /// back with a backup of before their erasure. Default: nobody is served then.
    pub fn accept_new_journal(mut self) -> Self {
        self.missing_journal = OnMissingJournal::Begin;
        self
    }

    /// How often users may exercise their rights over HTTP, and how. Default:
    /// [`PrivacyRules::new`].
    pub fn privacy(mut self, rules: PrivacyRules) -> Self {
        self.privacy = rules;
        self
    }

    /// What a request gets whose session cannot be loaded. Default: 503.
    pub fn on_store_error(mut self, policy: OnStoreError) -> Self {
        self.on_store_error = policy;
        self
    }

    /// How long the store may take for one answer. Default: 5 seconds.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.settings.store_timeout = timeout;
        self
    }

    /// How long a session is served without asking the store again, and so how late another
    /// process's revocation is noticed at most. Default: 1 second; zero asks for each request. What
    /// this process ends is over at once.
    pub fn cache_age(mut self, age: Duration) -> Self {
        self.settings.cache_age = age;
        self
    }

    /// How many sessions, and how many bytes of them, are cached. Default: 10,000 and 64 MiB.
    pub fn cache_size(mut self, sessions: usize, bytes: usize) -> Self {
        self.settings.cache_entries = sessions;
        self.settings.cache_bytes = bytes;
        self
    }

    /// How often expired sessions are removed from the store. Default: every minute.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.sweep_interval = interval;
        self
    }

    /// How long events are kept. Default: [`RetentionRules::new`], 90 days, logins and logouts 365;
    /// [`RetentionRules::off`] keeps everything.
    pub fn retention(mut self, rules: RetentionRules) -> Self {
        self.retention = rules;
        self
    }

    /// Which events count in analytics, and how much one question may cost. Default:
    /// [`AnalyticsRules::new`].
    pub fn analytics(mut self, rules: AnalyticsRules) -> Self {
        self.analytics = rules;
        self
    }

    /// Where the time comes from. Default: the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl<S: fmt::Debug> fmt::Debug for GuestbookBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestbookBuilder")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .field("consent", &self.consent)
            .finish_non_exhaustive()
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
