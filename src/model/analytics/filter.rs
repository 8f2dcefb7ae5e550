//! [`EventFilter`] and [`Slice`]: which events a query reads.

use crate::model::{
    activity::{ActivityFilter, Event, EventType},
    client::DeviceClass,
};

/// Selects the events that a query reads. Conditions that are not set match every event.
///
/// The filter is applied first: visits and times on pages are computed from the events that pass.
///
/// # Examples
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
    /// Conditions on the event itself. Its times are replaced by the range of the query.
    pub activities: ActivityFilter,
    /// The route of the request, as recorded.
    pub route: Option<String>,
    /// The device class of the request.
    pub device: Option<DeviceClass>,
}

/// Events with one property in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slice {
    /// Events of this type.
    Type(EventType),
    /// Events of requests to this route template.
    Route(String),
    /// Events of requests from this class of device.
    Device(DeviceClass),
}

impl EventFilter {
    /// Creates a filter that matches every event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches only events of requests to this route template, as it is recorded.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Matches only events of requests from this class of device.
    pub fn device(mut self, device: DeviceClass) -> Self {
        self.device = Some(device);
        self
    }

    /// Returns `Some(None)` if the filter matches all events but some types, `Some(Some(slice))` if
    /// it matches exactly one type, route or device class, `None` for any other filter.
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

    /// Returns whether `event` matches.
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
