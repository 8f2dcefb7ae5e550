//! [`ConfirmationToken`]: the secret with which a user confirms an erasure.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Presented;
use crate::{error::Result, id::SessionToken, time::Timestamp};

/// The secret with which a user confirms an erasure. Send it over a channel that only the user can
/// read, such as mail.
///
/// 256 random bits, as 43 characters of base64url. Only its hash is stored. `Debug` does not show
/// it, and it is wiped when dropped.
#[derive(Clone)]
pub struct ConfirmationToken(SessionToken);

/// The stored hash of a token, and how long and how often it may be tried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Challenge {
    hash: [u8; 32],
    expires_at: Timestamp,
    tries: u8,
}

/// How long a token is valid.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How many times a token may be tried. Nobody guesses 256 bits, and nobody needs more tries.
const TRIES: u8 = 5;

impl ConfirmationToken {
    pub(super) fn generate() -> Result<Self> {
        SessionToken::generate().map(Self)
    }

    /// Parses a token. Returns `None` for anything but the canonical encoding of 32 bytes.
    pub fn parse(encoded: &[u8]) -> Option<Self> {
        SessionToken::parse(encoded).map(Self)
    }

    /// Returns the token to send to the user. The text is wiped when dropped; do not log or store
    /// it.
    pub fn expose_secret(&self) -> Zeroizing<String> {
        self.0.expose_secret()
    }
}

impl Challenge {
    pub(super) fn of(token: &ConfirmationToken, now: Timestamp) -> Self {
        Self { hash: *token.0.key().as_bytes(), expires_at: now.after(LIFETIME), tries: TRIES }
    }

    pub(super) fn present(&mut self, token: &ConfirmationToken, now: Timestamp) -> Presented {
        let presented = token.0.key();
        // In constant time.
        let differences = self.hash.iter().zip(presented.as_bytes()).fold(0, |bits, (a, b)| bits | (a ^ b));
        if differences == 0 && now < self.expires_at && self.tries > 0 {
            return Presented::Right;
        }
        self.tries = self.tries.saturating_sub(1);
        Presented::Wrong
    }

    pub(super) fn is_spent(&self) -> bool {
        self.tries == 0
    }
}

impl fmt::Debug for ConfirmationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfirmationToken(redacted)")
    }
}
