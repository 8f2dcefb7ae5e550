//! Identifiers: [`UserId`], the public [`SessionId`], the secret [`SessionToken`] and its hash,
//! [`SessionKey`].

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// The application's own identifier of a user: 1 to 255 bytes of text without control characters.
///
/// Two ids are equal if their bytes are. Integers and UUIDs convert without a check, text with one;
/// [`parse`](Self::parse) converts back.
///
/// There is no `Display` and `Debug` is redacted, because an id is personal data and does not
/// belong into a log by accident. Use [`as_str`](Self::as_str) where it shall be seen.
///
/// ```
/// use tower_guestbook::UserId;
///
/// let row: u64 = 42;
/// let user = UserId::from(row);
/// assert_eq!(user.as_str(), "42");
/// assert_eq!(user.parse::<u64>(), Ok(row));
///
/// assert_eq!(UserId::try_from("ada")?.as_str(), "ada");
/// assert!(UserId::try_from("a\nb").is_err());
/// assert!(UserId::try_from("x".repeat(256)).is_err());
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Converts the id back to the type it was made from, such as the key of a row.
    ///
    /// # Errors
    ///
    /// The error of `T`'s [`FromStr`] if the text is not a `T`.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.0.parse()
    }

    fn checked(text: &str) -> Result<Self> {
        let problem = if text.is_empty() {
            "a user id must not be empty"
        } else if text.len() > 255 {
            "a user id has at most 255 bytes"
        } else if text.chars().any(char::is_control) {
            "a user id must not contain control characters"
        } else {
            return Ok(Self(text.into()));
        };
        Err(Error::new(ErrorKind::InvalidInput, problem))
    }
}

macro_rules! from_integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for UserId {
            fn from(id: $integer) -> Self {
                Self(id.to_string().into())
            }
        }
    )*};
}

from_integers!(i32 i64 u32 u64 usize);

impl From<Uuid> for UserId {
    fn from(id: Uuid) -> Self {
        Self(id.to_string().into())
    }
}

impl TryFrom<&str> for UserId {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::checked(text)
    }
}

impl TryFrom<String> for UserId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::checked(&text)
    }
}

impl TryFrom<&String> for UserId {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        Self::checked(text)
    }
}

impl From<&UserId> for UserId {
    fn from(id: &UserId) -> Self {
        id.clone()
    }
}

/// Redacted: a user id is personal data. Use [`as_str`](UserId::as_str) where it is meant to be
/// seen.
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(redacted)")
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A visitor without an account: a random UUID. It may appear in events and receipts, and does not
/// authorise decisions.
///
/// With consent configured, a visitor who decides gets one, derived from the secret in their cookie
/// by a hash. Otherwise the application may insert one into the request's extensions before the
/// activity layer, or set it in its `enrich` hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VisitorId(Uuid);

impl VisitorId {
    /// A new id: 122 random bits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the operating system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut random = [0; 16];
        fill_random(&mut random)?;
        Ok(Self(uuid::Builder::from_random_bytes(random).into_uuid()))
    }

    /// The id as a UUID.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for VisitorId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

/// The secret that a visitor's cookie holds: 122 random bits, 32 hexadecimal digits on the wire.
/// Its holder can decide as that visitor, so only what is made from it is stored and shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct VisitorToken(Uuid);

impl VisitorToken {
    pub(crate) fn generate() -> Result<Self> {
        VisitorId::generate().map(|id| Self(id.0))
    }

    /// Reads a token as a client sends it: the one spelling of 32 lower-case digits.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let is_plain = text.len() == 32 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let token = is_plain.then(|| Uuid::try_parse_ascii(text).ok()).flatten()?;
        (token.get_version_num() == 4).then_some(Self(token))
    }

    pub(crate) fn expose_secret(self) -> String {
        self.0.as_simple().to_string()
    }

    /// Who it is.
    pub(crate) fn visitor(self) -> VisitorId {
        let digest = Sha256::digest(self.0.as_bytes());
        let bytes = digest.first_chunk().expect("a digest has 32 bytes");
        VisitorId(uuid::Builder::from_custom_bytes(*bytes).into_uuid())
    }
}

impl fmt::Debug for VisitorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisitorToken(redacted)")
    }
}

/// The public id of a session, a UUIDv7 (RFC 9562). It may appear in lists and logs, and does not
/// authenticate anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// A new id of the given time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the operating system gives no random bytes.
    pub fn generate(now: Timestamp) -> Result<Self> {
        uuid_of(now).map(Self)
    }

    /// The id as a UUID.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for SessionId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::parse_str(text)
            .map(Self)
            .map_err(|error| Error::new(ErrorKind::InvalidInput, "a session id is a UUID").with_source(error))
    }
}

