//! The noun: for what purposes data is used, what somebody decided, and what follows from it. No I/O here.

mod choice;
mod cookie;
mod decision;
mod notice;
mod processing;
mod purpose;
mod record;
mod registry;
mod resolve;
mod standings;
mod subject;

pub(crate) use self::{
    choice::Choice,
    cookie::{is_cookie_domain, is_host_prefixed, is_secure_prefixed},
};
pub use self::{
    choice::{Choices, Circumstances, Jurisdiction},
    cookie::PurposeCookie,
    decision::{Decided, Decision, Standing},
    notice::{Notice, NoticeHash},
    processing::Processing,
    purpose::{Category, LegalBasis, Mode, Purpose, PurposeId, Regime},
    record::{ConsentId, ConsentRecord, Method, Proof},
    registry::{Purposes, PurposesBuilder},
    resolve::{Signals, Verdict, Why, resolve},
    standings::{Held, MergePolicy, Standings},
    subject::Subject,
};
