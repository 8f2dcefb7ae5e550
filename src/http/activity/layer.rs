//! [`ActivityLayer`] and what it was told.

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

/// Records each request once, when its response has ended. Made by
/// [`Guestbook::activity_layer`](crate::Guestbook::activity_layer);
/// [`Guestbook::layer`](crate::Guestbook::layer) puts it inside the session layer, so that it knows
/// who is there. What the session layer answers itself, a 503 while the store is out of reach,
/// is not recorded then.
///
/// A trace is written when the body ends, fails, or is dropped because the client left; when the
/// service answers with an error or panics; never twice. The body is passed on as it is, frame by
/// frame. Nothing is written where [`ActivityRules`] leave a request out.
///
/// Where consent is configured, a trace is written only if the user's decisions allow it, as of
/// the request's arrival and with what the request itself decided. Without the session layer nobody
/// knows them, and nothing is written.
///
/// In axum, put it on the router with `Router::layer`: there it sees the route's template. Wrapped
/// around the whole router from outside it does not;
/// [`ActivityRules::routes`](ActivityRules::routes) or a [`RouteTemplate`](super::RouteTemplate)
/// tells it then. Of a path without a template only the segments are recorded that are literals of
/// a declared route or [`path_words`](ActivityRules::path_words): everything else is `:id`, as it
/// may be a secret. If it is answered with 401, 403, 404 or 405 it is recorded as `:unmatched`.
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
