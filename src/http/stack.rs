//! [`GuestbookLayer`]: all layers in the right order.

use tower_layer::{Layer, Stack};

use super::{
    ActivityLayer, ActivityService, ConsentLayer, ConsentService, CrossOriginGuard, CrossOriginGuardLayer,
    SessionLayer, SessionService,
};

/// The session layer, inside it the consent layer, and inside that the activity layer, as one.
///
/// Made by [`Guestbook::layer`](crate::Guestbook::layer).
///
/// ```
/// use axum::{Router, body::Body, routing::post};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_guestbook::{Guestbook, Session, http::CrossOriginGuardLayer, store::MemoryStore};
///
/// async fn login(session: Session) -> tower_guestbook::Result<()> {
///     session.login(42).await // after you checked the password
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let layer = guestbook.layer().with_cross_origin_guard(CrossOriginGuardLayer::new());
/// let app: Router = Router::new().route("/login", post(login)).layer(layer);
///
/// let from = |site| Request::post("/login").header("sec-fetch-site", site).body(Body::empty()).unwrap();
/// assert_eq!(app.clone().oneshot(from("same-origin")).await.unwrap().status(), StatusCode::OK);
/// assert_eq!(app.oneshot(from("cross-site")).await.unwrap().status(), StatusCode::FORBIDDEN);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct GuestbookLayer {
    layers: Stack<ActivityLayer, Stack<ConsentLayer, SessionLayer>>,
}

/// A [`GuestbookLayer`] inside a [`CrossOriginGuardLayer`].
#[derive(Clone, Debug)]
pub struct GuardedGuestbookLayer {
    layers: Stack<GuestbookLayer, CrossOriginGuardLayer>,
}

impl GuestbookLayer {
    pub(crate) fn new(session: SessionLayer, consent: ConsentLayer, activity: ActivityLayer) -> Self {
        Self { layers: Stack::new(activity, Stack::new(consent, session)) }
    }

    /// Puts `guard` outside: requests of other origins that would change something get 403.
    ///
    /// The cookie's `SameSite=Lax` keeps other sites out, but neither sibling hosts nor old
    /// browsers.
    pub fn with_cross_origin_guard(self, guard: CrossOriginGuardLayer) -> GuardedGuestbookLayer {
        GuardedGuestbookLayer { layers: Stack::new(self, guard) }
    }
}

impl<S> Layer<S> for GuestbookLayer {
    type Service = SessionService<ConsentService<ActivityService<S>>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layers.layer(inner)
    }
}

impl<S> Layer<S> for GuardedGuestbookLayer {
    type Service = CrossOriginGuard<SessionService<ConsentService<ActivityService<S>>>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layers.layer(inner)
    }
}
