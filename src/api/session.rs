//! Sessions: [`Session`] in a handler, [`Sessions`] outside a request, and the data and rules of both.
//!
//! ```
//! use std::time::Duration;
//! use tower_guestbook::{SessionId, Timestamp, session::{Lifetime, SessionHead, Verdict, judge}};
//!
//! let start = Timestamp::from_millis(0);
//! let lifetime = Lifetime::new(Duration::from_secs(600), Duration::from_secs(3_600));
//! let head = SessionHead::new(SessionId::generate(start)?, start, lifetime);
//! assert_eq!(judge(&head, start.after(Duration::from_secs(1))), Verdict::Keep);
//! assert_eq!(judge(&head, start.after(Duration::from_secs(30))), Verdict::Touch);
//! assert_eq!(judge(&head, start.after(Duration::from_secs(600))), Verdict::Expire);
//! # Ok::<(), tower_guestbook::Error>(())
//! ```

pub use crate::{
    engine::sessions::Sessions,
    model::session::*,
    request::{Flash, Session},
};
