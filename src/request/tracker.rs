//! [`Tracker`]: records explicit events of a request.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde_json::json;

use super::{ObservedVisitors, RecordingDecision, RequestContext, recording_decision};
use crate::{
    engine::{
        consents::Consents,
        recorder::{Recorder, Tracked},
    },
    error::{Error, ErrorKind, Result},
    model::activity::{Event, EventData, EventType, RequestTrace},
};

/// Records explicit events of one request. User, session, route and device are added automatically.
///
/// With feature `axum` it is an extractor.
///
/// - [`track`](Self::track) queues an event and never waits. Under overload the event is dropped
///   and counted; this is not an error.
/// - [`track_durable`](Self::track_durable) returns once the event is stored.
/// - [`client`](Self::client) records events that the client reports: it marks them, and refuses
///   security events.
///
/// All of them return the result: see [`Tracked`]. With consent configured, an event whose purpose
/// the user has not allowed is not recorded, or recorded without the person, and counted
/// ([`RecorderStats::withheld`](crate::activity::RecorderStats::withheld)). The same holds for
/// users whose data is [restricted](crate::privacy::Restriction).
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::post};
/// use tower_guestbook::{Guestbook, Tracker, activity::ActivityFilter, store::MemoryStore};
///
/// async fn watch(tracker: Tracker) -> tower_guestbook::Result<&'static str> {
///     tracker.track("video_watched", &serde_json::json!({ "seconds": 12 }))?;
///     Ok("noted")
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new().route("/watch", post(watch)).layer(guestbook.layer());
/// # use tower::ServiceExt;
/// # app.oneshot(http::Request::post("/watch").body(axum::body::Body::empty()).unwrap()).await.unwrap();
/// guestbook.flush().await?;
/// let watched = ActivityFilter::new().event_type("video_watched".try_into()?);
/// assert_eq!(guestbook.activities().count(watched).await?, 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tracker {
    recorder: Recorder,
    context: Option<RequestContext>,
    /// For a tracker without a request context.
    consents: Option<Consents>,
    trace: Option<RequestTrace>,
    visitors: ObservedVisitors,
}

impl Tracker {
    pub(super) fn of_context(context: RequestContext, trace: Option<RequestTrace>, visitors: ObservedVisitors) -> Self {
        let (recorder, consents) =
            (context.inner.services.recorder().clone(), context.inner.services.consents().cloned());
        Self { recorder, context: Some(context), consents, trace, visitors }
    }

    pub(crate) fn without_context(
        recorder: Recorder,
        consents: Option<Consents>,
        trace: RequestTrace,
        visitors: ObservedVisitors,
    ) -> Self {
        Self { recorder, context: None, consents, trace: Some(trace), visitors }
    }

    /// Returns whether its events go to `recorder`.
    pub(crate) fn is_of(&self, recorder: &Recorder) -> bool {
        self.recorder.is(recorder)
    }

    /// Returns the tracker of the request with these extensions; `None` if it passed neither the
    /// session layer nor the activity layer.
    pub fn from_extensions(extensions: &http::Extensions) -> Option<Self> {
        match extensions.get::<RequestContext>() {
            Some(context) => Some(context.tracker()),
            None => extensions.get::<Self>().cloned(),
        }
    }

