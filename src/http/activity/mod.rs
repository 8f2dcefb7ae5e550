//! The activity layer: records each request once, when its response has ended.

mod agents;
mod body;
mod cookieless;
mod crawlers;
mod declared;
mod facts;
mod future;
mod head;
mod layer;
mod names;
mod recording;
mod referrer;
mod request;
mod routes;
mod rules;
mod service;
mod shared;
mod skipped;
mod unrecorded;

pub use self::{
    body::ActivityBody,
    future::ActivityFuture,
    head::{Answered, RequestHead},
    layer::ActivityLayer,
    routes::RouteTemplate,
    rules::ActivityRules,
    service::ActivityService,
    skipped::Skipped,
    unrecorded::{Unrecorded, UnrecordedFuture, UnrecordedService},
};
