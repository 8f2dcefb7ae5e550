//! The noun: what a session is, how its data changes, when it ends. No I/O here.

mod anonymous;
mod changes;
mod data;
mod login;
mod policy;
mod realm;
mod record;
mod renewal;
mod status;

pub(crate) use self::data::decode;
pub(crate) use crate::model::client::{Device, TruncatedAddress};

pub(crate) use self::renewal::{is_renewal_due, note_renewal};
pub use self::{
    anonymous::AnonymousLimits,
    changes::{Changes, Merge},
    data::{SessionData, SessionLimits},
    login::{CredentialEpoch, Login},
    policy::{Lifetime, OnSessionLimit, SessionCap},
    realm::Realm,
    record::{SessionHead, SessionInfo, SessionRecord},
    status::{SessionStatus, session_status},
};
