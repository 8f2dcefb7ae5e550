//! Plain data for sessions: what a session is, how its data changes, when it ends.

mod anonymous;
mod changes;
mod data;
mod events;
mod login;
mod policy;
mod realm;
mod record;
mod renewal;
mod stamp;
mod status;

pub(crate) use self::{data::decode, login::LoginParts};
pub(crate) use crate::model::client::{Device, TruncatedAddress};

pub(crate) use self::renewal::{is_renewal_due, note_renewal};
pub use self::{
    anonymous::AnonymousLimits,
    changes::{Changes, Merge},
    data::{SessionData, SessionLimits},
    events::{LoginEvent, LogoutEvent},
    login::{CredentialEpoch, Login},
    policy::{Lifetime, OnSessionLimit, SessionCap},
    realm::Realm,
    record::{SessionHead, SessionInfo, SessionRecord},
    stamp::CredentialStamp,
    status::{SessionStatus, session_status},
};
