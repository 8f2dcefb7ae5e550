//! [`Tracker`]: records what the guest of a request does.

use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::{Permit, Visit, permit};
use crate::{
    activity::{Event, EventData, EventType, RequestTrace},
    consents::Consents,
    error::{Error, ErrorKind, Result},
    id::VisitorId,
    recorder::Recorder,
};

/// Records explicit events of one request: who, in which session, on which route, from what kind of device is filled in.
///
/// Where consent is configured, an event whose purpose the guest has not allowed is left out and counted
/// ([`RecorderStats::withheld`](crate::recorder::RecorderStats::withheld)), or recorded without saying who. One of a guest whose
/// data is [restricted](crate::privacy::Restriction) is left out and counted likewise.
///
/// With feature `axum` it is an extractor. [`track`](Self::track) queues and never waits; under overload the event is
/// dropped and counted, which is no error. [`track_durable`](Self::track_durable) returns when the event is stored.
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
    visit: Option<Visit>,
    /// For a tracker without a visit.
    consents: Option<Consents>,
    trace: Option<RequestTrace>,
    visitor: Option<VisitorId>,
}

impl Tracker {
    pub(super) fn of_visit(visit: Visit, trace: Option<RequestTrace>, visitor: Option<VisitorId>) -> Self {
        let (recorder, consents) = (visit.inner.host.recorder().clone(), visit.inner.host.consents().cloned());
        Self { recorder, visit: Some(visit), consents, trace, visitor }
    }

    pub(crate) fn of_stranger(
        recorder: Recorder,
        consents: Option<Consents>,
        trace: RequestTrace,
        visitor: Option<VisitorId>,
    ) -> Self {
        Self { recorder, visit: None, consents, trace: Some(trace), visitor }
    }

    /// Whether its events go to `recorder`.
    pub(crate) fn is_of(&self, recorder: &Recorder) -> bool {
        self.recorder.is(recorder)
    }

    /// The tracker of the request with these extensions; `None` if it came through neither the session layer nor the
    /// activity layer.
    pub fn from_extensions(extensions: &http::Extensions) -> Option<Self> {
        match extensions.get::<Visit>() {
            Some(visit) => Some(visit.tracker()),
            None => extensions.get::<Self>().cloned(),
        }
    }

    /// Queues an event of this type with this data, a value that serializes to a JSON object.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) and [`TooLarge`](crate::ErrorKind::TooLarge), saying what is
    /// wrong, if the name breaks the rules of [`EventType`], the data those of [`EventData`], or the type's own check
    /// refuses it.
    pub fn track<K, T>(&self, event_type: K, data: &T) -> Result<()>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        self.record(self.prepare(event_type, data)?);
        Ok(())
    }

    /// As [`track`](Self::track), and returns when the event is stored.
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track) and [`record_durable`](Self::record_durable).
    pub async fn track_durable<K, T>(&self, event_type: K, data: &T) -> Result<()>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        self.record_durable(self.prepare(event_type, data)?).await
    }

    /// Somebody logged in, with data `{"action":"user_logged_in"}`. [`Session::login`](crate::Session::login) does this.
    pub fn login(&self) {
        self.record(self.known(EventType::LOGIN, EventData::from_stored(LOGGED_IN)));
    }

    /// Somebody logged out, with data `{"action":"user_logged_out"}`. [`Session::logout`](crate::Session::logout) does this.
    pub fn logout(&self) {
        self.record(self.known(EventType::LOGOUT, EventData::from_stored(LOGGED_OUT)));
    }

    /// A page was shown, with data `{"page":page}`: for pages that the browser changes by itself. The activity layer
    /// records those that it serves.
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track).
    pub fn page_view(&self, page: &str) -> Result<()> {
        self.track(EventType::PAGE_VIEW, &json!({ "page": page }))
    }

    /// Somebody did something: a `button_click` with data `{"action":action,"details":details}`.
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track).
    pub fn action<T: Serialize + ?Sized>(&self, action: &str, details: &T) -> Result<()> {
        #[derive(Serialize)]
        struct Action<'a, T: ?Sized> {
            action: &'a str,
            details: &'a T,
        }
        self.track(EventType::BUTTON_CLICK, &Action { action, details })
    }

    /// A program asked for something, with data `{"endpoint":endpoint,"method":method}`.
    ///
    /// # Errors
    ///
    /// As for [`track`](Self::track).
    pub fn api_call(&self, endpoint: &str, method: &str) -> Result<()> {
        self.track(EventType::API_CALL, &json!({ "endpoint": endpoint, "method": method }))
    }

    /// The event as [`track`](Self::track) would queue it, to add to it before it is [recorded](Self::record).
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

    /// Queues an event as it is, if the guest's decisions allow it.
    pub fn record(&self, event: Event) {
        if let Ok(event) = self.allowed(event) {
            self.recorder.record(event);
        }
    }

    /// Stores an event as it is.
    ///
    /// # Errors
    ///
    /// As for [`Recorder::record_durable`]; [`ErrorKind::ConsentRequired`] if the guest's decisions do not allow it,
    /// [`ErrorKind::Restricted`] if processing of their data is [restricted](crate::privacy::Restriction).
    pub async fn record_durable(&self, event: Event) -> Result<()> {
        let event = self.allowed(event).map_err(|permit| match permit {
            Permit::Restricted => Error::new(ErrorKind::Restricted, "nothing of the user is recorded for now"),
            _ => Error::new(ErrorKind::ConsentRequired, "the event's purpose is not allowed"),
        })?;
        self.recorder.record_durable(event).await
    }

    /// What may be recorded of an event; if nothing, why.
    fn allowed(&self, event: Event) -> Result<Event, Permit> {
        let permit = permit(&event, self.visit.as_ref(), self.consents.as_ref());
        if !matches!(permit, Permit::Full(_)) {
            self.recorder.count_withheld();
        }
        permit.apply(event).ok_or(permit)
    }

    fn known(&self, event_type: EventType, data: EventData) -> Event {
        let mut event = Event::new(event_type, self.recorder.clock().now());
        event.data = Some(data);
        self.signed(event)
    }

    fn signed(&self, mut event: Event) -> Event {
        if let Some(visit) = &self.visit {
            (event.user, event.session) = visit.who();
        }
        event.visitor = self.visitor;
        event.request = self.trace.clone();
        event
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("visit", &self.visit).finish_non_exhaustive()
    }
}

const LOGGED_IN: &str = r#"{"action":"user_logged_in"}"#;
const LOGGED_OUT: &str = r#"{"action":"user_logged_out"}"#;
