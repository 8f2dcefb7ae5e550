//! The layers, and what they need to know of HTTP. Nothing here depends on a web framework but
//! `extract` and the router of `privacy` (feature `axum`).
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
//!
//! # Serving
//!
//! The layers bound what is stored. What a client costs before that is bounded by the server, and
//! `axum::serve` has no limits. A server that does not stand behind a proxy with limits of its own
//! needs:
//!
//! - **a time limit for the head of a request**, or idle connections use up the file descriptors;
//! - **a time limit for its body**; the limit of its size is axum's `DefaultBodyLimit` (2 MB) or
//!   `http_body_util::Limited`;
//! - **a time limit for a client that reads nothing** of an answer, or it keeps its connection for
//!   ever;
//! - **a bounded number of connections**. Each **live stream** holds one, so a limit per user keeps
//!   room for others;
//! - **a bounded queue before password hashing**, with 503 beyond it, and failed logins counted by
//!   account and network together and by network. An account alone is delayed and never locked, or
//!   a stranger could lock its owner out.
//!
//! ```
//! use std::{io, sync::Arc, time::Duration};
//! use axum::{
//!     Router, extract::Request, http::StatusCode, middleware::{self, Next}, response::{IntoResponse, Response},
//! };
//! use hyper::{body::Incoming, server::conn::http1};
//! use hyper_util::{rt::{TokioIo, TokioTimer}, service::TowerToHyperService};
//! use tokio::{net::TcpListener, sync::Semaphore};
//! use tokio_io_timeout::TimeoutStream;
//! use tower::ServiceExt;
//! use tower_guestbook::http::PeerAddress;
//!
//! /// Limits how long a request may take until its answer begins, which is after its body. Streams may go on.
//! async fn in_time(request: Request, next: Next) -> Response {
//!     match tokio::time::timeout(Duration::from_secs(30), next.run(request)).await {
//!         Ok(response) => response,
//!         Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
//!     }
//! }
//!
//! /// At most `connections` at a time; `head` limits how long the head of a request may take.
//! async fn serve(listener: TcpListener, app: Router, connections: usize, head: Duration) {
//!     let app = app.layer(middleware::from_fn(in_time));
//!     let places = Arc::new(Semaphore::new(connections));
//!     let mut http = http1::Builder::new();
//!     http.timer(TokioTimer::new()).header_read_timeout(head);
//!     loop {
//!         // A further connection waits in the queue of the system.
//!         let place = places.clone().acquire_owned().await.expect("nobody closes it");
//!         let Ok((stream, peer)) = listener.accept().await else {
//!             // A client that has left already, or no file descriptors: they come back when connections end.
//!             tokio::time::sleep(Duration::from_millis(100)).await;
//!             continue;
//!         };
//!         let app = app.clone().map_request(move |mut request: Request<Incoming>| {
//!             request.extensions_mut().insert(PeerAddress(peer));
//!             request
//!         });
//!         let mut stream = TimeoutStream::new(stream);
//!         stream.set_write_timeout(Some(Duration::from_secs(30)));
//!         let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(app));
//!         tokio::spawn(async move {
//!             // An error here is a client that was too slow, or left.
//!             let _ = connection.await;
//!             drop(place);
//!         });
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
//! # use tokio::{io::AsyncReadExt, net::TcpStream};
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! tokio::spawn(serve(listener, Router::new(), 1, Duration::from_millis(50)));
//! // One that sends nothing is closed, and gives its place to the next.
//! for _ in 0..2 {
//!     assert_eq!(TcpStream::connect(address).await?.read(&mut [0]).await?, 0);
//! }
//! # Ok(()) }
//! ```
//!
//! `examples/full_app` does all of this: `server.rs`, `live.rs`, `hashing.rs` and `attempts.rs`.
//!
//! # CORS
//!
//! A browser asks in advance what another origin may send: a preflight, without cookies. The CORS
//! layer goes outside of everything here and answers it. [`RequireConsent`] and
//! [`RequireLogin`] refuse a preflight that comes as far as them, and never call what is
//! behind them.
//!
//! Browsers send the session's cookie along only if the other origin is of the same site, as
//! `app.shop.example` is for `api.shop.example`: the default is `SameSite=Lax`. Another site needs
//! [`SameSite::None`](SessionCookie::same_site), and then [`CrossOriginGuardLayer::allow_origin`]
//! for the origins that may send forms and requests, since the browser keeps no other site's
//! requests away any more.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, body::Body, routing::post};
//! use http::{HeaderValue, Method, Request, StatusCode, header};
//! use tower::ServiceExt;
//! use tower_guestbook::{Guestbook, store::MemoryStore};
//! use tower_http::cors::CorsLayer;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
//! let cors = CorsLayer::new()
//!     .allow_origin("https://app.example".parse::<HeaderValue>().unwrap())
//!     .allow_methods([Method::POST])
//!     .allow_credentials(true);
//! let app: Router = Router::new()
//!     .route("/password", post(async || "changed"))
//!     .layer(guestbook.require_login().within(Duration::from_secs(300)))
//!     .layer(guestbook.layer())
//!     .layer(cors);
//!
//! let request = |method| Request::builder().method(method).uri("/password").header("origin", "https://app.example");
//! let preflight = request(Method::OPTIONS).header("access-control-request-method", "POST").body(Body::empty()).unwrap();
//! let allowed = app.clone().oneshot(preflight).await.unwrap();
//! assert_eq!(allowed.status(), StatusCode::OK);
//! assert_eq!(allowed.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "POST");
//!
//! let refused = app.oneshot(request(Method::POST).body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(refused.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example", "a script can read the refusal");
//! # Ok(()) }
//! ```
//!
//! # Layers twice, and two guestbooks
//!
//! A layer that finds a layer of the same guestbook outside does nothing, and says so once in the
//! log: the outer one has done it. Layers of two guestbooks may go around one service. Gates,
//! consent layers and privacy services look at the users of the guestbook that made them;
//! extractors such as [`Session`](crate::Session) show the innermost. Two guestbooks need cookies
//! of different names. Where they have the same, there is an error event, and neither removes a
//! cookie that the other may have set. The consent layer of the outer one also keeps the cookies of
//! the inner one out, unless a purpose declares them.

