//! [`GuestbookBuilder`]: the settings of a guestbook.

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
        sessions::{Hooks, Settings},
        users::{DynUserLoader, UserLoader},
    },
    error::Result,
    http::{
        ClientAddress, IsPassive, OnStoreError, RequestHead, SessionCookie, activity::ActivityRules,
        consent::ConsentRules, privacy::PrivacyRules,
    },
    model::{
        privacy::{AuditKey, ErasedActivities},
        session::{AnonymousLimits, Lifetime, LoginEvent, LogoutEvent, Realm, SessionCap, SessionLimits},
    },
    store::Store,
    time::Clock,
};

/// The settings of a [`Guestbook`]. Every setting has a safe default.
///
/// [`build`](Self::build) checks all settings at once; its error names the one that is wrong.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{ErrorKind, Guestbook, http::ClientAddress, session::Lifetime, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let hour = Duration::from_secs(3600);
/// let guestbook = Guestbook::builder(MemoryStore::new())
///     .session_lifetime(Lifetime::new(hour, 24 * hour))
///     .client_address(ClientAddress::XForwardedFor { proxies: 1 })
///     .build()?;
/// assert!(guestbook.health().await.is_ok());
///
/// let wrong = Guestbook::builder(MemoryStore::new()).session_lifetime(Lifetime::new(24 * hour, hour));
/// let error = wrong.build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Configuration);
/// assert!(error.to_string().contains("session_lifetime()"));
/// # Ok(()) }
/// ```
#[must_use]
pub struct GuestbookBuilder<S> {
    store: S,
    settings: Settings,
    cookie: SessionCookie,
    tower_sessions_ids: bool,
    passive: Option<Box<IsPassive>>,
    bearer: bool,
    header: Option<String>,
    address: ClientAddress,
    rules: ActivityRules,
    recorder: RecorderSettings,
    consent: Option<ConsentRules>,
    preferences: Option<Box<MakePreferences>>,
    users: Option<Box<dyn DynUserLoader>>,
    user_cache_age: Duration,
    hooks: Hooks,
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

/// The parts from which the preference service is created, beside its rules.
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
            tower_sessions_ids: false,
            passive: None,
            bearer: false,
            header: None,
            address: ClientAddress::Peer,
            rules: ActivityRules::new(),
            recorder: RecorderSettings::new(),
            consent: None,
            preferences: None,
            users: None,
            user_cache_age: Duration::ZERO,
            hooks: Hooks::default(),
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
    /// Guestbooks that share a store and know different accounts, such as customers and
    /// administrators, need a realm each. A session belongs to one realm. Its token is unknown to a
    /// guestbook of another realm, in whatever cookie or header it arrives. Lists, limits,
    /// revocations and [epochs](crate::session::CredentialEpoch) cover the sessions of the own
    /// realm only.
    ///
    /// **Everything else is stored by [`UserId`](crate::UserId) alone**: activities, preferences,
    /// consent, requests, erasures. So ids must be unique in the store. Where customer 1 and
    /// administrator 1 are different people, use ids such as `customer-1` and `admin-1`. Erasing or
    /// exporting a user covers their sessions of every realm.
    ///
    /// Give each guestbook a [cookie](Self::cookie) of its own where both see one request; see
    /// [`http`](crate::http#layers-twice-and-two-guestbooks). Sessions that were stored before
    /// realms existed belong to the default realm.
    pub fn realm(mut self, realm: Realm) -> Self {
        self.settings.realm = realm;
        self
    }

