//! Behaviour analytics through the public API, on both stores with equal answers.

mod edges;
mod logins;
mod models;
mod rules;

use serde::Serialize;
use tempfile::TempDir;
use tower_guestbook::{
    Guestbook, Result, SessionId, Timestamp, UserId, VisitorId,
    activity::{Entry, Event, EventData, EventId, EventLimits, EventType, RequestTrace},
    analytics::{FunnelStep, Range},
    store::{ActivityStore, Commit, MemoryStore, SqliteStore, sqlite::Durability},
};
use uuid::Uuid;

use crate::support::{self, START};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A time this many milliseconds after [`START`].
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + millis)
}

fn range(from: i64, until: i64) -> Range {
    Range::new(at(from), at(until)).unwrap()
}

fn kind(name: &str) -> EventType {
    EventType::new(name).unwrap()
}

fn step(name: &str) -> FunnelStep {
    FunnelStep::new(kind(name))
}

fn event(name: &str, millis: i64) -> Event {
    Event::new(kind(name), at(millis))
}

/// An event of a user.
fn by(user: i64, name: &str, millis: i64) -> Event {
    let mut event = event(name, millis);
    event.user = Some(UserId::from(user));
    event
}

fn visitor(number: u128) -> VisitorId {
    VisitorId::from(Uuid::from_u128(number))
}

fn session(number: u128) -> SessionId {
    SessionId::from(Uuid::from_u128(number))
}

fn with_data(mut event: Event, data: &serde_json::Value) -> Event {
    event.data = Some(EventData::new(data, &EventLimits::default()).unwrap());
    event
}

fn on_route(mut event: Event, route: &str) -> Event {
    let mut request = RequestTrace::default();
    request.route = route.into();
    event.request = Some(request);
    event
}

/// A page view by a user.
fn view(user: i64, page: &str, millis: i64) -> Event {
    on_route(by(user, "page_view", millis), page)
}

/// The same events in both stores.
struct Both {
    memory: Guestbook,
    sqlite: Guestbook,
    _directory: TempDir,
}

async fn append<S: ActivityStore>(store: &S, events: &[Event]) {
    let entries: Vec<_> = (1..)
        .zip(events)
        .map(|(number, event)| Entry { id: EventId { origin: 1, number }, event: event.clone() })
        .collect();
    store.append(entries.into(), Commit::Relaxed).await.unwrap();
}

impl Both {
    /// Stores `events` in the order of their sequence.
    async fn with(events: &[Event]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sqlite =
            SqliteStore::builder(directory.path().join("guestbook.db")).durability(Durability::Normal).open().unwrap();
        let memory = MemoryStore::new();
        append(&memory, events).await;
        append(&sqlite, events).await;
        let memory = support::builder(memory).0.build().unwrap();
        Self { memory, sqlite: support::builder(sqlite).0.build().unwrap(), _directory: directory }
    }

    /// Returns the answer, which both stores must agree on.
    async fn ask<A: Serialize + PartialEq + std::fmt::Debug>(
        &self,
        question: impl AsyncFn(&tower_guestbook::analytics::Analytics) -> Result<A>,
    ) -> A {
        let answer = question(self.memory.analytics()).await.unwrap();
        let other = question(self.sqlite.analytics()).await.unwrap();
        assert_eq!(answer, other);
        assert!(serde_json::to_value(&answer).unwrap().is_object());
        answer
    }
}
