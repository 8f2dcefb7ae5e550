//! The noun: what a session is, how its data changes, when it ends. No I/O here.
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

mod anonymous;
mod changes;
mod data;
mod login;
mod policy;
mod realm;
mod record;
mod renewal;

pub(crate) use self::data::decode;
pub use crate::client::{Device, TruncatedAddress};

pub(crate) use self::renewal::{is_renewal_due, note_renewal};
pub use self::{
    anonymous::AnonymousLimits,
    changes::{Changes, Merge},
    data::{SessionData, SessionLimits},
    login::{CredentialEpoch, Login},
    policy::{Lifetime, OnSessionLimit, SessionCap, Verdict, judge},
    realm::Realm,
    record::{SessionHead, SessionInfo, SessionRecord},
};
