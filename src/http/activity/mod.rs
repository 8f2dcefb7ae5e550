//! The activity layer: each request leaves one trace, when its response has ended, however it ends.
//!
//! ```
//! use axum::{Router, body::Body, http::Request, response::Html, routing::get};
//! use tower::ServiceExt;
//! use tower_guestbook::{Guestbook, activity::{ActivityFilter, HistoryQuery}, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
//! let page = get(async || Html("<h1>Prices</h1>"));
//! let app: Router = Router::new().route("/prices/{country}", page).layer(guestbook.layer());
//!
//! let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
//! let request = Request::get("/prices/eo?token=secret").header("user-agent", firefox).body(Body::empty()).unwrap();
//! let response = app.oneshot(request).await.unwrap();
//! axum::body::to_bytes(response.into_body(), 100).await.unwrap();
//!
//! guestbook.flush().await?;
//! let history = guestbook.activities().history(HistoryQuery::new(ActivityFilter::new())).await?;
//! let event = &history.activities[0].event;
//! assert_eq!(event.event_type.as_str(), "page_view");
//! assert_eq!(&*event.request.as_ref().unwrap().route, "/prices/{country}");
//! assert_eq!(event.response.unwrap().status, 200);
//! assert!(!serde_json::to_string(event).unwrap().contains("secret"));
//! # Ok(()) }
//! ```

mod agents;
mod body;
mod crawlers;
mod declared;
mod facts;
mod future;
mod head;
mod layer;
mod names;
mod recording;
mod referrer;
mod request;
mod routes;
mod rules;
mod service;
mod shared;
mod skipped;
mod unrecorded;

pub use self::{
    body::ActivityBody,
    future::ActivityFuture,
    head::{Answered, RequestHead},
    layer::ActivityLayer,
    routes::RouteTemplate,
    rules::ActivityRules,
    service::ActivityService,
    skipped::Skipped,
    unrecorded::{Unrecorded, UnrecordedFuture, UnrecordedService},
};
