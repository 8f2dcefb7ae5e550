//! [`RequestContext`]: the session, consent and preferences of one request.

mod client_tracker;
mod consent;
mod flash;
mod identity;
mod layers;
mod preferences;
mod recording_decision;
mod saving;
mod session;
mod tracker;
mod user;

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use serde::Serialize;

pub(crate) use self::user::LoginStatus;
pub use self::{
    client_tracker::ClientTracker,
    consent::{Consent, GlobalPrivacyControl},
    flash::Flash,
    preferences::Preferences,
    session::Session,
    tracker::Tracker,
    user::CurrentUser,
};
pub(crate) use self::{
    identity::{
        Client, CookieChange, Identity, ObservedRequest, ObservedVisitors, Outcome, RequestServices, TokenStatus,
        Visitor, VisitorCookie,
    },
    layers::Layers,
    recording_decision::{RecordingDecision, recording_decision},
};
use crate::{
    engine::{profiles::ProfileState, recorder::Tracked, sessions::Sessions, users::LoadedUser},
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, SessionToken, UserId},
    model::{
        activity::EventType,
        consent::Subject,
        session::{Changes, Device, Lifetime, SessionHead, SessionRecord, TruncatedAddress},
    },
};

/// The context of one request: session, consent, preferences, client, and tracker.
///
/// The layer puts one into the request's extensions. A clone is another handle to the same context.
///
/// [`Session`] is the part of it that handlers work with:
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use http::{Request, header};
/// use tower::ServiceExt;
/// use tower_guestbook::{Guestbook, Session, store::MemoryStore};
///
/// async fn login(session: Session) -> tower_guestbook::Result<()> {
///     session.insert("theme", "dark")?;
///     session.login(42).await
/// }
///
/// async fn page(session: Session) -> tower_guestbook::Result<String> {
///     let user = session.user_id();
///     let theme: Option<String> = session.get("theme")?;
///     Ok(format!("{} likes it {}", user.as_ref().map_or("nobody", |user| user.as_str()), theme.unwrap_or_default()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route("/login", get(login))
///     .route("/", get(page))
///     .layer(guestbook.session_layer());
///
/// let request = Request::get("/login").body(Body::empty()).unwrap();
/// let response = app.clone().oneshot(request).await.unwrap();
/// let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
///
/// let request = Request::get("/").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
/// let body = app.oneshot(request).await.unwrap().into_body();
/// assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "42 likes it dark");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RequestContext {
    inner: Arc<Inner>,
}

struct Inner {
    services: Arc<dyn RequestServices>,
    client: Client,
    flags: AtomicU8,
    layers: Layers,
    state: Mutex<State>,
    /// What the activity layer observed of the request, if that layer is present.
    observed: OnceLock<ObservedRequest>,
}

struct State {
    current: Option<Current>,
    changes: Changes,
    /// The token that this request issued.
    issued: Option<SessionToken>,
    /// The client's token, if its persistent cookie is due for a new Max-Age.
    renewal: Option<SessionToken>,
    /// The key of the client's token, if it belongs to no session.
    stale: Option<Box<SessionKey>>,
    /// Whether the client's cookie is to be removed, unless a session begins.
    removal_due: bool,
    token_status: TokenStatus,
    logged_out: bool,
    profile: ProfileState,
    /// The profile of a user who logged out during the request; their earlier actions are judged by
    /// it.
    former: Option<ProfileState>,
    /// The profile at the arrival of the request, if it has changed since.
    at_arrival: Option<ProfileState>,
    visitor: Option<Visitor>,
    visitor_cookie: VisitorCookie,
    /// The application's own user, once it is loaded, and its id.
    user: Option<Box<(UserId, LoadedUser)>>,
}

#[derive(Clone)]
struct Current {
    key: SessionKey,
    record: Arc<SessionRecord>,
}

/// The session was read: the response depends on it.
const READ: u8 = 1;
/// There are changes to save or to send to the client.
const CHANGED: u8 = 2;
/// The head of the response is sent: no cookie can be set any more.
const HEAD_SENT: u8 = 4;
/// A decision or a signal of the browser was read.
const CONSENT_READ: u8 = 8;
/// The response depends on `Accept-Language`.
const LANGUAGE: u8 = 16;
/// The response depends on the colour scheme of the browser.
const SCHEME: u8 = 32;
/// The response depends on whether the browser asks for less motion.
const REDUCED_MOTION: u8 = 64;
/// The response depends on whether the browser asks for less data.
const SAVE_DATA: u8 = 128;

