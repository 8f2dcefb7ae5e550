//! [`EventTypes`]: which types of events there are, and what their data must look like.

use std::{collections::HashMap, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{EventData, EventType};
use crate::error::{Error, ErrorKind, Result};

/// The types that the application has registered, each with a check of its data.
///
/// The [well-known](EventType::WELL_KNOWN) types need no registration and may be given a check. Other types are taken
/// as they come, unless the registry is [closed](Self::closed): do that where clients name the types.
///
/// ```
/// use serde::Deserialize;
/// use tower_guestbook::activity::{EventData, EventLimits, EventType, EventTypes};
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Watched {
///     #[allow(dead_code)]
///     seconds: u32,
/// }
///
/// let types = EventTypes::new().register::<Watched>("video_watched")?.closed();
/// let watched = EventType::new("video_watched")?;
/// let data = |json: &str| EventData::from_json(json.as_bytes(), &EventLimits::default());
///
/// assert!(types.check(&watched, Some(&data(r#"{"seconds":12}"#)?)).is_ok());
/// let error = types.check(&watched, Some(&data(r#"{"seconds":"long"}"#)?)).unwrap_err();
/// assert!(error.to_string().contains("video_watched"));
/// assert!(types.check(&EventType::new("video_liked")?, None).is_err(), "not registered");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct EventTypes {
    checks: HashMap<EventType, Check>,
    closed: bool,
}

type Check = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl EventTypes {
    /// No types but the well-known ones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a type whose data must be a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name breaks the rules of [`EventType`].
    pub fn register<T: DeserializeOwned + 'static>(self, name: &str) -> Result<Self> {
        self.insert(name, Arc::new(|json| serde_json::from_str::<T>(json).map(drop).map_err(|error| error.to_string())))
    }

    /// Registers a type whose data `check` judges: with a compiled JSON Schema, say. The message of a refusal must not
    /// repeat values of the data, as it may be logged.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    pub fn register_with<F>(self, name: &str, check: F) -> Result<Self>
    where
        F: Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    {
        let read = move |json: &str| serde_json::from_str(json).map_err(|error| error.to_string());
        self.insert(name, Arc::new(move |json| check(&read(json)?)))
    }

    /// Refuses types that are neither registered nor well-known.
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Whether an event of this type may carry this data. No data counts as an empty object.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`], naming the type, if it is refused.
    pub fn check(&self, event_type: &EventType, data: Option<&EventData>) -> Result<()> {
        let Some(check) = self.checks.get(event_type) else {
            if self.closed && !event_type.is_well_known() {
                let context = format!("the event type {event_type} is not registered");
                return Err(Error::new(ErrorKind::InvalidInput, context));
            }
            return Ok(());
        };
        check(data.map_or("{}", EventData::as_json)).map_err(|problem| {
            Error::new(ErrorKind::InvalidInput, format!("the data of {event_type} is refused")).with_source(Box::<
                dyn std::error::Error + Send + Sync,
            >::from(
                problem
            ))
        })
    }

    fn insert(mut self, name: &str, check: Check) -> Result<Self> {
        self.checks.insert(EventType::new(name)?, check);
        Ok(self)
    }
}

impl fmt::Debug for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTypes").field("registered", &self.checks.keys()).field("closed", &self.closed).finish()
    }
}
