//! [`CredentialStamp`]: a fingerprint of a user's credentials.

use std::fmt;

use sha2::{Digest, Sha256};

/// A fingerprint of a user's credentials, which a session keeps from the login on.
///
/// Make it from what changes with the credentials: the stored password hash, or a version number of
/// the account. [`UserLoader::stamp`](crate::session::UserLoader::stamp) returns the current one each time
/// the user is loaded. A session with another stamp has ended: so a password that was changed
/// without this library, by a migration or an administrator's SQL, ends the sessions that began
/// before.
///
/// The [epoch](super::CredentialEpoch) does the same for changes that the library is told of, at
/// once and for logins in progress too.
///
/// Only the first 16 bytes of a SHA-256 are kept, so a stolen session row reveals no password hash.
///
/// ```
/// use tower_guestbook::session::CredentialStamp;
///
/// let before = CredentialStamp::of("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA");
/// assert_eq!(before, CredentialStamp::of("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"));
/// assert_ne!(before, CredentialStamp::of("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$b3RoZXI"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialStamp([u8; 16]);

impl CredentialStamp {
    /// Returns the stamp of these bytes.
    pub fn of(credentials: impl AsRef<[u8]>) -> Self {
        let hash = Sha256::new().chain_update(b"guestbook stamp 1\n").chain_update(credentials);
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        Self(first)
    }

    /// Returns the stamp that a store has kept as these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for a store that keeps them.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Redacted: it is made from a secret.
impl fmt::Debug for CredentialStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialStamp(..)")
    }
}
