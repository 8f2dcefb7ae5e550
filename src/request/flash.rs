//! Flash messages: set by one request, shown by the next.

use serde::{Deserialize, Serialize};

use super::session::Session;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{error::Result, id::SessionId, model::session::decode};

/// A message for the next page, see [`Session::flash`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flash {
    /// Level of the message, chosen by the application: "info", "error".
    pub level: String,
    /// The message.
    pub text: String,
}

impl Session {
    /// Leaves a message for the next request that [takes](Self::take_flashes) it. Parallel requests
    /// lose none: each message has its own key.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert).
    pub fn flash(&self, level: &str, text: &str) -> Result<()> {
        // In order of time; within the same time, in order of insertion.
        let now = self.request_time();
        let (left, id) = (self.count_keys(PREFIX), SessionId::generate(now)?);
        let key = format!("{PREFIX}{:016x}.{left:04x}.{id}", now.as_millis());
        let flash = Flash { level: level.into(), text: text.into() };
        self.change(|changes| changes.set(&key, &flash))
    }

    /// Removes the messages that were left and returns them, the oldest first. It is one step in
    /// the store: of parallel requests exactly one gets each message. A request that sees no
    /// message does not ask the store.
    ///
    /// The messages are gone when this returns, whatever becomes of the response. If the store does
    /// not answer in time, they may be gone as well.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if the session ended meanwhile, and what the store reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{Result, Session};
    ///
    /// async fn page(session: Session) -> Result<String> {
    ///     let messages = session.take_flashes().await?;
    ///     Ok(messages.iter().map(|flash| format!("<p>{}</p>", flash.text)).collect())
    /// }
    /// # let _ = page;
    /// ```
    pub async fn take_flashes(&self) -> Result<Vec<Flash>> {
        let taken = self.take_all(PREFIX).await?;
        let read = |(key, json): (String, String)| match decode(&key, &json) {
            Ok(flash) => Some(flash),
            Err(error) => {
                tracing::warn!(%error, "a message that another version of this library left is dropped");
                None
            }
        };
        Ok(taken.into_iter().filter_map(read).collect())
    }
}

/// Prefix of the keys of messages, reserved for this crate.
const PREFIX: &str = "guestbook.flash.";
