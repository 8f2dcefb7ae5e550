//! [`ActivityService`]: decides whether a request is recorded, and starts its record.

use std::{
    hash::{Hash, Hasher},
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Request, Response};
use tower_service::Service;

use super::{
    ActivityBody, ActivityFuture, Unrecorded,
    facts::Facts,
    head::RequestHead,
    recording::Recording,
    referrer::Referrer,
    request::{campaign, data, reason_to_skip, reason_to_skip_sender},
    routes::{Named, RouteTemplate},
    shared::Shared,
    skipped::Reason,
};
use crate::{
    engine::recorder::Overload,
    id::{SessionId, VisitorId},
    model::{
        activity::{Event, EventType, Method, RequestTrace},
        client::{Agent, DeviceClass, TruncatedAddress},
    },
    request::{ObservedRequest, ObservedVisitors, RequestContext, Tracker},
};

/// The service of an [`ActivityLayer`](super::ActivityLayer).
#[derive(Clone, Debug)]
pub struct ActivityService<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

impl<S, B, R> Service<Request<B>> for ActivityService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: http_body::Body,
{
    type Response = Response<ActivityBody<R>>;
    type Error = S::Error;
    type Future = ActivityFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.shared.is_nested(request.extensions()) {
            return ActivityFuture::respond(self.inner.call(request), None);
        }
        let Some(mut recording) = self.shared.begin(&mut request) else {
            return ActivityFuture::respond(self.inner.call(request), None);
        };
        if let Some(max_wait) = self.shared.max_wait() {
            let recorder = &self.shared.recorder;
            match recorder.try_reserve() {
                Some(place) => recording.place = Some(place),
                None => {
                    // The service that was polled ready is the one to call; the clone replaces it.
                    let clone = self.inner.clone();
                    let ready = mem::replace(&mut self.inner, clone);
                    let recorder = recorder.clone();
                    let waiting = Box::pin(async move { recorder.reserve(max_wait).await });
                    return ActivityFuture::wait(waiting, recording, request, ready);
                }
            }
        }
        ActivityFuture::respond(self.inner.call(request), Some(recording))
    }
}

impl Shared {
    /// Returns whether an outer activity layer of this guestbook records the request.
    fn is_nested(&self, extensions: &Extensions) -> bool {
        if extensions.is_empty() {
            return false;
        }
        let has_seen = self.context(extensions).is_some_and(RequestContext::is_seen)
            || extensions.get::<Tracker>().is_some_and(|tracker| tracker.is_of(&self.recorder));
        if has_seen && self.twice.take() {
            tracing::warn!("the activity layer of a guestbook is applied twice: the inner one does nothing, remove it");
        }
        has_seen
    }

