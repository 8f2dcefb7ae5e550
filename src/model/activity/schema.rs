//! [`EventTypes`]: the registered event types and the checks of their data.

use std::{collections::HashMap, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{EventData, EventType};
use crate::error::{Error, ErrorKind, Result};

/// The registered event types, each with a check of its data.
///
/// The [well-known](EventType::WELL_KNOWN) types need no registration; they may be given a check.
/// Other types are accepted without a check, unless the registry is [closed](Self::closed). Close
/// it if clients choose the types.
///
/// # Examples
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
/// assert_eq!(error.to_string(), "invalid input: the data of video_watched is refused: invalid type, expected u32");
/// assert!(types.check(&EventType::new("video_liked")?, None).is_err(), "not registered");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct EventTypes {
    checks: HashMap<EventType, Check>,
    security: Vec<EventType>,
    closed: bool,
}

type Check = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl EventTypes {
    /// Creates a registry with the well-known types only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a type whose data must deserialize to a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name breaks the rules of [`EventType`].
    pub fn register<T: DeserializeOwned + 'static>(self, name: &str) -> Result<Self> {
        self.insert(name, Arc::new(|json| serde_json::from_str::<T>(json).map(drop).map_err(|error| reason(&error))))
    }

    /// Registers a type whose data is checked by `check`, for example with a compiled JSON Schema.
    /// The error message must not repeat values of the data, because it may be logged.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    pub fn register_with<F>(self, name: &str, check: F) -> Result<Self>
    where
        F: Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    {
        let read = move |json: &str| serde_json::from_str(json).map_err(|error| reason(&error));
        self.insert(name, Arc::new(move |json| check(&read(json)?)))
    }

    /// Declares security event types in addition to `login` and `logout`, for example a password
    /// change. They need no registration.
    ///
    /// Clients cannot record them ([`Tracker::client`](crate::Tracker::client)), and they have
    /// [reserved places](crate::activity::RecorderSettings::security_queue) in the queue.
    ///
    /// # Errors
    ///
    /// As for [`register`](Self::register).
    pub fn security<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        for name in names {
            self.security.push(EventType::new(name)?);
        }
        Ok(self)
    }

    /// Returns whether events of this type are security events: `login`, `logout` and those
    /// [declared as such](Self::security).
    pub fn is_security(&self, event_type: &EventType) -> bool {
        [EventType::LOGIN, EventType::LOGOUT].contains(event_type) || self.security.contains(event_type)
    }

    /// Refuses types that are neither registered nor well-known.
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Checks whether an event of this type may carry this data. No data counts as an empty object.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is refused; the error has the type and the reason.
    pub fn check(&self, event_type: &EventType, data: Option<&EventData>) -> Result<()> {
        let Some(check) = self.checks.get(event_type) else {
            if self.closed && !event_type.is_well_known() && !self.is_security(event_type) {
                let context = format!("the event type {event_type} is not registered");
                return Err(Error::new(ErrorKind::InvalidInput, context));
            }
            return Ok(());
        };
        check(data.map_or("{}", EventData::as_json)).map_err(|problem| {
            Error::new(ErrorKind::InvalidInput, format!("the data of {event_type} is refused: {problem}"))
        })
    }

    fn insert(mut self, name: &str, check: Check) -> Result<Self> {
        self.checks.insert(EventType::new(name)?, check);
        Ok(self)
    }
}

/// Returns serde's message without the value that caused it, which may be personal.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    for kind in ["invalid type", "invalid value", "invalid length", "unknown field", "unknown variant"] {
        if text.starts_with(kind) {
            let expected = text.rfind(", expected").map_or("", |at| &text[at..]);
            return format!("{kind}{expected}");
        }
    }
    // Field names of the application's own type.
    let is_own = text.starts_with("missing field") || text.starts_with("duplicate field");
    if is_own { text.into() } else { "wrong shape".into() }
}

impl fmt::Debug for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTypes").field("registered", &self.checks.keys()).field("closed", &self.closed).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::model::activity::EventLimits;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Order {
        amount: u32,
        kind: Kind,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Book,
        Film,
    }

    #[test]
    fn check_error_has_the_reason_but_no_values() {
        let types = EventTypes::new().register::<Order>("order").unwrap();
        for (json, reason) in [
            (r#"{"amount":"needle","kind":"book"}"#, "invalid type, expected u32"),
            (r#"{"amount":-7,"kind":"book"}"#, "invalid value, expected u32"),
            (r#"{"amount":7}"#, "missing field `kind`"),
            (r#"{"amount":7,"kind":"needle, expected x"}"#, "unknown variant, expected"),
            (r#"{"amount":7,"kind":"film","needle":1}"#, "unknown field, expected"),
        ] {
            let data = EventData::from_json(json.as_bytes(), &EventLimits::default()).unwrap();
            let error = types.check(&EventType::new("order").unwrap(), Some(&data)).unwrap_err().to_string();
            assert!(error.contains("order") && error.contains(reason) && !error.contains("needle"), "{error}");
        }
        assert!(types.check(&EventType::new("order").unwrap(), None).is_err(), "no data is an empty object");
    }
}
