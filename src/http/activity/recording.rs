//! [`Recording`]: the record of a request, from its arrival to its end.

use std::{fmt, sync::Arc};

use http::{Response, StatusCode, header};
use http_body::Body;

use super::{
    Unrecorded,
    head::Answered,
    routes::{Named, RouteTemplate},
    shared::Shared,
    skipped::Reason,
};
use crate::{
    engine::recorder::Permit,
    id::VisitorId,
    model::{
        activity::{Event, Method, Outcome, ResponseTrace},
        client::TruncatedAddress,
    },
    request::{RecordingDecision, RequestContext, recording_decision},
    time::Stopwatch,
};

/// A record that is not complete yet. It is passed to the recorder by [`end`](Self::end), or when
/// it is dropped.
pub(super) struct Recording {
    shared: Arc<Shared>,
    context: Option<RequestContext>,
    /// `None` once it is passed on, or skipped.
    event: Option<Event>,
    pub(super) place: Option<Permit>,
    begin: Stopwatch,
    named: Named,
    network: Option<TruncatedAddress>,
    by_script: bool,
    cookieless: Option<VisitorId>,
    status: u16,
    bytes: u64,
    /// Expected length of the body, if known.
    expected: Option<u64>,
}

impl Recording {
    pub(super) fn new(
        shared: Arc<Shared>,
        context: Option<RequestContext>,
        event: Event,
        begin: Stopwatch,
        named: Named,
        network: Option<TruncatedAddress>,
        by_script: bool,
    ) -> Self {
        Self {
            shared,
            context,
            event: Some(event),
            place: None,
            begin,
            named,
            network,
            by_script,
            cookieless: None,
            status: 0,
            bytes: 0,
            expected: None,
        }
    }

    /// Sets the visitor of an event that nobody else is known for.
    pub(super) fn cookieless(mut self, visitor: Option<VisitorId>) -> Self {
        self.cookieless = visitor;
        self
    }

    /// Handles the head of the response. Returns `false` if the request is not recorded after all.
    pub(super) fn answered<R: Body>(&mut self, response: &Response<R>) -> bool {
        let Some(event) = &mut self.event else { return false };
        let status = response.status();
        if response.extensions().get::<Unrecorded>().is_some() {
            return self.skip(Reason::OptOut);
        }
        let method = event.request.as_ref().map(|request| request.method).unwrap_or_default();
        let routes = &self.shared.routes;
        let route = match (&mut event.request, response.extensions().get()) {
            (None, _) => Arc::default(),
            (Some(request), Some(RouteTemplate(template))) => {
                (request.route, self.named) = (routes.template(template), Named::Template);
                request.route.clone()
            }
            (Some(request), None) => routes.look(&request.route, self.named, Some(status)),
        };
        let answer = Answered { method, route: &route, by_script: self.by_script, status, headers: response.headers() };
        match self.shared.rules.kind(answer) {
            Some(event_type) => event.event_type = event_type,
            None => return self.skip(Reason::Rule),
        }
        self.status = status.as_u16();
        self.expected = expected_bytes(method, response);
        true
    }

    /// Counts bytes of the body.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Returns whether the body has sent all the bytes it announced. It is not polled again then.
    fn is_complete(&self) -> bool {
        self.expected.is_some_and(|expected| self.bytes >= expected)
    }

    /// Passes the record to the recorder. Never waits; events beyond the queue are dropped and
    /// counted.
    pub(super) fn end(&mut self, outcome: Outcome) {
        let Some(mut event) = self.event.take() else { return };
        let latency = self.begin.micros(self.shared.recorder.clock());
        event.response = Some(ResponseTrace::new(self.status, latency, self.bytes, outcome));
        let context = self.context.take();
        if let Some(context) = context.as_ref().filter(|_| event.user.is_none()) {
            // A user who logs in during this request is its user.
            let (user, session) = context.who();
            if user.is_some() || event.session.is_none() {
                (event.user, event.session) = (user, session);
            }
        }
        let recording_decision = recording_decision(&event, context.as_ref(), self.shared.consents.as_ref());
        if !matches!(recording_decision, RecordingDecision::Full(_)) {
            self.shared.recorder.withhold(recording_decision == RecordingDecision::Restricted);
        }
        let Some(mut event) = recording_decision.apply(event, self.cookieless) else { return };
        self.take_names(&mut event);
        // Dropped events are counted; nobody waits for this result.
        let _ = match self.place.take() {
            Some(place) => place.record(event),
            None => self.shared.recorder.record(event),
        };
    }

    /// Adds names that clients can invent, now that the event is stored.
    fn take_names(&self, event: &mut Event) {
        let (shared, time) = (&self.shared, event.time);
        let Some(request) = &mut event.request else { return };
        if self.named != Named::Template {
            let status = StatusCode::from_u16(self.status).ok();
            if status != Some(StatusCode::NOT_FOUND) {
                shared.recorder.log_missing_route(true);
            }
            request.route = shared.routes.take(&request.route, self.named, status, self.network, time);
        }
        request.referrer = request.referrer.take().map(|host| shared.referrers.take(host, self.network, time));
    }

    fn skip(&mut self, reason: Reason) -> bool {
        self.shared.skip(reason);
        self.event = None;
        self.place = None;
        false
    }
}

/// The recording is a local variable while a service or a body runs. So a panic drops it at once,
/// while the thread is panicking.
impl Drop for Recording {
    fn drop(&mut self) {
        self.end(if std::thread::panicking() {
            Outcome::Panicked
        } else if self.is_complete() {
            Outcome::Completed
        } else {
            Outcome::Abandoned
        });
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("status", &self.status).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Returns the number of bytes that the server will read from the body. It reads none of some
/// responses.
fn expected_bytes<R: Body>(method: Method, response: &Response<R>) -> Option<u64> {
    let status = response.status();
    let bodiless = method == Method::Head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
        || (method == Method::Connect && status.is_success());
    if bodiless || response.body().is_end_stream() {
        return Some(0);
    }
    let announced =
        response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    announced.or_else(|| response.body().size_hint().exact())
}
