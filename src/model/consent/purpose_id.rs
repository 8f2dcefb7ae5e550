//! [`PurposeId`]: the name of a purpose.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, ErrorKind, Result};

/// The name of a purpose: 1 to 64 bytes of `a` to `z`, digits, `_` and `-`, beginning with a
/// letter.
///
/// Functions that take a purpose take `impl Into<PurposeId>`: a `PurposeId` or a reference to one.
/// Text does not convert silently. [`from_static`](Self::from_static) makes a constant that the
/// compiler checks, and [`new`](Self::new) checks text that arrives at run time.
///
/// # Examples
///
/// ```
/// use tower_guestbook::consent::{Choices, DecisionMethod, PurposeId};
///
/// const NEWSLETTER: PurposeId = PurposeId::from_static("newsletter");
///
/// let choices = Choices::new(DecisionMethod::Custom).grant(NEWSLETTER).decline(PurposeId::MARKETING);
/// # let _ = choices;
/// assert_eq!(PurposeId::new("newsletter")?, NEWSLETTER);
/// assert!(PurposeId::new("Two Words").is_err());
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone)]
pub struct PurposeId(Name);

#[derive(Clone)]
enum Name {
    Static(&'static str),
    Shared(Arc<str>),
}

impl PurposeId {
    /// What the service itself needs: the usual name for
    /// [`Category::Necessary`](super::Category::Necessary).
    pub const NECESSARY: Self = Self::from_static("necessary");
    /// Convenience: language, theme, remembered choices.
    pub const FUNCTIONAL: Self = Self::from_static("functional");
    /// Measurement of how the service is used.
    pub const ANALYTICS: Self = Self::from_static("analytics");
    /// Advertising.
    pub const MARKETING: Self = Self::from_static("marketing");
    /// Content selected for the person.
    pub const PERSONALISATION: Self = Self::from_static("personalisation");

    const WELL_KNOWN: [Self; 5] =
        [Self::NECESSARY, Self::FUNCTIONAL, Self::ANALYTICS, Self::MARKETING, Self::PERSONALISATION];

    /// Creates a name from text that arrives at run time, such as a form field.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name breaks the rules.
    pub fn new(name: &str) -> Result<Self> {
        if let Some(known) = Self::WELL_KNOWN.into_iter().find(|known| known.as_str() == name) {
            return Ok(known);
        }
        if !is_valid(name) {
            return Err(Error::new(ErrorKind::InvalidInput, RULE));
        }
        Ok(Self(Name::Shared(name.into())))
    }

    /// Creates the name of an application's own purpose, for a constant.
    ///
    /// # Panics
    ///
    /// If the name breaks the rules. In a `const` this is a compile error:
    ///
    /// ```compile_fail
    /// # use tower_guestbook::consent::PurposeId;
    /// const WRONG: PurposeId = PurposeId::from_static("Two Words");
    /// # let _ = WRONG;
    /// ```
    pub const fn from_static(name: &'static str) -> Self {
        assert!(is_valid(name), "{}", RULE);
        Self(Name::Static(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Shared(name) => name,
        }
    }
}

impl TryFrom<&str> for PurposeId {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

/// Clones the name, without an allocation.
impl From<&Self> for PurposeId {
    fn from(purpose: &Self) -> Self {
        purpose.clone()
    }
}

/// The name as text, for [`Purpose::new`](super::Purpose::new).
impl From<PurposeId> for String {
    fn from(purpose: PurposeId) -> Self {
        purpose.as_str().to_owned()
    }
}

impl PartialEq for PurposeId {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_str(), other.as_str()) || self.as_str() == other.as_str()
    }
}

impl Eq for PurposeId {}

impl PartialOrd for PurposeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PurposeId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for PurposeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for PurposeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PurposeId({})", self.as_str())
    }
}

impl fmt::Display for PurposeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for PurposeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PurposeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

const RULE: &str = "the name of a purpose has 1 to 64 bytes of a to z, digits, '_' and '-', and begins with a letter";

const fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > 64 || !bytes[0].is_ascii_lowercase() {
        return false;
    }
    let mut index = 1;
    while index < bytes.len() {
        if !matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
            return false;
        }
        index += 1;
    }
    true
}
