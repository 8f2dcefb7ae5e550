//! One-shot messages: put by one request, shown by the next.

use serde::{Deserialize, Serialize};

use super::session::{RESERVED, Session};
use crate::{error::Result, id::SessionId};

/// A message for the next page, see [`Session::flash`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flash {
    /// What kind of message, in the application's words: "info", "error".
    pub level: String,
    /// The message.
    pub text: String,
}

impl Session {
    /// Leaves a message for the next request that [takes](Self::take_flashes) it. Parallel requests lose none: each
    /// message has its own key.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert).
    pub fn flash(&self, level: &str, text: &str) -> Result<()> {
        // A UUIDv7 orders the messages by time.
        let key = format!("{RESERVED}flash.{}", SessionId::generate(self.visit_now())?);
        let flash = Flash { level: level.into(), text: text.into() };
        self.change(|changes| changes.set(&key, &flash))
    }

    /// The messages that were left, the oldest first; they are gone afterwards.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get) and [`remove`](Self::remove).
    pub fn take_flashes(&self) -> Result<Vec<Flash>> {
        let keys: Vec<_> = self.all_keys().into_iter().filter(|key| key.starts_with("guestbook.flash.")).collect();
        let mut flashes = Vec::with_capacity(keys.len());
        for key in &keys {
            flashes.extend(self.get(key)?);
        }
        if !keys.is_empty() {
            self.change(|changes| {
                keys.iter().for_each(|key| changes.remove(key));
                Ok(())
            })?;
        }
        Ok(flashes)
    }
}
