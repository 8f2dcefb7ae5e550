//! [`Guestbook`]: built once; hands out layers, owns the background tasks.

mod background;
mod builder;

use std::{fmt, sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use crate::{
    engine::{
        activities::Activities,
        analytics::Analytics,
        audit::AuditTrail,
        consents::Consents,
        preferences::{DynPreferences, UserPreferences},
        recorder::{Recorder, ShutdownReport, Subscription},
        retention::Retention,
        rights::{ProcessingRecords, Rights},
        sessions::Sessions,
        users::Users,
    },
    error::{Error, ErrorKind, Result},
    http::{
        ActivityLayer, ConsentEnforcement, ConsentLayer, ErasureService, ExportService, GuestbookLayer, PrivacyService,
        RequireConsent, RequireLogin, SessionLayer,
    },
    id::SessionToken,
    model::{activity::ActivityFilter, consent::PurposeId, session::Login},
    store::Store,
};

pub use self::builder::GuestbookBuilder;

/// The guestbook of a service: a store, the rules, and the layers that apply them. A clone is
/// another handle.
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
#[derive(Clone)]
pub struct Guestbook {
    inner: Arc<Inner>,
}

struct Inner {
    sessions: Sessions,
    activities: Activities,
    analytics: Analytics,
    recorder: Recorder,
    consents: Option<Consents>,
    preferences: Option<Arc<dyn DynPreferences>>,
    users: Option<Users>,
    rights: Rights,
    audit: AuditTrail,
    retention: Retention,
    export_service: ExportService,
    privacy_service: PrivacyService,
    session_layer: SessionLayer,
    consent_layer: ConsentLayer,
    activity_layer: ActivityLayer,
    enforcement: Option<Arc<ConsentEnforcement>>,
    sweepers: [JoinHandle<()>; 4],
    retainer: JoinHandle<()>,
}

impl Guestbook {
    /// Returns the builder of a guestbook on `store`.
    pub fn builder<S: Store>(store: S) -> GuestbookBuilder<S> {
        GuestbookBuilder::new(store)
    }

    /// Returns all layers as one: each request gets its [`Session`](crate::Session), cookies obey
    /// consent, and the request is recorded.
    ///
    /// [`with_cross_origin_guard`](GuestbookLayer::with_cross_origin_guard) adds the guard against
    /// requests that other sites make in the name of a user.
    pub fn layer(&self) -> GuestbookLayer {
        GuestbookLayer::new(self.session_layer(), self.consent_layer(), self.activity_layer())
    }

    /// Returns the layer that removes cookies whose purpose is not allowed. It goes inside the
    /// session layer. Without [consent](GuestbookBuilder::consent) everything passes.
    pub fn consent_layer(&self) -> ConsentLayer {
        self.inner.consent_layer.clone()
    }

    /// Returns a gate for routes that need consent to `purpose`: a layer inside the session layer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the purpose is not declared.
    pub fn require_consent(&self, purpose: impl Into<PurposeId>) -> Result<RequireConsent> {
        let purpose = purpose.into();
        match &self.inner.enforcement {
            Some(enforcement) if enforcement.consents.purposes().get(&purpose).is_some() => {
                Ok(RequireConsent::new(purpose, enforcement.clone()))
            }
            _ => Err(wrong(&format!("require_consent(): purpose {:?} is not declared in consent()", purpose.as_str()))),
        }
    }

    /// Logs a user in outside of a request, and returns the token of the new session: for a client
    /// that keeps it itself, such as a program with an `Authorization` header, and for tests.
    ///
    /// No browser gets a cookie from it: in a handler use
    /// [`Session::log_in`](crate::Session::log_in).
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, session::Login, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).accept_bearer().build()?;
    /// let token = guestbook.log_in(Login::new(42)).await?;
    /// let header = format!("Bearer {}", &*token.expose_secret());
    /// # let _ = header;
    /// assert_eq!(guestbook.sessions().list(&42.into()).await?.len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Session::log_in`](crate::Session::log_in).
    pub async fn log_in(&self, login: Login) -> Result<SessionToken> {
        let login = login.into_parts()?;
        let stamp = match (login.stamp, &self.inner.users) {
            (None, Some(users)) => users.current_stamp(&login.user).await?,
            (stamp, _) => stamp,
        };
        self.inner.sessions.begin(login, stamp).await
    }

    #[cfg(feature = "testing")]
    pub(crate) fn cookie_name(&self) -> &str {
        self.inner.session_layer.cookie_name()
    }

    /// Returns a gate that lets a request pass only for a logged-in user: a layer for routes, inside
    /// [`layer`](Self::layer).
    ///
    /// Its methods set a login page for browsers and how recent the login must be.
    pub fn require_login(&self) -> RequireLogin {
        RequireLogin::new(self.inner.session_layer.clone())
    }

    /// Returns a gate that lets a request pass only for a user with a role, as
    /// [`UserLoader::has_role`](crate::session::UserLoader::has_role) says. Others get 403.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] without a [user loader](GuestbookBuilder::users).
    pub fn require_role(&self, role: impl AsRef<str>) -> Result<RequireLogin> {
        self.users()?;
        Ok(self.require_login().role(role.as_ref()))
    }

    /// Returns a gate that lets a request pass only for a user for whom `is_permitted` returns
    /// `true`. Others get 403.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// use axum::{Router, routing::get};
    /// use tower_guestbook::{Guestbook, UserId, session::UserLoader, store::MemoryStore};
    ///
    /// struct Account { is_admin: bool }
    ///
    /// struct Accounts;
    ///
    /// impl UserLoader for Accounts {
    ///     type User = Account;
    ///     type Error = Infallible;
    ///
    ///     async fn load(&self, id: &UserId) -> Result<Option<Account>, Infallible> {
    ///         Ok(Some(Account { is_admin: id.as_str() == "1" }))
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).users(Accounts).build()?;
    /// let admins_only = guestbook.require(|account: &Account| account.is_admin)?;
    /// let app: Router = Router::new()
    ///     .route("/admin", get(async || "all of it"))
    ///     .layer(admins_only)
    ///     .layer(guestbook.layer());
    /// # let _ = app;
    ///
    /// assert!(guestbook.require(|name: &String| name == "ada").is_err(), "the loader returns accounts");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] without a [user loader](GuestbookBuilder::users), or if it
    /// returns users of another type.
    pub fn require<U: Send + Sync + 'static>(
        &self,
        is_permitted: impl Fn(&U) -> bool + Send + Sync + 'static,
    ) -> Result<RequireLogin> {
        self.require_login().permission(self.users()?, is_permitted)
    }

    fn users(&self) -> Result<&Users> {
        self.inner.users.as_ref().ok_or_else(|| wrong("a gate for users needs .users(loader), see UserLoader"))
    }

    /// Returns the layer that records requests. Inside the session layer it knows the user; alone
    /// it records requests without one.
    pub fn activity_layer(&self) -> ActivityLayer {
        self.inner.activity_layer.clone()
    }

    /// Returns the layer that gives each request its [`Session`](crate::Session).
    pub fn session_layer(&self) -> SessionLayer {
        self.inner.session_layer.clone()
    }

    /// Returns the sessions, for administration.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// Returns the decisions of all users, if [consent](GuestbookBuilder::consent) is configured.
    pub fn consents(&self) -> Option<&Consents> {
        self.inner.consents.as_ref()
    }

    /// Returns the preferences of all users, if they are
    /// [configured](GuestbookBuilder::preferences) with this type.
    pub fn preferences<T: 'static>(&self) -> Option<&UserPreferences<T>> {
        self.inner.preferences.as_ref()?.as_any().downcast_ref()
    }

    /// Returns a service that gives the logged-in user a copy of their data: for a route inside the
    /// session layer.
    pub fn export_service(&self) -> ExportService {
        self.inner.export_service.clone()
    }

    /// Returns a service that erases the logged-in user: for a route inside the session layer.
    pub fn erasure_service(&self) -> ErasureService {
        ErasureService::new(self.inner.rights.clone())
    }

    /// Returns a service with all privacy rights of the logged-in user, below one prefix, inside
    /// the session layer. The services of one guestbook share the limits per user.
    pub fn privacy_service(&self) -> PrivacyService {
        self.inner.privacy_service.clone()
    }

    /// The [same](Self::privacy_service) as a router of axum, to be nested: inside the session
    /// layer.
    ///
    /// ```
    /// use axum::{Router, body::Body};
    /// use http::{Request, StatusCode};
    /// use tower::ServiceExt;
    /// use tower_guestbook::{Guestbook, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let app: Router = Router::new().nest("/api/gdpr", guestbook.privacy_router()).layer(guestbook.layer());
    /// let stranger = Request::get("/api/gdpr/requests").body(Body::empty()).unwrap();
    /// assert_eq!(app.oneshot(stranger).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "axum")]
    pub fn privacy_router<S>(&self) -> axum::Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        self.privacy_service().router()
    }

    /// Returns the privacy rights: exports, erasures, restrictions, requests.
    pub fn rights(&self) -> &Rights {
        &self.inner.rights
    }

    /// Returns the audit trail: who did what to whose data.
    pub fn audit(&self) -> &AuditTrail {
        &self.inner.audit
    }

    /// The record of processing activities (GDPR, Article 30), from the purposes, the retention and
    /// the sources that are configured.
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Guestbook,
    ///     consent::{Category, ConsentRules, Controller, Purpose, Purposes},
    ///     store::MemoryStore,
    /// };
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let billing = Purpose::new("billing", Category::Necessary).recipients(["the bank"]);
    /// let guestbook = Guestbook::builder(MemoryStore::new())
    ///     .controller(Controller::new("Shop", "1 High Street", "privacy@shop.example"))
    ///     .consent(ConsentRules::new(Purposes::builder().purpose(billing).build()?))
    ///     .build()?;
    /// let records = serde_json::to_value(guestbook.processing_records()).unwrap();
    /// assert_eq!(records["controller"]["name"], "Shop");
    /// assert_eq!(records["purposes"][0]["recipients"], serde_json::json!(["the bank"]));
    /// # Ok(()) }
    pub fn processing_records(&self) -> ProcessingRecords {
        self.inner.rights.processing_records()
    }

    /// Returns the retention of events: reports, and runs on demand.
    pub fn retention(&self) -> &Retention {
        &self.inner.retention
    }

    /// Returns the recorded activities: history, counts, deletion.
    pub fn activities(&self) -> &Activities {
        &self.inner.activities
    }

    /// Returns the analytics.
    pub fn analytics(&self) -> &Analytics {
        &self.inner.analytics
    }

    /// Returns the recorder: for events outside of a request, and for its figures.
    pub fn recorder(&self) -> &Recorder {
        &self.inner.recorder
    }

    /// Waits until the guestbook may be used. Await it before you serve if there is an [erasure
    /// journal](GuestbookBuilder::erasure_journal).
    ///
    /// Until the journal is replayed nothing is asked of the store, so no erased user is served.
    /// Without a journal the guestbook is ready at once.
    ///
    /// # Errors
    ///
    /// Why the journal could not be replayed. Each [sweep](GuestbookBuilder::sweep_interval) tries
    /// again. Until then, requests with a session get what
    /// [`on_store_error`](GuestbookBuilder::on_store_error) says.
    pub async fn ready(&self) -> Result<()> {
        self.inner.rights.opened().await
    }

    /// Checks whether requests can be served now, for the health check of a load balancer.
    ///
    /// The [erasure journal](GuestbookBuilder::erasure_journal) must be replayed, and the store
    /// must answer within the [store timeout](GuestbookBuilder::store_timeout). It costs two short
    /// reads.
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// assert!(guestbook.health().await.is_ok());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Why the journal is not replayed, or what the store reports, for example that its file is
    /// gone.
    pub async fn health(&self) -> Result<()> {
        self.inner.rights.health().await?;
        self.inner.sessions.health().await
    }

    /// Waits until every event that was queued before is stored: before a query in the same
    /// program, or in a test.
    ///
    /// # Errors
    ///
    /// As for [`Recorder::flush`].
    pub async fn flush(&self) -> Result<()> {
        self.inner.recorder.flush().await
    }

    /// Returns the events that this process stores from now on and that match `filter`.
    ///
    /// # Errors
    ///
    /// As for [`Recorder::subscribe`].
    pub fn subscribe(&self, filter: ActivityFilter) -> Result<Subscription> {
        self.inner.recorder.subscribe(filter)
    }

    /// Stops the background tasks, after everything that requests left behind is saved.
    ///
    /// Call it when the server has stopped taking requests. Sessions are bounded by the store
    /// timeout; events have ten seconds, and the report says what could not be stored. For another
    /// deadline call [`Recorder::shutdown`] before.
    pub async fn shutdown(&self) -> ShutdownReport {
        self.inner.sweepers.iter().for_each(JoinHandle::abort);
        self.inner.retention.stop();
        self.inner.sessions.tasks().all_done().await;
        self.inner.recorder.shutdown(SHUTDOWN_DEADLINE).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sweepers.iter().for_each(JoinHandle::abort);
        self.retention.stop();
        self.retainer.abort();
    }
}

/// How long a shutdown stores events at most.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

impl fmt::Debug for Guestbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guestbook")
            .field("sessions", &self.inner.sessions)
            .field("recorder", &self.inner.recorder)
            .field("consents", &self.inner.consents)
            .finish_non_exhaustive()
    }
}

fn wrong(problem: &str) -> Error {
    Error::new(ErrorKind::Configuration, problem)
}
