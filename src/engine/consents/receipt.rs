//! [`Receipt`]: what somebody can take home of their decisions, with the field names of ISO/IEC TS 27560:2023.

use serde::Serialize;

use super::settings::Controller;
use crate::{
    model::consent::{
        Category, ConsentId, ConsentRecord, Decision, DecisionMethod, LegalBasis, NoticeHash, Purposes, Subject,
    },
    time::Timestamp,
};

/// A receipt of consent: what somebody can take home of their decisions. Its sections and fields are named as in ISO/IEC TS
/// 27560:2023, as far as the W3C's guide for it names them; times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Always `ISO/IEC TS 27560:2023`.
    pub schema_version: &'static str,
    /// The name of this receipt.
    pub receipt_id: ConsentId,
    /// When it was made.
    pub receipt_time: Timestamp,
    /// Whose it is.
    pub pii_principal_id: Subject,
    /// Who is responsible.
    pub pii_controllers: Vec<Controller>,
    /// For what there is a decision.
    pub pii_processing: Vec<ReceiptPurpose>,
}

/// What a receipt says of a purpose.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReceiptPurpose {
    /// The name.
    pub purpose: String,
    /// Its category.
    pub purpose_type: Option<Category>,
    /// The legal basis.
    pub lawful_basis: Option<LegalBasis>,
    /// How long a grant lasts, in seconds.
    pub retention_period_seconds: Option<u64>,
    /// How to take it back.
    pub withdrawal_method: &'static str,
    /// What was decided, the last first.
    pub events: Vec<ReceiptEvent>,
}

/// A decision on a receipt.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReceiptEvent {
    /// The name of the record.
    pub record_id: ConsentId,
    /// What was decided.
    pub event_state: Decision,
    /// When.
    pub event_time: Timestamp,
    /// Until when it counts.
    pub validity_end: Option<Timestamp>,
    /// How.
    pub event_type: DecisionMethod,
    /// By whom, if not by the person.
    pub entity_id: Option<String>,
    /// The SHA-256 of the notice's text.
    pub privacy_notice: Option<NoticeHash>,
    /// The version of the notice.
    pub notice_version: u32,
    /// Its language.
    pub language: Option<String>,
    /// The place whose law held.
    pub jurisdiction: Option<String>,
}

impl Receipt {
    pub(super) fn new(
        id: ConsentId,
        now: Timestamp,
        subject: Subject,
        controller: Option<&Controller>,
        purposes: &Purposes,
        history: &[ConsentRecord],
    ) -> Self {
        let mut sections: Vec<ReceiptPurpose> = Vec::new();
        for record in history {
            let name = record.purpose.as_str();
            let index = sections.iter().position(|section| section.purpose == name).unwrap_or_else(|| {
                let purpose = purposes.get(&record.purpose);
                sections.push(ReceiptPurpose {
                    purpose: name.to_owned(),
                    purpose_type: purpose.map(|purpose| purpose.category().clone()),
                    lawful_basis: purpose.map(|purpose| purpose.legal_basis()),
                    retention_period_seconds: purpose
                        .and_then(|purpose| purpose.duration())
                        .map(|duration| duration.as_secs()),
                    withdrawal_method: "the same page or call by which it was given",
                    events: Vec::new(),
                });
                sections.len() - 1
            });
            sections[index].events.push(ReceiptEvent::of(record));
        }
        Self {
            schema_version: "ISO/IEC TS 27560:2023",
            receipt_id: id,
            receipt_time: now,
            pii_principal_id: subject,
            pii_controllers: controller.cloned().into_iter().collect(),
            pii_processing: sections,
        }
    }
}

impl ReceiptEvent {
    fn of(record: &ConsentRecord) -> Self {
        let (consent_state, proof) = (&record.consent_state, &record.proof);
        Self {
            record_id: record.id,
            event_state: consent_state.decision,
            event_time: consent_state.since,
            validity_end: consent_state.valid_until,
            event_type: proof.method,
            entity_id: proof.actor.clone(),
            privacy_notice: proof.notice,
            notice_version: consent_state.notice_version,
            language: proof.language.clone(),
            jurisdiction: proof.place.clone(),
        }
    }
}
