//! [`ConfirmationToken`]: the secret by which somebody confirms that they want to be erased.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Presented;
use crate::{error::Result, id::SessionToken, time::Timestamp};

/// A secret that goes to the user on a way that only they can read, a mail, say, and comes back with their confirmation.
///
/// 256 random bits, 43 characters of base64url. Only its hash is stored; it shows nothing in `Debug` and is wiped when dropped.
#[derive(Clone)]
pub struct ConfirmationToken(SessionToken);

/// What is stored of a token, and how long and how often it may be tried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Challenge {
    hash: [u8; 32],
    expires_at: Timestamp,
    tries: u8,
}

/// So long a mail may lie unread.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// So often a token may be tried: nobody guesses one of 256 bits, but nobody has to try more often either.
const TRIES: u8 = 5;

impl ConfirmationToken {
    pub(super) fn generate() -> Result<Self> {
        SessionToken::generate().map(Self)
    }

    /// Reads a token as it comes back. Anything but the one canonical encoding of 32 bytes is `None`.
    pub fn parse(encoded: &[u8]) -> Option<Self> {
        SessionToken::parse(encoded).map(Self)
    }

    /// The token as it goes to the user. The text is wiped when dropped; do not log or store it.
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