    /// Sets how long sessions live unless a login says otherwise. Default: 30 minutes idle, 12
    /// hours in all.
    pub fn session_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.settings.lifetime = lifetime;
        self
    }

    /// Limits the data of one session. Default: 64 KiB in 256 keys of at most 128 bytes.
    pub fn session_limits(mut self, limits: SessionLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Limits the sessions of a user. Default: 100, then the oldest ends.
    pub fn sessions_per_user(mut self, cap: SessionCap) -> Self {
        self.settings.cap = cap;
        self
    }

    /// Limits the number and the bytes of sessions without a login. Default: 100,000 with 128 MiB,
    /// then the least recently used end; see [`AnonymousLimits`].
    pub fn anonymous_sessions(mut self, limits: AnonymousLimits) -> Self {
        self.settings.anonymous = limits;
        self
    }

    /// Sets the session cookie. Default: `__Host-session; Secure; HttpOnly; SameSite=Lax; Path=/`.
    pub fn cookie(mut self, cookie: SessionCookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// Also takes an id of tower-sessions as a token where it is the value of the session cookie:
    /// for an application that moves from `SessionManagerLayer` to this guestbook's session layer
    /// and has [imported](crate::session::tower_sessions::TowerSessionsStore::import) its records.
    ///
    /// Name the [cookie](Self::cookie) as tower-sessions did (`id` by default). Cookies that it
    /// signed or encrypted are not understood. A login or a rotation gives the client a token of
    /// 256 bits, as usual.
    #[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0-14"))]
    pub fn accept_tower_sessions_ids(mut self) -> Self {
        self.tower_sessions_ids = true;
        self
    }

    /// Also takes the token from `Authorization: Bearer` (RFC 6750), before the cookie. Such a
    /// client gets its token from [`Session::issued_token`](crate::Session::issued_token) and keeps
    /// it itself.
    pub fn accept_bearer(mut self) -> Self {
        self.bearer = true;
        self
    }

    /// Also takes the token from the header `name`, before the cookie.
    pub fn accept_header(mut self, name: impl Into<String>) -> Self {
        self.header = Some(name.into());
        self
    }

    /// Sets the source of the client's address. Default: the connection; no header is trusted.
    pub fn client_address(mut self, address: ClientAddress) -> Self {
        self.address = address;
        self
    }

    /// Sets which requests are recorded, and what is recorded of them. Default:
    /// [`ActivityRules::new`].
    pub fn activity(mut self, rules: ActivityRules) -> Self {
        self.rules = rules;
        self
    }

    /// Sets how events are queued and stored. Default: [`RecorderSettings::new`].
    pub fn recorder(mut self, settings: RecorderSettings) -> Self {
        self.recorder = settings;
        self
    }

    /// Sets the purposes that need consent, and how decisions are enforced. Default: none; nothing
    /// depends on consent.
    pub fn consent(mut self, rules: ConsentRules) -> Self {
        self.consent = Some(rules);
        self
    }

    /// Adds a hook that is called after each login, once its session is stored: to tell the user of
    /// a login from a new device, for example.
    ///
    /// The request waits for it, so start a task for what takes long. A hook that panics is logged
    /// and changes nothing. Knowing whether a device is new costs a read of the user's sessions.
    ///
    /// ```
    /// # use tower_guestbook::{Guestbook, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new())
    ///     .on_login(|login| {
    ///         if login.is_new_device == Some(true) {
    ///             println!("tell {} of a login on {:?}", login.user.as_str(), login.session.device);
    ///         }
    ///     })
    ///     .build()?;
    /// # drop(guestbook); Ok(()) }
    /// ```
    pub fn on_login(mut self, hook: impl Fn(&LoginEvent) + Send + Sync + 'static) -> Self {
        self.hooks.login.push(Box::new(hook));
        self
    }

    /// Adds a hook that is called after each logout that a user makes. Sessions that expire, or
    /// that are revoked from elsewhere, are no logouts.
    pub fn on_logout(mut self, hook: impl Fn(&LogoutEvent) + Send + Sync + 'static) -> Self {
        self.hooks.logout.push(Box::new(hook));
        self
    }

    /// Sets which requests do not count as use of their session, so that a page that polls in the
    /// background does not keep a session alive. Default: all requests count.
    ///
    /// Such a request reads and writes its session as any other. The marker
    /// [`Passive`](crate::http::Passive) does the same for what is behind a layer, and
    /// [`Session::touch`](crate::Session::touch) counts a use that is no request.
    ///
    /// ```
    /// # use tower_guestbook::{Guestbook, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new())
    ///     .passive_requests(|request| request.headers.contains_key("x-background"))
    ///     .build()?;
    /// # drop(guestbook); Ok(()) }
    /// ```
    pub fn passive_requests(mut self, is_passive: impl Fn(RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.passive = Some(Box::new(is_passive));
        self
    }

    /// Sets how the application's own users are loaded, for [`CurrentUser`](crate::CurrentUser) and
    /// the gates [`require`](Guestbook::require), [`require_role`](Guestbook::require_role) and
    /// [`require_login`](Guestbook::require_login). Default: none; a session knows a user's id only.
    pub fn users<L: UserLoader>(mut self, loader: L) -> Self {
        self.users = Some(Box::new(loader));
        self
    }

    /// Sets how long a loaded user is used again by later requests. Default: not at all, so each
    /// request that needs its user loads it.
    ///
    /// A user who is disabled, or whose roles or credentials are changed elsewhere, goes on as
    /// before for this long, in each process. The cache keeps at most 10,000 users.
    pub fn user_cache_age(mut self, max_age: Duration) -> Self {
        self.user_cache_age = max_age;
        self
    }

    /// Sets the preferences of users. Default: none.
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

    /// Adds personal data that the application itself keeps: part of every export and every
    /// erasure.
    pub fn personal_data(mut self, source: impl PersonalData) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// Sets how long the id of an erased user stays refused: longer than the age of the oldest
    /// backup that may be restored. Default: 400 days.
    pub fn tombstone_retention(mut self, duration: Duration) -> Self {
        self.tombstone_retention = duration;
        self
    }

    /// Sets what an erasure makes of the user's activities: they are deleted, or anonymised rows
    /// that still count as views. [`ErasedActivities`] says what those rows still tell. Default:
    /// deleted.
    pub fn erased_activities(mut self, activities: ErasedActivities) -> Self {
        self.erased_activities = activities;
        self
    }

    /// Sets the key of the [audit trail](crate::privacy::AuditTrail): 32 random bytes, kept where
    /// the database is not.
    ///
    /// Default: a key made from the store's secret. It finds accidents, but no changes by somebody
    /// who has the whole database. The key must stay the same.
    pub fn audit_key(mut self, key: [u8; 32]) -> Self {
        self.audit_key = Some(AuditKey::new(key));
        self
    }

    /// Sets how often the guestbook verifies its [audit trail](crate::privacy::AuditTrail);
    /// `Duration::MAX` is never. Default: once a day.
    pub fn verify_audit(mut self, interval: Duration) -> Self {
        self.verify_audit = interval;
        self
    }

    /// Sets the controller (GDPR, Article 4(7)): named in exports, in the [record of
    /// processing](Guestbook::processing_records), and in receipts of consent if
    /// [`ConsentRules::controller`] names nobody else. Default: none.
    pub fn controller(mut self, controller: Controller) -> Self {
        self.controller = Some(controller);
        self
    }

    /// Sets the keys of session data whose values are secrets of the service, such as tokens for
    /// another one. An export names the keys and not the values. Default: none.
    pub fn secret_session_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.secret_session_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long a user may cancel an erasure that they [confirmed](Rights::confirm_erasure);
    /// at most 27 days, because an erasure is due within a month. Default: 7 days.
    pub fn erasure_grace(mut self, duration: Duration) -> Self {
        self.grace = duration;
        self
    }

    /// Sets how long answered privacy requests are kept as proof. Default: 3 years of 365 days.
    pub fn keep_requests(mut self, duration: Duration) -> Self {
        self.keep_requests = duration;
        self
    }

    /// Remembers erasures outside the store, so that a restored backup brings no erased user back;
    /// see [`ErasureJournal`]. Default: none.
    ///
    /// The guestbook replays the journal at its start and asks nothing of the store before: await
    /// [`Guestbook::ready`] before you serve.
    pub fn erasure_journal(mut self, journal: impl ErasureJournal) -> Self {
        self.journal = Some(Box::new(journal));
        self
    }

    /// Begins a new [journal](Self::erasure_journal) although the store had one that is missing
    /// now.
    ///
    /// Use it for one start, when the old journal is lost for good. Users who were erased after the
    /// time of a restored backup come back then. Default: nobody is served.
    pub fn accept_new_journal(mut self) -> Self {
        self.missing_journal = OnMissingJournal::Begin;
        self
    }

    /// Sets how users exercise their rights over HTTP, and how often. Default:
    /// [`PrivacyRules::new`].
    pub fn privacy(mut self, rules: PrivacyRules) -> Self {
        self.privacy = rules;
        self
    }

    /// Sets the response to a request whose session cannot be loaded. Default: 503.
    pub fn on_store_error(mut self, policy: OnStoreError) -> Self {
        self.on_store_error = policy;
        self
    }

    /// Limits the time of one answer of the store. Default: 5 seconds.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.settings.store_timeout = timeout;
        self
    }

    /// Sets how long a session is served from the cache, and so how late a revocation by another
    /// process is noticed. Default: 1 second; zero asks the store for each request. A session that
    /// this process ends is over at once.
    pub fn cache_age(mut self, age: Duration) -> Self {
        self.settings.cache_age = age;
        self
    }

    /// Limits the number of cached sessions, and their bytes. Default: 10,000 and 64 MiB.
    pub fn cache_size(mut self, sessions: usize, bytes: usize) -> Self {
        self.settings.cache_entries = sessions;
        self.settings.cache_bytes = bytes;
        self
    }

    /// Sets how often expired sessions are deleted from the store. Default: every minute.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.sweep_interval = interval;
        self
    }

    /// Sets how long events are kept. Default: [`RetentionRules::new`], 90 days, logins and logouts
    /// 365; [`RetentionRules::off`] keeps everything.
    pub fn retention(mut self, rules: RetentionRules) -> Self {
        self.retention = rules;
        self
    }

    /// Sets which events count in analytics, and what a query may cost. Default:
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
