//! Plain data for consent: purposes, notices, decisions and the rule that derives a verdict. No
//! I/O.

mod category;
mod choices;
mod consent_record;
mod consent_state;
mod consent_states;
mod decision;
mod decision_context;
mod mode;
mod notice;
mod processing;
mod proof;
mod purpose;
mod purpose_cookie;
mod purpose_id;
mod purposes;
mod resolve;
mod signals;
mod subject;
mod verdict;

pub use self::{
    category::{Category, LegalBasis},
    choices::Choices,
    consent_record::{ConsentId, ConsentRecord},
    consent_state::ConsentState,
    consent_states::{ConsentStates, MergePolicy, RecordedState},
    decision::{Decision, DecisionEvent},
    decision_context::{DecisionContext, Jurisdiction},
    mode::{Mode, Regime},
    notice::{Notice, NoticeHash},
    processing::Processing,
    proof::{DecisionMethod, Proof},
    purpose::Purpose,
    purpose_cookie::PurposeCookie,
    purpose_id::PurposeId,
    purposes::{Purposes, PurposesBuilder},
    resolve::resolve,
    signals::Signals,
    subject::Subject,
    verdict::{Reason, Verdict},
};
pub(crate) use self::{
    choices::Choice,
    purpose_cookie::{is_cookie_domain, is_host_prefixed, is_secure_prefixed},
};
