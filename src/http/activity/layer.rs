//! [`ActivityLayer`] and its settings.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{
    ActivityService, Skipped, agents::Agents, referrer::KnownReferrers, routes::Routes, rules::ActivityRules,
    shared::Shared, skipped::SkipCounters,
};
use crate::{
    engine::{consents::Consents, recorder::Recorder},
    http::{ClientSettings, first_time::FirstTime},
};

/// A layer that records each request once, when its response has ended.
///
/// Create it with [`Guestbook::activity_layer`](crate::Guestbook::activity_layer), or use
/// [`Guestbook::layer`](crate::Guestbook::layer), which puts it inside the session layer so that it
/// knows the user. Responses of the session layer itself, such as a 503 while the store is
/// unavailable, are not recorded then.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::Body, http::Request, response::Html, routing::get};
/// use tower::ServiceExt;
/// use tower_guestbook::{
///     Guestbook,
///     activity::{ActivityFilter, HistoryQuery},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let page = get(async || Html("<h1>Prices</h1>"));
/// let app: Router = Router::new().route("/prices/{country}", page).layer(guestbook.layer());
///
/// let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// let request = Request::get("/prices/eo?token=secret").header("user-agent", firefox);
/// let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
/// axum::body::to_bytes(response.into_body(), 100).await.unwrap();
///
/// guestbook.flush().await?;
/// let all = HistoryQuery::new(ActivityFilter::new());
/// let event = guestbook.activities().history(all).await?.activities.remove(0).event;
/// assert_eq!(event.event_type.as_str(), "page_view");
/// assert_eq!(&*event.request.as_ref().unwrap().route, "/prices/{country}");
/// assert_eq!(event.response.unwrap().status, 200);
/// assert!(!serde_json::to_string(&event).unwrap().contains("secret"));
/// # Ok(()) }
/// ```
///
/// # When a request is recorded
///
/// A request is recorded when the body of its response ends, fails, or is dropped because the
/// client disconnected; when the service returns an error; and when it panics. It is never recorded
/// twice. The body is passed on unchanged, frame by frame. [`ActivityRules`] decide which requests
/// are skipped.
///
/// With consent configured, a request is recorded only if the user's decisions allow it: those at
/// the arrival of the request, and those made by the request itself. Without the session layer the
/// decisions are unknown, and nothing is recorded.
///
/// # Route templates
///
/// In axum, add this layer to the router with `Router::layer`, so that it sees the route template.
/// A layer around the whole router does not see it; then declare templates with
/// [`ActivityRules::routes`](ActivityRules::routes), or set a
/// [`RouteTemplate`](super::RouteTemplate).
///
/// Of a path without a template, only segments are recorded that are literals of a declared route
/// or [`path_words`](ActivityRules::path_words). Every other segment is recorded as `:id`, because
/// it may be a secret. A path without a template that is answered with 401, 403, 404 or 405 is
/// recorded as `:unmatched`.
#[derive(Clone)]
pub struct ActivityLayer {
    shared: Arc<Shared>,
}

impl ActivityLayer {
    pub(crate) fn new(
        recorder: Recorder,
        consents: Option<Consents>,
        rules: ActivityRules,
        client: ClientSettings,
    ) -> Self {
        let routes = Routes::new(rules.declared.clone(), rules.route_capacity);
        let (referrers, agents, skipped) = (KnownReferrers::new(), Agents::default(), SkipCounters::default());
        let twice = FirstTime::new();
        Self {
            shared: Arc::new(Shared { recorder, consents, rules, client, routes, referrers, agents, skipped, twice }),
        }
    }

    /// Returns the number of skipped requests, by reason.
    pub fn skipped(&self) -> Skipped {
        self.shared.skipped.snapshot()
    }
}

impl<S> Layer<S> for ActivityLayer {
    type Service = ActivityService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ActivityService { inner, shared: self.shared.clone() }
    }
}

impl fmt::Debug for ActivityLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
