//! The layers, and what they need to know of HTTP. Nothing here depends on a web framework but `extract` and the router of `privacy` (feature `axum`).
//!
//! The layers go around any Tower service of HTTP, here a plain function:
//!
//! ```
//! use std::convert::Infallible;
//! use http::{Request, Response};
//! use http_body_util::{Empty, Full};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use tower_guestbook::{Guestbook, Session, store::MemoryStore};
//!
//! async fn page(request: Request<Empty<bytes::Bytes>>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
//!     let session = Session::from_extensions(request.extensions()).expect("the layer is below");
//!     Ok(match session.insert("seen", &true) {
//!         Ok(()) => Response::new(Full::default()),
//!         // A problem (RFC 9457) with the status of its kind.
//!         Err(error) => error.into(),
//!     })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
//! let mut service = ServiceBuilder::new().layer(guestbook.session_layer()).service(service_fn(page));
//! let response = service.ready().await.unwrap().call(Request::new(Empty::new())).await.unwrap();
//! assert!(response.headers()["set-cookie"].to_str().unwrap().starts_with("__Host-session="));
//! # Ok(()) }
//! ```

mod activity;
mod body;
mod caching;
mod client;
mod consent;
mod cookie;
mod cross_origin;
#[cfg(feature = "axum")]
mod extract;
mod fetch_metadata;
mod privacy;
mod problem;
mod recent_login;
mod rights;
mod session;
mod stack;
mod transport;

#[cfg(feature = "axum")]
pub use self::extract::{CurrentUser, Rejection};
pub use self::{
    activity::{
        ActivityBody, ActivityFuture, ActivityLayer, ActivityRules, ActivityService, Answered, RequestHead,
        RouteTemplate, Skipped, Unrecorded, UnrecordedFuture, UnrecordedService,
    },
    body::{NoBody, ResponseBody},
    client::{ClientAddress, PeerAddress},
    consent::{
        ConsentFuture, ConsentLayer, ConsentRules, ConsentService, GpcSupport, Jurisdictions, RequireConsent,
        RequireConsentFuture, RequireConsentService, UndeclaredCookies, local_path,
    },
    cookie::{SameSite, SessionCookie},
    cross_origin::{CrossOriginGuard, CrossOriginGuardFuture, CrossOriginGuardLayer},
    privacy::{PrivacyRules, PrivacyService, RateLimit},
    recent_login::{RequireRecentLogin, RequireRecentLoginFuture, RequireRecentLoginService},
    rights::{ErasureService, ExportService, RightsBody, RightsFuture},
    session::{OnStoreError, SessionFuture, SessionLayer, SessionService},
    stack::GuestbookLayer,
};
pub(crate) use self::{
    client::ClientSettings,
    consent::{Door, Manners},
    transport::Transport,
};
