//! [`EventFilter`] and [`Slice`]: which events a question is about.

use crate::model::{
    activity::{ActivityFilter, Event, EventType},
    client::DeviceClass,
};

/// Which events a question is about. What is not named does not matter.
///
/// The filter comes first: visits, and the time on a page, are of the events that it leaves.
///
/// ```
/// use tower_guestbook::{
///     Timestamp,
///     activity::{ActivityFilter, Event, EventType, RequestTrace},
///     analytics::EventFilter,
/// };
///
/// let filter = EventFilter::from(ActivityFilter::new().event_type(EventType::API_CALL)).route("/users/{id}");
/// let mut event = Event::new(EventType::API_CALL, Timestamp::from_millis(0));
/// assert!(!filter.matches(&event));
/// let mut request = RequestTrace::default();
/// request.route = "/users/{id}".into();
/// event.request = Some(request);
/// assert!(filter.matches(&event));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct EventFilter {
    /// Only events of these. Its times are those of the range that is asked for.
    pub activities: ActivityFilter,
    /// Only events of requests to this route.
    pub route: Option<String>,
    /// Only events of requests from this kind of device.
    pub device: Option<DeviceClass>,
}

/// Events with something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slice {
    /// Of this type.
    Type(EventType),
    /// Of requests to this route: its template.
    Route(String),
    /// Of requests from this kind of device.
    Device(DeviceClass),
}

impl EventFilter {
    /// All events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only events of requests to this route: its template, as it is recorded.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Only events of requests from this kind of device.
    pub fn device(mut self, device: DeviceClass) -> Self {
        self.device = Some(device);
        self
    }

    /// If it means all events but some types, `Some(None)`; if only those of one type, route or
    /// kind of device, which.
    pub(crate) fn slice(&self) -> Option<Option<Slice>> {
        let mut rest = self.clone();
        (rest.activities.from, rest.activities.until) = (None, None);
        rest.activities.except_types.clear();
        let event_type = rest.activities.event_type.take().map(Slice::Type);
        let (route, device) = (rest.route.take().map(Slice::Route), rest.device.take().map(Slice::Device));
        let mut slices = [event_type, route, device].into_iter().flatten();
        let slice = slices.next();
        (rest == Self::new() && slices.next().is_none()).then_some(slice)
    }

    /// Whether `event` is meant.
    pub fn matches(&self, event: &Event) -> bool {
        let request = event.request.as_ref();
        self.activities.matches(event)
            && self.route.as_deref().is_none_or(|route| request.is_some_and(|request| *request.route == *route))
            && self.device.is_none_or(|device| request.is_some_and(|request| request.agent.device == device))
    }
}

impl From<ActivityFilter> for EventFilter {
    fn from(activities: ActivityFilter) -> Self {
        Self { activities, ..Self::default() }
    }
}
