//! [`EventType`]: the name of a type of events.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, ErrorKind, Result};

/// The type of an event: a name of 1 to 64 bytes of `a` to `z`, digits and `_ . : -` that begins
/// with a letter.
///
/// Use few and fixed names; put what varies into the data. Cloning does not allocate for the
/// well-known types.
///
/// # Examples
///
/// ```
/// use tower_guestbook::activity::EventType;
///
/// assert_eq!(EventType::PAGE_VIEW.as_str(), "page_view");
/// assert_eq!(EventType::new("page_view")?, EventType::PAGE_VIEW);
/// for wrong in ["", "Upper", "two words", "nul\0", "1st", &"x".repeat(65)] {
///     assert!(EventType::new(wrong).is_err());
/// }
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone)]
pub struct EventType(Name);

#[derive(Clone)]
enum Name {
    Static(&'static str),
    Own(Arc<str>),
}

impl EventType {
    /// A user logged in. Recorded by [`Session::login`](crate::Session::login).
    pub const LOGIN: Self = Self(Name::Static("login"));
    /// A user logged out. Recorded by [`Session::logout`](crate::Session::logout).
    pub const LOGOUT: Self = Self(Name::Static("logout"));
    /// A page was shown. Recorded by the activity layer.
    pub const PAGE_VIEW: Self = Self(Name::Static("page_view"));
    /// An action without a type of its own.
    pub const ACTION: Self = Self(Name::Static("action"));
    /// A user pressed a button.
    pub const BUTTON_CLICK: Self = Self(Name::Static("button_click"));
    /// A form was submitted.
    pub const FORM_SUBMIT: Self = Self(Name::Static("form_submit"));
    /// A program sent a request. Recorded by the activity layer.
    pub const API_CALL: Self = Self(Name::Static("api_call"));
    /// An error occurred for the user.
    pub const ERROR: Self = Self(Name::Static("error"));
    /// Something was bought.
    pub const PURCHASE: Self = Self(Name::Static("purchase"));

    /// The types that need no registration.
    pub const WELL_KNOWN: [Self; 9] = [
        Self::PAGE_VIEW,
        Self::API_CALL,
        Self::LOGIN,
        Self::LOGOUT,
        Self::ACTION,
        Self::BUTTON_CLICK,
        Self::FORM_SUBMIT,
        Self::ERROR,
        Self::PURCHASE,
    ];

    /// The maximum length of a name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Creates the type with this name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name breaks the rules; the error says how.
    pub fn new(name: &str) -> Result<Self> {
        if let Some(known) = Self::WELL_KNOWN.into_iter().find(|known| known.as_str() == name) {
            return Ok(known);
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.:-".contains(&byte);
        let problem = if name.is_empty() {
            "an event type must not be empty"
        } else if name.len() > Self::MAX_BYTES {
            "an event type has at most 64 bytes"
        } else if !name.bytes().all(allowed) {
            "an event type consists of a to z, digits, '_', '.', ':' and '-'"
        } else if !name.as_bytes()[0].is_ascii_lowercase() {
            "an event type begins with a letter"
        } else {
            return Ok(Self(Name::Own(name.into())));
        };
        Err(Error::new(ErrorKind::InvalidInput, problem))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Own(name) => name,
        }
    }

    pub(super) fn is_well_known(&self) -> bool {
        matches!(self.0, Name::Static(_))
    }
}

impl TryFrom<&str> for EventType {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl PartialEq for EventType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for EventType {}

impl std::hash::Hash for EventType {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventType({})", self.as_str())
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
