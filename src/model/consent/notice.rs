//! [`Notice`]: the text that people agree to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::PurposeId;
use crate::{
    error::{Error, ErrorKind, Result},
    hex::{Hex, from_hex},
};

/// The text that people agree to: one for each purpose, version and language.
///
/// A published text is immutable. A changed text needs a new version, on the notice and on the
/// [purpose](crate::consent::Purpose::notice_version); grants under the old version then no longer
/// count.
///
/// # Examples
///
/// ```
/// use tower_guestbook::consent::{Notice, NoticeHash, PurposeId};
///
/// let text = "We count which pages are read.";
/// let notice = Notice::new(PurposeId::ANALYTICS, 1, "en", text)?;
/// assert_eq!(notice.hash(), NoticeHash::of(text));
/// assert!(Notice::new(PurposeId::ANALYTICS, 0, "en", text).is_err(), "versions begin with 1");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    purpose: PurposeId,
    version: u32,
    language: String,
    text: String,
    hash: NoticeHash,
}

/// The SHA-256 of the text of a notice. The text alone suffices to verify it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeHash([u8; 32]);

/// The longest text of a notice, in bytes.
const MAX_BYTES: usize = 64 * 1024;

impl Notice {
    /// Creates the notice of a purpose, in one version and one language (BCP 47).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the text is empty or longer than 64 KiB, the version is 0, or
    /// the language is not a language tag.
    pub fn new(
        purpose: impl Into<PurposeId>,
        version: u32,
        language: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<Self> {
        let (language, text) = (language.into(), text.into());
        let is_tag = (2..=35).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if version == 0 || !is_tag || text.is_empty() || text.len() > MAX_BYTES {
            let context = "a notice needs a version from 1, a language tag and a text of 1 byte to 64 KiB";
            return Err(Error::new(ErrorKind::InvalidInput, context));
        }
        let hash = NoticeHash::of(&text);
        Ok(Self { purpose: purpose.into(), version, language, text, hash })
    }

    /// Returns the purpose.
    pub fn purpose(&self) -> &PurposeId {
        &self.purpose
    }

    /// Returns the version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the language.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the hash of the text.
    pub fn hash(&self) -> NoticeHash {
        self.hash
    }
}

impl NoticeHash {
    /// Computes the hash of a text.
    ///
    /// ```
    /// use tower_guestbook::consent::NoticeHash;
    ///
    /// let hash = NoticeHash::of("We count which pages are read.");
    /// assert_eq!(hash.to_string().parse::<NoticeHash>()?, hash);
    /// # Ok::<(), tower_guestbook::Error>(())
    /// ```
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Creates a hash from stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for NoticeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for NoticeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoticeHash({self})")
    }
}

impl FromStr for NoticeHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new(ErrorKind::InvalidInput, "the hash of a notice is 64 hexadecimal digits");
        from_hex(text).map(Self).ok_or_else(wrong)
    }
}

impl Serialize for NoticeHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NoticeHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