    /// Returns the request context of this guestbook.
    fn context<'a>(&self, extensions: &'a Extensions) -> Option<&'a RequestContext> {
        RequestContext::find(extensions, |context| context.records_to(&self.recorder))
    }

    fn max_wait(&self) -> Option<Duration> {
        match self.recorder.settings().overload_policy() {
            Overload::DropNewest => None,
            Overload::Wait(max_wait) => Some(max_wait),
        }
    }

    /// Attaches the request to its context, or gives it a tracker, and starts its record if it is
    /// recorded.
    fn begin<B>(self: &Arc<Self>, request: &mut Request<B>) -> Option<Box<Recording>> {
        let head = RequestHead::of(request);
        let facts = Facts::of(head.headers);
        let agent = self.agents.read(facts.agent);
        let network = self.client.address(request).map(TruncatedAddress::from);
        let mut visitor = head.extensions.get::<VisitorId>().copied();
        let context = self.context(head.extensions).cloned();
        let (user, session) = context.as_ref().map(RequestContext::who).unwrap_or_default();
        let referrer = self.rules.referrers.of(&facts, head, self.client);
        let reason = self.reason_to_skip(head, &facts, agent, user.is_some(), &referrer).or_else(|| {
            let is_in_sample = self.is_in_sample(session, agent, network);
            (!is_in_sample).then_some(Reason::Sampling)
        });

        let cookieless = match &self.rules.cookieless {
            Some(visitors) if user.is_none() && session.is_none() && reason.is_none() => {
                visitors.visitor(network, agent, facts.host.unwrap_or_default(), self.recorder.clock().now())
            }
            _ => None,
        };

        let (route, named) = self.route(head);
        let mut trace = RequestTrace {
            route,
            method: Method::from_name(head.method.as_str()),
            referrer: match referrer {
                Referrer::Own | Referrer::Excluded => None,
                Referrer::Host(host) => Some(self.referrers.look(host)),
            },
            campaign: campaign(head.uri),
            agent: if user.is_some() { person(agent) } else { agent },
            network,
        };
        let by_script = facts.is_by_script();
        let recording = match reason {
            Some(reason) => {
                self.skip(reason);
                None
            }
            None => {
                let head = RequestHead::of(request);
                let (time, begin) = self.recorder.clock().arrival();
                let mut event = Event::new(EventType::API_CALL, time);
                event.data = data(&self.rules, head, self.recorder.settings().limits());
                event.visitor = visitor;
                event.user = user;
                event.session = session;
                event.request = Some(trace.clone());
                if let Some(enrich) = &self.rules.enrich {
                    enrich(head, &mut event);
                    visitor = event.visitor;
                }
                let recording = Recording::new(self.clone(), context.clone(), event, begin, named, network, by_script);
                Some(Box::new(recording.cookieless(cookieless)))
            }
        };
        trace.route = self.routes.look(&trace.route, named, None);
        let visitors = ObservedVisitors { named: visitor, cookieless };
        match context {
            Some(context) => context.attach(ObservedRequest { trace, visitors }),
            None => {
                let tracker = Tracker::without_context(self.recorder.clone(), self.consents.clone(), trace, visitors);
                request.extensions_mut().insert(tracker);
            }
        }
        recording
    }

    fn reason_to_skip(
        &self,
        head: RequestHead<'_>,
        facts: &Facts<'_>,
        agent: Agent,
        logged_in: bool,
        referrer: &Referrer,
    ) -> Option<Reason> {
        let what = reason_to_skip(&self.rules, head, facts);
        let who = || if logged_in { None } else { reason_to_skip_sender(&self.rules, head, facts, agent, referrer) };
        if let Some(reason) = what.or_else(who) {
            return Some(reason);
        }
        if head.extensions.get::<Unrecorded>().is_some() {
            return Some(Reason::OptOut);
        }
        self.rules.should_record.as_ref().is_some_and(|hook| !hook(head)).then_some(Reason::Rule)
    }

    /// Returns the same result for all requests of a session.
    fn is_in_sample(&self, session: Option<SessionId>, agent: Agent, network: Option<TruncatedAddress>) -> bool {
        let rate = self.rules.sample_rate;
        if rate >= 1.0 {
            return true;
        }
        // Without keys the hash is the same in every process of one build.
        let mut hasher = std::hash::DefaultHasher::new();
        match session {
            Some(session) => session.hash(&mut hasher),
            None => (agent, network).hash(&mut hasher),
        }
        ((hasher.finish() >> 11) as f64) < rate * (1u64 << 53) as f64
    }

    /// Returns the name of the route, and its origin.
    fn route(&self, head: RequestHead<'_>) -> (Arc<str>, Named) {
        if let Some(RouteTemplate(template)) = head.extensions.get() {
            return (self.routes.template(template), Named::Template);
        }
        #[cfg(feature = "axum")]
        if let Some(matched) = head.extensions.get::<axum::extract::MatchedPath>() {
            return (self.routes.template(matched.as_str()), Named::Template);
        }
        self.routes.path(head.uri.path())
    }
}

/// Returns the agent of a logged-in user, who is never a bot.
fn person(mut agent: Agent) -> Agent {
    if agent.device == DeviceClass::Bot {
        agent.device = DeviceClass::Other;
    }
    agent
}
