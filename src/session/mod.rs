//! The noun: what a session is, how its data changes, when it ends. No I/O here.

mod changes;
mod data;
mod device;
mod policy;
mod record;

pub use self::{
    changes::{Changes, Merge},
    data::{SessionData, SessionLimits},
    device::{Device, TruncatedAddress},
    policy::{Lifetime, OnSessionLimit, SessionCap, Verdict, judge},
    record::{SessionHead, SessionInfo, SessionRecord},
};