/// The secret that lets a client in: 256 bits from the operating system, 43 characters of base64url
/// on the wire.
///
/// It is never stored, has no `Display`, shows nothing in `Debug` and is wiped when dropped.
///
/// ```
/// use tower_guestbook::SessionToken;
///
/// let token = SessionToken::generate()?;
/// let text = token.expose_secret();
/// assert_eq!(text.len(), 43);
/// assert_eq!(SessionToken::parse(text.as_bytes()).unwrap().key(), token.key());
/// assert_eq!(format!("{token:?}"), "SessionToken(redacted)");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone)]
pub struct SessionToken([u8; 32]);

impl SessionToken {
    /// The length of a token on the wire.
    pub(crate) const ENCODED_LEN: usize = 43;

    /// A new token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the operating system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads a token as a client sends it. Anything but the one canonical encoding of 32 bytes is
    /// `None`.
    pub fn parse(encoded: &[u8]) -> Option<Self> {
        if encoded.len() != Self::ENCODED_LEN {
            return None;
        }
        // 43 characters carry 258 bits. The decoder insists that the two spare ones are zero;
        // otherwise four texts would name one session. It wants room for whole groups of four
        // characters.
        let mut bytes = Zeroizing::new([0; 33]);
        let length = BASE64URL.decode_slice(encoded, &mut bytes[..]).ok()?;
        let token = bytes.first_chunk().filter(|_| length == 32)?;
        Some(Self(*token))
    }

    /// Reads an id as tower-sessions sends it: the one encoding of 16 bytes in 22 characters.
    #[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0-14"))]
    pub(crate) fn parse_tower_sessions_id(encoded: &[u8]) -> Option<Self> {
        if encoded.len() != 22 {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 18]);
        let length = BASE64URL.decode_slice(encoded, &mut bytes[..]).ok()?;
        bytes.first_chunk().filter(|_| length == 16).copied().map(Self::from_tower_sessions_id)
    }

    /// The token that an id of tower-sessions stands for: its 128 random bits, then zeros.
    #[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0-14"))]
    pub(crate) fn from_tower_sessions_id(id: [u8; 16]) -> Self {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&id);
        Self(bytes)
    }

    /// The token as it goes to the client. The text is wiped when dropped; do not log or store it.
    pub fn expose_secret(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL.encode(self.0))
    }

    /// Under which key the session is stored.
    pub fn key(&self) -> SessionKey {
        SessionKey(Sha256::digest(self.0).into())
    }
}

impl Drop for SessionToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(redacted)")
    }
}

/// The SHA-256 of a [`SessionToken`], under which a store keeps a session. A reader of the store
/// cannot log in with it.
///
/// A token has 256 random bits, so a plain fast hash is enough: there is nothing to guess that salt
/// would protect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// From stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(redacted)")
    }
}

/// A new UUIDv7.
pub(crate) fn uuid_of(now: Timestamp) -> Result<Uuid> {
    let mut random = [0; 10];
    fill_random(&mut random)?;
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        Error::new(ErrorKind::Internal, "the operating system gave no random bytes").with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_spelling() {
        let token = SessionToken::generate().unwrap();
        let text = token.expose_secret();
        let last = text.as_bytes()[42];
        let without_source = (0..=u8::MAX).filter(|byte| {
            let mut changed = text.as_bytes().to_vec();
            changed[42] = *byte;
            *byte != last && SessionToken::parse(&changed).is_some_and(|other| other.key() == token.key())
        });
        assert_eq!(without_source.count(), 0);
        assert!(SessionToken::parse(format!("{}=", &*text).as_bytes()).is_none());
        assert!(SessionToken::parse(&text.as_bytes()[..42]).is_none());
    }

    #[test]
    fn a_visitors_token_has_one_spelling_and_its_id_does_not_tell_it() {
        let token = VisitorToken::generate().unwrap();
        let text = token.expose_secret();
        assert_eq!(VisitorToken::parse(text.as_bytes()), Some(token));
        assert_eq!(token.visitor(), token.visitor());
        assert_ne!(token.visitor().as_uuid().as_simple().to_string(), text);
        assert!(VisitorToken::parse(token.visitor().as_uuid().as_simple().to_string().as_bytes()).is_none());
        for odd in [text.to_uppercase(), format!("{text}0"), text[1..].to_owned(), token.0.to_string()] {
            assert!(VisitorToken::parse(odd.as_bytes()).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_million_tokens_are_unique_and_their_bits_are_balanced() {
        let mut keys = std::collections::HashSet::with_capacity(1_000_000);
        let mut ones = [0u32; 256];
        for _ in 0..1_000_000 {
            let token = SessionToken::generate().unwrap();
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += u32::from(token.0[bit / 8] >> (bit % 8) & 1);
            }
            assert!(keys.insert(token.0));
        }
        // Ten standard deviations of a fair coin (500 each): a healthy generator fails once in
        // 10^20 runs.
        assert!(ones.iter().all(|count| count.abs_diff(500_000) < 5_000));
    }
}
