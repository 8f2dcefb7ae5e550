//! Sessions: [`Session`] in a handler, [`Sessions`] outside a request, and the data and rules of
//! both.
//!
//! ```
//! use std::time::Duration;
//! use tower_guestbook::{SessionId, Timestamp, session::{Lifetime, SessionHead, SessionStatus, session_status}};
//!
//! let start = Timestamp::from_millis(0);
//! let lifetime = Lifetime::new(Duration::from_secs(600), Duration::from_secs(3_600));
//! let head = SessionHead::new(SessionId::generate(start)?, start, lifetime);
//! assert_eq!(session_status(&head, start.after(Duration::from_secs(1))), SessionStatus::Keep);
//! assert_eq!(session_status(&head, start.after(Duration::from_secs(30))), SessionStatus::Touch);
//! assert_eq!(session_status(&head, start.after(Duration::from_secs(600))), SessionStatus::Expire);
//! # Ok::<(), tower_guestbook::Error>(())
//! ```

#[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0-14"))]
pub mod tower_sessions;

#[doc(no_inline)]
pub use crate::Session;
pub use crate::{
    engine::{
        sessions::Sessions,
        users::{Permission, UserLoader},
    },
    model::session::*,
    request::Flash,
};
