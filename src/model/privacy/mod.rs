//! The noun: privacy rights as plain data. No I/O here. Who exercises them is [`Rights`](crate::privacy::Rights).

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
        ActionName, Actor, ActorKind, AuditAction, AuditCheckpoint, AuditEntry, AuditFault, AuditFlaw, AuditHash,
        AuditHead, AuditKey, AuditNote, AuditPayload, AuditRow, Disclosed, Verifier, VerifyReport,
    },
    erasure::{Erased, ErasedActivities, Erasure, ErasureId, Pseudonym},
    hold::{HeldClass, LegalHold, Retained},
    journal::{JournalEntry, JournalKind, StoreFingerprint},
    request::{
        ConfirmationToken, PrivacyRequest, RequestId, RequestKind, RequestState, RequestStep, RequestSubject,
        StoredRequest,
    },
    restriction::{Restriction, RestrictionReason},
    signature::ReceiptSignature,
};
