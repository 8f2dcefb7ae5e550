//! The noun: for what purposes data is used, what somebody decided, and what follows from it. No I/O here.

mod choice;
mod consent_states;
mod cookie;
mod decision;
mod notice;
mod processing;
mod purpose;
mod record;
mod registry;
mod resolve;
mod subject;

pub(crate) use self::{
    choice::Choice,
    cookie::{is_cookie_domain, is_host_prefixed, is_secure_prefixed},
};
pub use self::{
    choice::{Choices, DecisionContext, Jurisdiction},
    consent_states::{ConsentStates, MergePolicy, RecordedState},
    cookie::PurposeCookie,
    decision::{ConsentState, Decision, DecisionEvent},
    notice::{Notice, NoticeHash},
    processing::Processing,
    purpose::{Category, LegalBasis, Mode, Purpose, PurposeId, Regime},
    record::{ConsentId, ConsentRecord, DecisionMethod, Proof},
    registry::{Purposes, PurposesBuilder},
    resolve::{Reason, Signals, Verdict, resolve},
    subject::Subject,
};