    /// Queues an event with this type and data, a value that serializes to a JSON object.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) or [`TooLarge`](crate::ErrorKind::TooLarge)
    /// if the name breaks the rules of [`EventType`], the data those of [`EventData`], or the check
    /// of the type refuses the data.
    pub fn track<K, T>(&self, event_type: K, data: &T) -> Result<Tracked>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        Ok(self.record(self.prepare(event_type, data)?))
    }

    /// Stores an event like [`track`](Self::track), and returns once it is stored.
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track) and [`record_durable`](Self::record_durable).
    pub async fn track_durable<K, T>(&self, event_type: K, data: &T) -> Result<Tracked>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        self.record_durable(self.prepare(event_type, data)?).await
    }

    /// Records a login, with data `{"action":"user_logged_in"}`.
    /// [`Session::login`](crate::Session::login) does this.
    pub fn login(&self) -> Tracked {
        self.record(self.known(EventType::LOGIN, EventData::from_stored(LOGGED_IN)))
    }

    /// Records a logout, with data `{"action":"user_logged_out"}`.
    /// [`Session::logout`](crate::Session::logout) does this.
    pub fn logout(&self) -> Tracked {
        self.record(self.known(EventType::LOGOUT, EventData::from_stored(LOGGED_OUT)))
    }

    /// Records that a page was shown, with data `{"page":page}`, without the page's query and
    /// fragment. The activity layer records pages that it serves. If the client reports the page,
    /// use [`client`](Self::client).
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track), and [`InvalidInput`](crate::ErrorKind::InvalidInput) if the
    /// page is only a query or a fragment.
    pub fn page_view(&self, page: &str) -> Result<Tracked> {
        self.track(EventType::PAGE_VIEW, &json!({ "page": path_of(page)? }))
    }

    /// Records a `button_click` with data `{"action":action,"details":details}`.
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track).
    pub fn action<T: Serialize + ?Sized>(&self, action: &str, details: &T) -> Result<Tracked> {
        self.track(EventType::BUTTON_CLICK, &Action { action, details })
    }

    /// Records that a program called an endpoint, with data
    /// `{"endpoint":endpoint,"method":method}`. The endpoint is stored as a path, as a
    /// [page](Self::page_view) is.
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track).
    pub fn api_call(&self, endpoint: &str, method: &str) -> Result<Tracked> {
        self.track(EventType::API_CALL, &json!({ "endpoint": path_of(endpoint)?, "method": method }))
    }

    /// Returns the event that [`track`](Self::track) would queue, to add to it before it is
    /// [recorded](Self::record).
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track).
    pub fn prepare<K, T>(&self, event_type: K, data: &T) -> Result<Event>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        let data = EventData::new(data, self.recorder.settings().limits())?;
        let event = self.recorder.event(event_type.try_into()?, Some(data))?;
        Ok(self.signed(event))
    }

    /// Queues a prepared event, if the user's decisions allow it.
    pub fn record(&self, event: Event) -> Tracked {
        let (event, is_withheld) = self.allowed(event);
        match (event.map(|event| self.recorder.record(event)), is_withheld) {
            (Some(Tracked::Queued), true) | (None, _) => Tracked::Withheld,
            (Some(tracked), _) => tracked,
        }
    }

    /// Stores a prepared event, if the user's decisions allow it. Returns
    /// [`Withheld`](Tracked::Withheld) if they do not, or if processing of the user's data is
    /// [restricted](crate::privacy::Restriction).
    ///
    /// # Errors
    ///
    /// As for [`Recorder::record_durable`].
    pub async fn record_durable(&self, event: Event) -> Result<Tracked> {
        let (event, is_withheld) = self.allowed(event);
        let Some(event) = event else { return Ok(Tracked::Withheld) };
        let tracked = self.recorder.record_durable(event).await?;
        Ok(if is_withheld { Tracked::Withheld } else { tracked })
    }

    /// Returns what may be recorded of an event, and whether that is less than all.
    fn allowed(&self, event: Event) -> (Option<Event>, bool) {
        let recording_decision = recording_decision(&event, self.context.as_ref(), self.consents.as_ref());
        let is_withheld = !matches!(recording_decision, RecordingDecision::Full(_));
        if is_withheld {
            self.recorder.withhold(recording_decision == RecordingDecision::Restricted);
        }
        (recording_decision.apply(event, self.visitors.cookieless), is_withheld)
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn known(&self, event_type: EventType, data: EventData) -> Event {
        let mut event = Event::new(event_type, self.recorder.clock().now());
        event.data = Some(data);
        self.signed(event)
    }

    fn signed(&self, mut event: Event) -> Event {
        if let Some(context) = &self.context {
            (event.user, event.session) = context.who();
        }
        event.visitor = self.visitors.named;
        event.request = self.trace.clone();
        if self.trace.is_none() {
            self.recorder.log_missing_route(false);
        }
        event
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("visit", &self.context).finish_non_exhaustive()
    }
}

/// The data of a `button_click`.
#[derive(Serialize)]
pub(super) struct Action<'a, T: ?Sized> {
    pub(super) action: &'a str,
    pub(super) details: &'a T,
}

const LOGGED_IN: &str = r#"{"action":"user_logged_in"}"#;
const LOGGED_OUT: &str = r#"{"action":"user_logged_out"}"#;

/// Returns a page or an endpoint as a path: without user name and password, query, fragment and
/// path parameters.
pub(super) fn path_of(page: &str) -> Result<Cow<'_, str>> {
    let path = page.split(['?', '#', ';']).next().unwrap_or_default();
    if path.is_empty() && !page.is_empty() {
        let problem = "a page or an endpoint has a path: its query and its fragment are not stored";
        return Err(Error::new(ErrorKind::InvalidInput, problem));
    }
    let Some((scheme, rest)) = path.split_once("//") else { return Ok(path.into()) };
    let (authority, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => Ok(format!("{scheme}//{host}{rest}").into()),
        None => Ok(path.into()),
    }
}
