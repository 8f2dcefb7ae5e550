//! [`CookielessVisitors`]: visitors told apart for a day, without a cookie.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use uuid::Builder;

use crate::{
    id::{VisitorId, fill_random},
    mac::{Mac, hmac},
    model::client::{Agent, TruncatedAddress},
    time::Timestamp,
};

/// Makes the ids of visitors who have neither a session nor a cookie. See
/// [`ActivityRules::cookieless_visitors`](super::ActivityRules::cookieless_visitors).
#[derive(Default)]
pub(super) struct CookielessVisitors {
    salt: Mutex<Option<Salt>>,
}

/// Random bytes that are in memory only, for one day (UTC).
#[derive(Clone, Copy)]
struct Salt {
    day: i64,
    bytes: [u8; 32],
}

const DAY: i64 = 86_400_000;

impl CookielessVisitors {
    /// Returns the id of the visitor for this day; `None` without a network, or if the system has
    /// no random bytes.
    pub(super) fn visitor(
        &self,
        network: Option<TruncatedAddress>,
        agent: Agent,
        site: &[u8],
        now: Timestamp,
    ) -> Option<VisitorId> {
        let salt = self.salt(now.as_millis().div_euclid(DAY))?;
        let mut mac = hmac(&salt);
        let Agent { browser, system, device, .. } = agent;
        for part in [
            network?.to_string().as_bytes(),
            browser.unwrap_or_default().as_bytes(),
            system.unwrap_or_default().as_bytes(),
            device.as_str().as_bytes(),
            site,
        ] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Some(Builder::from_custom_bytes(id).into_uuid().into())
    }

    /// Returns the salt of a day. It replaces that of the day before, which nobody can know again.
    fn salt(&self, day: i64) -> Option<[u8; 32]> {
        let mut salt = self.salt.lock().unwrap_or_else(PoisonError::into_inner);
        match *salt {
            Some(Salt { day: of, bytes }) if of == day => Some(bytes),
            _ => {
                let mut bytes = [0; 32];
                fill_random(&mut bytes)
                    .inspect_err(|error| tracing::error!(%error, "visitors without a cookie are not told apart"))
                    .ok()?;
                *salt = Some(Salt { day, bytes });
                Some(bytes)
            }
        }
    }
}

/// Redacted: with the salt, networks could be guessed from ids.
impl fmt::Debug for CookielessVisitors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookielessVisitors").finish_non_exhaustive()
    }
}
