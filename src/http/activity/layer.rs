//! [`ActivityLayer`] and what it was told.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{ActivityService, Skipped, agents::Agents, routes::Routes, rules::ActivityRules, skipped::SkipCounters};
use crate::{consents::Consents, http::ClientSettings, recorder::Recorder};

/// Records each request once, when its response has ended. Made by
/// [`Guestbook::activity_layer`](crate::Guestbook::activity_layer); [`Guestbook::layer`](crate::Guestbook::layer) puts it
/// inside the session layer, so that it knows who is there. What the session layer answers itself, a 503 while the store is
/// out of reach, leaves no trace then.
///
/// A trace is written when the body ends, fails, or is dropped because the client left; when the service answers with an
/// error or panics; never twice. The body is passed on as it is, frame by frame. Nothing is written where
/// [`ActivityRules`] leave a request out.
///
/// Where consent is configured, a trace is written only if the guest's decisions allow it, as of the request's arrival and with what
/// the request itself decided. Without the session layer nobody knows them, and nothing is written.
///
/// In axum, put it on the router with `Router::layer`: there it sees the route's template. Wrapped around the whole
/// router from outside it does not, and normalises paths instead; a [`RouteTemplate`](super::RouteTemplate) tells it
/// better. A path without a template that is answered with 404 is recorded as `:unmatched`.
#[derive(Clone)]
pub struct ActivityLayer {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(super) recorder: Recorder,
    pub(super) consents: Option<Consents>,
    pub(super) rules: ActivityRules,
    pub(super) client: ClientSettings,
    pub(super) routes: Routes,
    pub(super) agents: Agents,
    pub(super) skipped: SkipCounters,
}

impl ActivityLayer {
    pub(crate) fn new(
        recorder: Recorder,
        consents: Option<Consents>,
        rules: ActivityRules,
        client: ClientSettings,
    ) -> Self {
        let routes = Routes::new(rules.route_capacity);
        let (agents, skipped) = (Agents::default(), SkipCounters::default());
        Self { shared: Arc::new(Shared { recorder, consents, rules, client, routes, agents, skipped }) }
    }

    /// How many requests were left out, by reason.
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityLayer")
            .field("rules", &self.rules)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
