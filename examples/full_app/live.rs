//! What the user does, as it is recorded: server-sent events.

use std::{
    collections::HashMap,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response, Sse, sse},
};
use futures_core::Stream;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, Interval, interval_at},
};
use tower_guestbook::{
    CurrentUserId, Session, UserId,
    activity::{ActivityFilter, EventType, Live, Subscription},
};

use crate::{
    App,
    answers::{Answer, busy, unauthorized, wait},
};

/// How often the client hears that the connection lives, and so how long it survives its session at
/// most.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many streams a user may have open, so that one user does not take all of them.
const PER_USER: usize = 5;

/// How many streams each user has open.
#[derive(Default)]
pub(crate) struct LiveStreams {
    open: Mutex<HashMap<UserId, usize>>,
}

/// One of a user's streams, until it is dropped.
struct LiveStream {
    streams: Arc<LiveStreams>,
    user: UserId,
}

/// The user's own events from now on. What was before is in the history.
pub(crate) async fn own(State(app): State<App>, user: Option<CurrentUserId>, session: Session) -> Answer<Response> {
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    let stream = LiveStreams::open(&app.live, &user);
    let stream = stream.ok_or_else(|| wait("Too many live connections of this user", HEARTBEAT))?;
    let subscription = app.guestbook.subscribe(ActivityFilter::new().user(user)).map_err(|error| {
        tracing::warn!(%error, "a live connection is refused");
        busy("Too many live connections")
    })?;
    let heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    let feed = Feed { _stream: stream, subscription, session, somebody_left: false, heartbeat, stopping: app.stopping };
    // Proxies neither keep it nor hold it back.
    let headers = [(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((headers, Sse::new(Events::of(feed))).into_response())
}

/// Where the events of one connection come from.
struct Feed {
    _stream: LiveStream,
    subscription: Subscription,
    session: Session,
    /// The user has logged out, of this session or another.
    somebody_left: bool,
    heartbeat: Interval,
    stopping: watch::Receiver<bool>,
}

type Item = Result<sse::Event, axum::Error>;

impl LiveStreams {
    /// `None` if the user has as many as a user may have.
    fn open(streams: &Arc<Self>, user: &UserId) -> Option<LiveStream> {
        let mut open = streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user.clone()).or_default();
        if *count >= PER_USER {
            return None;
        }
        *count += 1;
        Some(LiveStream { streams: streams.clone(), user: user.clone() })
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

impl Feed {
    /// The next event; `None` when the session is over or the server stops, which would wait for
    /// this connection.
    async fn next(&mut self) -> Option<Item> {
        if mem::take(&mut self.somebody_left) && !self.is_session_live().await {
            return None;
        }
        loop {
            tokio::select! {
                biased;
                _ = self.stopping.changed() => return None,
                _ = self.heartbeat.tick() => {
                    return self.is_session_live().await.then(|| Ok(sse::Event::default().comment("here")));
                }
                live = self.subscription.next() => match live? {
                    Live::Activity(activity) => {
                        self.somebody_left = activity.event.event_type == EventType::LOGOUT;
                        let event = sse::Event::default().event("activity").id(activity.sequence.to_string());
                        return Some(event.json_data(&*activity));
                    }
                    Live::Missed(missed) => {
                        return Some(sse::Event::default().event("missed").json_data(json!({ "missed": missed })));
                    }
                    _ => {}
                },
            }
        }
    }

    /// Not if the store cannot tell, either: the client will come again.
    async fn is_session_live(&self) -> bool {
        matches!(self.session.revalidate().await, Ok(true))
    }
}

/// A [`Feed`] as a stream: one future for each event, which brings the feed back.
struct Events {
    next: Pin<Box<NextEvent>>,
}

type NextEvent = dyn Future<Output = Option<(Item, Feed)>> + Send;

impl Events {
    fn of(mut feed: Feed) -> Self {
        Self { next: Box::pin(async move { feed.next().await.map(|item| (item, feed)) }) }
    }
}

impl Stream for Events {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let next = ready!(self.next.as_mut().poll(context));
        Poll::Ready(next.map(|(item, feed)| {
            *self = Self::of(feed);
            item
        }))
    }
}