pub(crate) mod activity;
mod body;
mod caching;
mod client;
pub(crate) mod consent;
mod cookie;
mod cross_origin;
#[cfg(feature = "axum")]
pub(crate) mod extract;
mod fetch_metadata;
mod first_time;
mod forwarded;
mod gate;
mod local_path;
mod passive;
mod preflight;
pub(crate) mod privacy;
mod problem;
mod require_login;
mod session;
mod stack;
mod transport;

#[cfg(feature = "axum")]
pub use self::extract::Rejection;
pub use self::{
    activity::{
        ActivityBody, ActivityFuture, ActivityLayer, ActivityService, Answered, RequestHead, RouteTemplate, Skipped,
        Unrecorded, UnrecordedFuture, UnrecordedService,
    },
    body::{NoBody, ResponseBody},
    client::{ClientAddress, PeerAddress},
    consent::{ConsentFuture, ConsentLayer, ConsentService, RequireConsent, RequireConsentService},
    cookie::{SameSite, SessionCookie},
    cross_origin::{CrossOriginGuard, CrossOriginGuardFuture, CrossOriginGuardLayer},
    gate::GateFuture,
    local_path::local_path,
    passive::{Passive, PassiveService},
    privacy::{ErasureService, ExportService, PrivacyBody, PrivacyFuture, PrivacyService},
    require_login::{RequireLogin, RequireLoginService},
    session::{OnStoreError, SessionFuture, SessionLayer, SessionService},
    stack::{GuardedGuestbookLayer, GuestbookLayer},
};
pub(crate) use self::{
    client::ClientSettings,
    consent::{ConsentEnforcement, ConsentRequest},
    session::{IsPassive, SessionRules},
    transport::Transport,
};