impl RequestContext {
    #[inline]
    pub(crate) fn new(services: Arc<dyn RequestServices>, client: Client, identity: Identity, layers: Layers) -> Self {
        let cookie_due =
            identity.removal_due || identity.renewal.is_some() || identity.visitor_cookie != VisitorCookie::Keep;
        let state = State {
            current: identity.session.map(|(key, record)| Current { key, record }),
            changes: Changes::default(),
            issued: None,
            renewal: identity.renewal,
            stale: identity.stale,
            removal_due: identity.removal_due,
            token_status: identity.token_status,
            logged_out: false,
            profile: identity.profile,
            former: None,
            at_arrival: None,
            visitor: identity.visitor,
            visitor_cookie: identity.visitor_cookie,
            user: None,
        };
        let flags = AtomicU8::new(if cookie_due { CHANGED } else { 0 });
        Self {
            inner: Arc::new(Inner {
                services,
                client,
                flags,
                layers,
                state: Mutex::new(state),
                observed: OnceLock::new(),
            }),
        }
    }

    /// Returns the session of this request, which may not exist yet.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Returns the consent of the user; `None` if the guestbook was built without
    /// [`consent`](crate::GuestbookBuilder::consent).
    pub fn consent(&self) -> Option<Consent> {
        self.inner.services.consents().map(|_| Consent::new(self.clone()))
    }

    /// Returns the tracker for explicit events.
    pub fn tracker(&self) -> Tracker {
        let observed = self.inner.observed.get();
        let (trace, visitors) = observed.map(|observed| (observed.trace.clone(), observed.visitors)).unzip();
        Tracker::of_context(self.clone(), trace, visitors.unwrap_or_default())
    }

    /// Queues an event, see [`Tracker::track`].
    ///
    /// # Errors
    ///
    /// As for [`Tracker::track`].
    pub fn track<K, T>(&self, event_type: K, data: &T) -> Result<Tracked>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        self.tracker().track(event_type, data)
    }

    /// Stores an event, see [`Tracker::track_durable`].
    ///
    /// # Errors
    ///
    /// As for [`Tracker::track_durable`].
    pub async fn track_durable<K, T>(&self, event_type: K, data: &T) -> Result<Tracked>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        self.tracker().track_durable(event_type, data).await
    }

    /// Attaches what the activity layer observed. From now on logins and logouts are recorded.
    pub(crate) fn attach(&self, observed: ObservedRequest) {
        // A second activity layer has nothing to add.
        let _ = self.inner.observed.set(observed);
    }

    /// Returns the tracker, if the activity layer is present.
    fn activity(&self) -> Option<Tracker> {
        self.inner.observed.get().map(|_| self.tracker())
    }

    /// Returns the current user and session, without making the response depend on them.
    pub(crate) fn who(&self) -> (Option<UserId>, Option<SessionId>) {
        let state = self.state();
        let head = state.current.as_ref().map(|current| &current.record.head);
        (head.and_then(|head| head.user.clone()), head.map(|head| head.id))
    }

    /// Merges the visitor's decisions into those of the account at a login.
    async fn link(&self, user: &UserId) -> Result<()> {
        let visitor = self.state().visitor;
        match (self.inner.services.consents(), visitor) {
            (Some(consents), Some(visitor)) => consents.link(visitor.id, user.clone()).await,
            _ => Ok(()),
        }
    }

    /// Replaces the visitor's profile by the user's after a login.
    async fn load_user_profile(&self, user: UserId) {
        let Some(profiles) = self.sessions().profiles() else { return };
        self.adopt_preferences(&user).await;
        let profile = match profiles.load(&Subject::User(user)).await {
            Ok(profile) => ProfileState::Profile(profile),
            Err(error) => {
                tracing::warn!(%error, "what a user has agreed to could not be loaded: nothing optional is allowed");
                ProfileState::Unavailable
            }
        };
        let mut state = self.state();
        state.clear_user();
        state.profile = profile;
    }

    fn describe(&self, mut head: SessionHead) -> SessionHead {
        let client = &self.inner.client;
        let agent = client.user_agent.as_ref().map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        head.realm = self.sessions().realm();
        head.device = agent.map(|agent| Device::from_user_agent(&agent));
        head.address = client.address.map(TruncatedAddress::from);
        head
    }

    fn sessions(&self) -> &Sessions {
        self.inner.services.sessions()
    }

    fn mark(&self, flag: u8) {
        if self.inner.flags.load(Ordering::Relaxed) & flag != flag {
            self.inner.flags.fetch_or(flag, Ordering::AcqRel);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn default_lifetime(&self) -> Lifetime {
        self.sessions().settings().lifetime
    }
}

impl State {
    /// Keeps the profile of the arrival before it changes.
    fn keep_initial_profile(&mut self) {
        if self.at_arrival.is_none() {
            self.at_arrival = Some(self.profile.clone());
        }
    }

    /// Replaces the user by an anonymous visitor. The user's decisions stay with the user.
    fn clear_user(&mut self) {
        self.keep_initial_profile();
        let profile = mem::take(&mut self.profile);
        if self.former.is_none() || !matches!(profile, ProfileState::Empty) {
            self.former = Some(profile);
        }
        if self.visitor.take().is_some() {
            self.visitor_cookie = VisitorCookie::Remove;
        }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.state().current.as_ref().map(|current| current.record.head.id);
        f.debug_struct("RequestContext").field("session", &id).finish_non_exhaustive()
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Ended, "the session has ended")
}

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "the session store could not be asked")
}
