//! [`ClientTracker`]: records events reported by the client.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::tracker::{Action, Tracker, path_of};
use crate::{
    engine::recorder::Tracked,
    error::{Error, ErrorKind, Result},
    model::activity::{Event, EventData, EventType, Origin},
};

/// Records events that the client reports: a script of a page, or an app.
///
/// A client may report anything. So its events are marked with [`Origin::Client`] in history,
/// exports and files, and security events are refused: nobody can forge a `login`. Declare further
/// types that only the server may record with [`EventTypes::security`], and close the registry
/// ([`EventTypes::closed`]) so that clients cannot invent types.
///
/// A `page` and an `endpoint` are stored as a path: without user name and password, query, fragment
/// and path parameters (`;name=value`), which often carry secrets.
///
/// [`EventTypes::security`]: crate::activity::EventTypes::security
/// [`EventTypes::closed`]: crate::activity::EventTypes::closed
///
/// ```
/// use axum::{Json, Router, http::StatusCode, routing::post};
/// use serde::Deserialize;
/// use tower_guestbook::{Guestbook, Tracker, activity::{ActivityFilter, HistoryQuery, Origin}, store::MemoryStore};
///
/// #[derive(Deserialize)]
/// struct Report {
///     event_type: String,
///     data: serde_json::Value,
/// }
///
/// async fn track(tracker: Tracker, Json(report): Json<Report>) -> StatusCode {
///     match tracker.client().track(report.event_type.as_str(), &report.data) {
///         Ok(_) => StatusCode::ACCEPTED,
///         Err(error) => error.kind().status(),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new().route("/track", post(track)).layer(guestbook.layer());
/// # use tower::ServiceExt;
/// # let send = async |json: &'static str| {
/// #     let request = http::Request::post("/track").header("content-type", "application/json");
/// #     app.clone().oneshot(request.body(axum::body::Body::from(json)).unwrap()).await.unwrap().status()
/// # };
/// assert_eq!(send(r#"{"event_type":"login","data":{}}"#).await, StatusCode::BAD_REQUEST);
/// assert_eq!(send(r#"{"event_type":"page_view","data":{"page":"/cart?token=x"}}"#).await, StatusCode::ACCEPTED);
///
/// guestbook.flush().await?;
/// let views = ActivityFilter::new().event_type("page_view".try_into()?);
/// let history = guestbook.activities().history(HistoryQuery::new(views)).await?;
/// let event = &history.activities[0].event;
/// assert_eq!((event.origin, event.data.as_ref().unwrap().as_json()), (Origin::Client, r#"{"page":"/cart"}"#));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ClientTracker {
    tracker: Tracker,
}

impl ClientTracker {
    pub(super) fn new(tracker: Tracker) -> Self {
        Self { tracker }
    }

    /// Queues an event as [`Tracker::track`] does.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn track<K, T>(&self, event_type: K, data: &T) -> Result<Tracked>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        Ok(self.tracker.record(self.prepare(event_type, data)?))
    }

    /// Stores an event as [`Tracker::track_durable`] does.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare) and [`Tracker::record_durable`].
    pub async fn track_durable<K, T>(&self, event_type: K, data: &T) -> Result<Tracked>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        self.tracker.record_durable(self.prepare(event_type, data)?).await
    }

    /// Records that the client showed a page, with data `{"page":page}`: for pages that a script
    /// changes without a request.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn page_view(&self, page: &str) -> Result<Tracked> {
        self.track(EventType::PAGE_VIEW, &json!({ "page": page }))
    }

    /// Records a `button_click` with data `{"action":action,"details":details}`.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Self::prepare).
    pub fn action<T: Serialize + ?Sized>(&self, action: &str, details: &T) -> Result<Tracked> {
        self.track(EventType::BUTTON_CLICK, &Action { action, details })
    }

    /// Returns the event that [`track`](Self::track) would queue, to add to it before it is
    /// [recorded](Tracker::record).
    ///
    /// # Errors
    ///
    /// As for [`Tracker::track`]; also [`ErrorKind::InvalidInput`] if the type is that of a
    /// [security event](crate::activity::EventTypes::security), or a `page` or an `endpoint`
    /// is only a query or a fragment.
    pub fn prepare<K, T>(&self, event_type: K, data: &T) -> Result<Event>
    where
        K: TryInto<EventType>,
        Error: From<K::Error>,
        T: Serialize + ?Sized,
    {
        let data = EventData::new(data, self.tracker.recorder().settings().limits())?;
        self.checked(event_type.try_into()?, data)
    }

    fn checked(&self, event_type: EventType, data: EventData) -> Result<Event> {
        let settings = self.tracker.recorder().settings();
        if settings.types().is_security(&event_type) {
            let problem = format!("events of the type {event_type} are recorded by the server, not by a client");
            return Err(Error::new(ErrorKind::InvalidInput, problem));
        }
        let mut event = match with_paths(&data)? {
            Some(data) => self.tracker.prepare(event_type, &data)?,
            None => self.tracker.prepare(event_type, &data)?,
        };
        event.origin = Origin::Client;
        Ok(event)
    }
}

/// Returns the data with `page` and `endpoint` reduced to paths; `None` if they are paths already.
fn with_paths(data: &EventData) -> Result<Option<Map<String, Value>>> {
    const PATHS: [&str; 2] = ["page", "endpoint"];
    if !PATHS.iter().any(|name| data.as_json().contains(&format!("\"{name}\""))) {
        return Ok(None);
    }
    let mut data: Map<String, Value> = data.read()?;
    let mut is_changed = false;
    for name in PATHS {
        if let Some(Value::String(text)) = data.get_mut(name) {
            let path = path_of(text)?;
            is_changed |= path != text.as_str();
            *text = path.into_owned();
        }
    }
    Ok(is_changed.then_some(data))
}

impl Tracker {
    /// Returns the tracker for events that the client of this request reports.
    pub fn client(&self) -> ClientTracker {
        ClientTracker::new(self.clone())
    }
}
