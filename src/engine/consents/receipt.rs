//! [`Receipt`]: a consent receipt, with the field names of ISO/IEC TS 27560:2023.

use serde::Serialize;

use super::settings::Controller;
use crate::{
    model::consent::{
        Category, ConsentId, ConsentRecord, Decision, DecisionMethod, LegalBasis, NoticeHash, Purposes, Subject,
    },
    time::Timestamp,
};

/// A consent receipt: a copy of a person's decisions for that person.
///
/// Sections and fields have the names of ISO/IEC TS 27560:2023, as far as the W3C's guide to it
/// gives them. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Always `ISO/IEC TS 27560:2023`.
    pub schema_version: &'static str,
    /// The id of this receipt.
    pub receipt_id: ConsentId,
    /// When the receipt was made.
    pub receipt_time: Timestamp,
    /// The person.
    pub pii_principal_id: Subject,
    /// The controller, if [`ConsentRules::controller`](crate::consent::ConsentRules::controller)
    /// names one.
    pub pii_controllers: Vec<Controller>,
    /// The purposes with a decision.
    pub pii_processing: Vec<ReceiptPurpose>,
}

/// A purpose in a [`Receipt`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReceiptPurpose {
    /// The name of the purpose.
    pub purpose: String,
    /// The category.
    pub purpose_type: Option<Category>,
    /// The legal basis.
    pub lawful_basis: Option<LegalBasis>,
    /// How long a grant lasts, in seconds.
    pub retention_period_seconds: Option<u64>,
    /// How to withdraw consent.
    pub withdrawal_method: &'static str,
    /// The decisions, newest first.
    pub events: Vec<ReceiptEvent>,
}

/// A decision in a [`Receipt`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReceiptEvent {
    /// The id of the record.
    pub record_id: ConsentId,
    /// The decision.
    pub event_state: Decision,
    /// When it was made.
    pub event_time: Timestamp,
    /// When it expires.
    pub validity_end: Option<Timestamp>,
    /// How it was made.
    pub event_type: DecisionMethod,
    /// Who acted on behalf of the person.
    pub entity_id: Option<String>,
    /// The SHA-256 of the text of the notice.
    pub privacy_notice: Option<NoticeHash>,
    /// The version of the notice.
    pub notice_version: u32,
    /// The language of the notice.
    pub language: Option<String>,
    /// The place whose law applied.
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
