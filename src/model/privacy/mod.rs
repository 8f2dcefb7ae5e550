//! Plain data for privacy rights, without I/O. [`Rights`](crate::privacy::Rights) uses it.

mod audit;
mod erasure;
mod hold;
mod journal;
mod request;
mod restriction;
mod signature;

pub(crate) use self::request::Presented;
pub use self::{
    audit::{
        ActionName, Actor, ActorKind, AuditAction, AuditCheckpoint, AuditContent, AuditEntry, AuditFault, AuditFlaw,
        AuditHash, AuditHead, AuditKey, AuditNote, AuditPayload, AuditRow, AuditVerifier, VerificationReport,
    },
    erasure::{ErasedActivities, ErasedCounts, Erasure, ErasureId, Pseudonym},
    hold::{HeldClass, LegalHold, RetainedData},
    journal::{JournalEntry, JournalKind, StoreFingerprint},
    request::{
        ConfirmationToken, PrivacyRequest, RequestId, RequestKind, RequestState, RequestStep, RequestSubject,
        StoredRequest,
    },
    restriction::{Restriction, RestrictionReason},
    signature::ReceiptSignature,
};
