//! Plain data for activity: events, their types, data and limits, and queries on history.

mod data;
mod event;
mod event_type;
mod history;
mod integers;
mod request;
mod route;
mod schema;

pub use self::{
    data::{EventData, EventLimits},
    event::{Activity, Entry, Event, EventId, Origin},
    event_type::EventType,
    history::{ActivityFilter, Cursor, HistoryPage, HistoryQuery, Order},
    request::{Campaign, Method, Outcome, RequestTrace, ResponseTrace},
    route::normalize_path,
    schema::EventTypes,
};
