//! [`Guestbook`]: built once; hands out layers, owns the background tasks.

use std::{sync::Arc, time::Duration};

use http::HeaderName;
use tokio::task::JoinHandle;

use crate::{
    activities::Activities,
    activity::ActivityFilter,
    error::{Error, ErrorKind, Result},
    http::{
        ActivityLayer, ActivityRules, ClientAddress, ClientSettings, GuestbookLayer, OnStoreError, SessionCookie,
        SessionLayer, Transport,
    },
    recorder::{Recorder, RecorderSettings, ShutdownReport, Subscription},
    session::{Lifetime, SessionCap, SessionLimits},
    sessions::{Sessions, Settings},
    store::Store,
    time::Clock,
};

/// The guestbook of a service: a store, the rules, and the layers that apply them. A clone is another handle.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_guestbook::{Guestbook, Session, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route("/", get(async |session: Session| format!("{:?}", session.id())))
///     .layer(guestbook.session_layer());
/// // … serve `app`, then:
/// guestbook.shutdown().await;
/// # let _ = app; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Guestbook {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sessions: Sessions,
    activities: Activities,
    recorder: Recorder,
    session_layer: SessionLayer,
    activity_layer: ActivityLayer,
    sweeper: JoinHandle<()>,
}

/// What a [`Guestbook`] is told before it is built. Everything has a default that is safe.
#[derive(Debug)]
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
    on_store_error: OnStoreError,
    sweep_interval: Duration,
    clock: Clock,
}

impl Guestbook {
    /// Begins a guestbook on `store`.
    pub fn builder<S: Store>(store: S) -> GuestbookBuilder<S> {
        GuestbookBuilder {
            store,
            settings: Settings {
                lifetime: Lifetime::default(),
                limits: SessionLimits::default(),
                cap: SessionCap::default(),
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
            on_store_error: OnStoreError::Refuse,
            sweep_interval: Duration::from_secs(60),
            clock: Clock::system(),
        }
    }

    /// All layers as one: each request gets its [`Session`](crate::Session) and leaves its trace.
    pub fn layer(&self) -> GuestbookLayer {
        GuestbookLayer::new(self.session_layer(), self.activity_layer())
    }

    /// The layer that records requests. Inside the session layer it knows who is there; alone it records strangers.
    pub fn activity_layer(&self) -> ActivityLayer {
        self.inner.activity_layer.clone()
    }

    /// The layer that gives each request its [`Session`](crate::Session).
    pub fn session_layer(&self) -> SessionLayer {
        self.inner.session_layer.clone()
    }

    /// The sessions, for administration.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// What was recorded: history, counts, deletion.
    pub fn activities(&self) -> &Activities {
        &self.inner.activities
    }

    /// The recorder: for events that happen outside a request, and for its figures.
    pub fn recorder(&self) -> &Recorder {
        &self.inner.recorder
    }

    /// Waits until every event that was queued before is stored.
    ///
    /// # Errors
    ///
    /// As for [`Recorder::flush`].
    pub async fn flush(&self) -> Result<()> {
        self.inner.recorder.flush().await
    }

    /// Events as this process stores them, those that `filter` means, from now on.
    ///
    /// # Errors
    ///
    /// As for [`Recorder::subscribe`].
    pub fn subscribe(&self, filter: ActivityFilter) -> Result<Subscription> {
        self.inner.recorder.subscribe(filter)
    }

    /// Stops the background tasks, after what requests left behind is saved. Call it when the server has stopped
    /// taking requests. Sessions are bounded by the store timeout; events have ten seconds, and the report says what could
    /// not be stored. For another deadline call [`Recorder::shutdown`] before.
    pub async fn shutdown(&self) -> ShutdownReport {
        self.inner.sweeper.abort();
        self.inner.sessions.tasks().all_done().await;
        self.inner.recorder.shutdown(SHUTDOWN_DEADLINE).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

/// How long a shutdown stores events at most.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

impl<S: Store> GuestbookBuilder<S> {
    /// How long sessions live unless a login says otherwise. Default: 30 minutes idle, 12 hours in all.
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

    /// The cookie. Default: `__Host-session; Secure; HttpOnly; SameSite=Lax; Path=/`.
    pub fn cookie(mut self, cookie: SessionCookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// Also takes the token from `Authorization: Bearer` (RFC 6750), before the cookie. Such a client gets its token
    /// from [`Session::issued_token`](crate::Session::issued_token) and keeps it itself.
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

    /// How long a session is served without asking the store again, and so how late another process's revocation is
    /// noticed at most. Default: 1 second; zero asks for each request. What this process ends is over at once.
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

    /// Where the time comes from. Default: the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

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
        let Lifetime { idle, absolute, .. } = self.settings.lifetime;
        if idle < Duration::from_millis(1) || absolute < idle {
            return Err(wrong("session_lifetime() needs an idle time of at least 1 ms and at most the absolute one"));
        }
        if self.settings.cap.max == 0 {
            return Err(wrong("sessions_per_user() needs room for at least one session"));
        }
        if let ClientAddress::Forwarded { proxies: 0 } | ClientAddress::XForwardedFor { proxies: 0 } = self.address {
            return Err(wrong("client_address() needs at least one proxy, or ClientAddress::Peer"));
        }
        if self.settings.store_timeout.is_zero() || self.sweep_interval.is_zero() {
            return Err(wrong("store_timeout() and sweep_interval() must be longer than zero"));
        }
        let rules = self.rules.check(header.as_ref())?;
        let transport = Transport::new(self.cookie.build()?, self.bearer, header);
        let store = Arc::new(self.store);
        let activities = Activities::new(store.clone(), self.settings.store_timeout);
        let (recorder, worker) = Recorder::pair_dynamic(store.clone(), self.recorder, self.clock.clone())?;
        let sessions = Sessions::new(store, self.clock, self.settings);
        let client = ClientSettings { address: self.address };
        let session_layer =
            SessionLayer::new(sessions.clone(), recorder.clone(), transport, client, self.on_store_error);
        let activity_layer = ActivityLayer::new(recorder.clone(), rules, client);
        let sweeper = runtime.spawn(sweep(sessions.clone(), self.sweep_interval));
        runtime.spawn(worker.run());
        Ok(Guestbook {
            inner: Arc::new(Inner { sessions, activities, recorder, session_layer, activity_layer, sweeper }),
        })
    }
}

/// Removes expired sessions for as long as the guestbook lives; an error is reported and tried again next time.
async fn sweep(sessions: Sessions, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sessions.purge_expired().await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "expired sessions are removed"),
            Err(error) => tracing::warn!(%error, "expired sessions could not be removed"),
        }
    }
}

fn wrong(problem: &str) -> Error {
    Error::new(ErrorKind::Configuration, problem)
}
