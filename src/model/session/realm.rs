//! [`Realm`]: which kind of accounts a session belongs to.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, ErrorKind, Result};

/// A name for one kind of accounts: 1 to 64 of the characters `a-z`, `0-9`, `-`, `_` and `.`.
///
/// Each session belongs to one realm. A guestbook serves the sessions of its own realm only, see
/// [`GuestbookBuilder::realm`](crate::GuestbookBuilder::realm): give each kind of accounts that
/// shares a store a realm of its own. The default realm is called `default`.
///
/// ```
/// use tower_guestbook::session::Realm;
///
/// let admins = Realm::try_from("admins")?;
/// assert_eq!(admins.as_str(), "admins");
/// assert_eq!(Realm::try_from("default")?, Realm::default());
/// assert!(Realm::try_from("").is_err());
/// assert!(Realm::try_from("Admins").is_err());
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Realm {
    /// `None` is the default realm, which most services have: it costs no allocation.
    name: Option<Arc<str>>,
}

const DEFAULT: &str = "default";
const MAX_BYTES: usize = 64;

impl Realm {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT)
    }
}

impl TryFrom<&str> for Realm {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > MAX_BYTES || !name.bytes().all(is_allowed) {
            let problem = "a realm has 1 to 64 of the characters a-z, 0-9, '-', '_' and '.'";
            return Err(Error::new(ErrorKind::InvalidInput, problem));
        }
        Ok(Self { name: (name != DEFAULT).then(|| name.into()) })
    }
}

impl TryFrom<String> for Realm {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::try_from(name.as_str())
    }
}

impl From<&Realm> for Realm {
    fn from(realm: &Realm) -> Self {
        realm.clone()
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Realm").field(&self.as_str()).finish()
    }
}

impl Serialize for Realm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Realm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realm_accepts_its_characters_and_length_and_nothing_else() {
        for name in ["a", "shop-customers", "admin_2", "shop.example", &"x".repeat(64)] {
            assert_eq!(Realm::try_from(name).unwrap().as_str(), name);
        }
        for name in ["", "A", "a b", "a/b", "ä", "a\0", "a:b", &"x".repeat(65)] {
            assert_eq!(Realm::try_from(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn the_default_realm_by_name_is_the_default_realm() {
        let json = serde_json::to_string(&Realm::default()).unwrap();
        assert_eq!(json, "\"default\"");
        assert_eq!(serde_json::from_str::<Realm>(&json).unwrap(), Realm::default());
        assert!(serde_json::from_str::<Realm>("\"No\"").is_err());
    }
}
