//! What users do, as the client tells it: pages, actions, batches of typed events. And the one type
//! that is ours.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_guestbook::{
    CurrentUserId, Timestamp, Tracker, UserId,
    activity::{Event, EventTypes, Tracked},
};

use crate::{
    App,
    answers::{Answer, busy, explain, refuse, success, unauthorized, wait},
    auth::{parse, parse_value},
    windows::Windows,
};

/// The largest body that is read: a hundred events with all the data that an event may have fit in.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

const MAX_EVENTS: usize = 100;

const NOTE_KEPT: &str = "note_kept";

/// The data of a `note_kept`: that there is a note, not what it says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteKept {
    length: u32,
}

/// Clients name the types of their events, so there are no others than these.
pub(crate) fn event_types() -> tower_guestbook::Result<EventTypes> {
    Ok(EventTypes::new().register::<NoteKept>(NOTE_KEPT)?.closed())
}

pub(crate) fn note_kept(tracker: &Tracker, note: &str) -> tower_guestbook::Result<Tracked> {
    let length = u32::try_from(note.chars().count()).unwrap_or(u32::MAX);
    tracker.track(NOTE_KEPT, &NoteKept { length })
}

/// How many events each user may track in a minute: one user's flood neither takes the room of
/// others' events in the queue nor makes everybody's reports too large.
pub(crate) struct Quota {
    limit: u32,
    tracked: Mutex<Windows<UserId>>,
}

impl Quota {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, tracked: Mutex::new(Windows::new()) }
    }

    /// Takes `events` of the user's quota, or none of it.
    pub(crate) fn take(&self, user: UserId, events: usize) -> Answer<()> {
        let (events, now) = (u32::try_from(events).unwrap_or(u32::MAX), Instant::now());
        let mut tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
        match tracked.wait(&user, events, self.limit, now) {
            Some(left) => Err(wait("Too many events", left)),
            None => {
                tracked.add(user, events, now);
                Ok(())
            }
        }
    }
}

#[derive(Deserialize)]
struct Page {
    page: String,
}

pub(crate) async fn page(
    State(app): State<App>,
    user: Option<CurrentUserId>,
    tracker: Tracker,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    const PROBLEM: &str = "Page required";
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    let Page { page } = parse(&body?, PROBLEM)?;
    if page.trim().is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, PROBLEM));
    }
    app.quota.take(user, 1)?;
    not_dropped(tracker.client().page_view(&page)?)?;
    Ok(success("Page view tracked"))
}

#[derive(Deserialize)]
struct Action {
    action: String,
    #[serde(default)]
    details: Value,
}

pub(crate) async fn action(
    State(app): State<App>,
    user: Option<CurrentUserId>,
    tracker: Tracker,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    const PROBLEM: &str = "Action required";
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    let Action { action, details } = parse(&body?, PROBLEM)?;
    if action.trim().is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, PROBLEM));
    }
    app.quota.take(user, 1)?;
    not_dropped(tracker.client().action(&action, &or_empty(details))?)?;
    Ok(success("Action tracked"))
}

/// What is lost is not answered as if it were tracked.
fn not_dropped(tracked: Tracked) -> Answer<()> {
    if tracked == Tracked::Dropped { Err(busy(QUEUE_FULL)) } else { Ok(()) }
}

const QUEUE_FULL: &str = "Too many events wait to be stored";

/// Events that a client has gathered: `{"events":[…]}` or the array alone. Each is judged on its
/// own, but the quota has room for all of them or for none. A batch whose events were all dropped
/// is refused.
pub(crate) async fn batch(
    State(app): State<App>,
    user: Option<CurrentUserId>,
    tracker: Tracker,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    let mut body = parse_value(&body?)?;
    let events = body.get_mut("events").map(Value::take).unwrap_or(body);
    let Value::Array(events) = events else {
        return Err(refuse(StatusCode::BAD_REQUEST, "Events required"));
    };
    if events.len() > MAX_EVENTS {
        let problem = format!("At most {MAX_EVENTS} events at a time");
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, &problem));
    }
    app.quota.take(user, events.len())?;
    let (mut accepted, mut dropped) = (0, 0);
    let results: Vec<_> = events
        .into_iter()
        .map(|event| match judge(&tracker, event) {
            Ok(event) => {
                let is_dropped = tracker.record(event) == Tracked::Dropped;
                *if is_dropped { &mut dropped } else { &mut accepted } += 1;
                json!({ "status": if is_dropped { "dropped" } else { "accepted" } })
            }
            Err(problem) => json!({ "status": "refused", "error": problem }),
        })
        .collect();
    if dropped > 0 && accepted == 0 {
        return Err(busy(QUEUE_FULL));
    }
    Ok(Json(json!({ "status": "success", "accepted": accepted, "results": results })))
}

/// The event that the client means, or why there is none.
fn judge(tracker: &Tracker, mut said: Value) -> Result<Event, String> {
    let data = or_empty(said.get_mut("event_data").map(Value::take).unwrap_or_default());
    let event_type = said["event_type"].as_str().ok_or("event_type is required, a text")?;
    let event = tracker.client().prepare(event_type, &data).map_err(|error| explain(&error))?;
    if said["client_time"].is_null() {
        return Ok(event);
    }
    let millis = said["client_time"].as_i64().ok_or("client_time is a whole number of milliseconds since 1970")?;
    Ok(event.with_client_time(Timestamp::from_millis(millis)))
}

fn or_empty(value: Value) -> Value {
    if value.is_null() { json!({}) } else { value }
}
