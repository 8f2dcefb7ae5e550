//! The noun: what somebody did. Types of events, their data and its limits, the request they belong
//! to, questions about history. No I/O here.

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
