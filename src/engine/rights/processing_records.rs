//! [`ProcessingRecords`]: the record of processing activities (GDPR, Article 30).

use serde::Serialize;

use super::{PersonalDataDescription, RetentionPeriod, Rights};
use crate::{
    engine::consents::Controller,
    model::consent::{LegalBasis, Processing},
    time::Timestamp,
};

/// The record of processing activities (GDPR, Article 30), as far as the guestbook knows it.
/// Serialize it as JSON. Unknown values are null or empty, and never left out.
///
/// [`Guestbook::processing_records`](crate::Guestbook::processing_records) returns it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProcessingRecords {
    /// When the record was made.
    pub date: Timestamp,
    /// The controller; `None` if none is configured.
    pub controller: Option<Controller>,
    /// The purposes of the application, in the order of their declaration.
    pub purposes: Vec<ProcessingRecord>,
    /// The processing of the guestbook itself, under no declared purpose.
    pub guestbook: Vec<ProcessingRecord>,
    /// The application's own data, as each [source](super::PersonalData) describes it.
    pub sources: Vec<PersonalDataDescription>,
}

/// An entry of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessingRecord {
    /// The id of the purpose, or the name of a part of the guestbook.
    pub id: String,
    /// The processing, in a sentence.
    pub description: Option<String>,
    /// The legal basis.
    pub basis: LegalBasis,
    /// The categories of data.
    pub data_categories: Vec<String>,
    /// The categories of data subjects.
    pub subject_categories: Vec<String>,
    /// The recipients of the data.
    pub recipients: Vec<String>,
    /// The third countries that get the data.
    pub transfers: Vec<String>,
    /// How long each class of data is kept.
    pub retention: Vec<RetentionPeriod>,
    /// How long a decision is valid, in seconds; `None` if it does not expire or there is nothing
    /// to decide.
    pub decision_seconds: Option<u64>,
    /// The technical and organisational measures.
    pub security: Option<String>,
}

/// The processing of a part of the guestbook: name, description, legal basis, categories of data
/// and of data subjects.
type Own = (&'static str, &'static str, LegalBasis, &'static [&'static str], &'static [&'static str]);

const SESSIONS: Own = (
    "sessions",
    "Recognising logged-in users, and keeping the data of their sessions",
    LegalBasis::Contract,
    &["account name", "device and browser family", "network", "times of use", "session data"],
    &["users", "visitors"],
);
const ACTIVITIES: Own = (
    "activities",
    "Recording what is needed to keep accounts and the service safe",
    LegalBasis::LegitimateInterests,
    &["account name", "what was done and when", "device and browser family", "network"],
    &["users", "visitors"],
);
const PREFERENCES: Own =
    ("preferences", "Remembering what users have set", LegalBasis::Contract, &["account name", "settings"], &["users"]);
const CONSENT: Own = (
    "consent",
    "Proving what was granted, declined and withdrawn",
    LegalBasis::LegalObligation,
    &["account name", "decisions with time and notice", "device and browser family", "network"],
    &["users", "visitors"],
);
const ERASURES: Own = (
    "erasures",
    "Keeping erased users erased, and proving the erasures",
    LegalBasis::LegalObligation,
    &["keyed hash of the account name", "times and counts"],
    &["former users"],
);

const AUDIT: Own = (
    "audit",
    "Proving who did what to whose data",
    LegalBasis::LegalObligation,
    &["account name", "what was done to the data and when"],
    &["users", "operators"],
);

/// The measures of the stores and the layers.
const SECURITY: &str = "Tokens are stored as hashes only; addresses are truncated before they are stored; deleted rows are overwritten \
    where the store can; nothing is kept longer than its period.";

impl Rights {
    /// Returns the record of processing activities.
    pub fn processing_records(&self) -> ProcessingRecords {
        let (register, inner) = (&self.inner.config.register, &self.inner);
        let purposes = register.consents.iter().flat_map(|consents| consents.purposes().iter());
        let purposes = purposes.map(|(id, purpose)| {
            let Processing { description, data_categories, subject_categories, recipients, transfers, security } =
                purpose.processing().clone();
            ProcessingRecord {
                id: id.as_str().to_owned(),
                description,
                basis: purpose.legal_basis(),
                data_categories,
                subject_categories,
                recipients,
                transfers,
                retention: register.periods_of_activities(Some(id)),
                decision_seconds: purpose.duration().map(|duration| duration.as_secs()),
                security,
            }
        });
        ProcessingRecords {
            date: inner.runtime.clock.now(),
            controller: register.controller.clone(),
            purposes: purposes.collect(),
            guestbook: self.own_records(),
            sources: inner.parts.sources.iter().map(|source| source.describe()).collect(),
        }
    }

    fn own_records(&self) -> Vec<ProcessingRecord> {
        let register = &self.inner.config.register;
        let of_class = |class: &str| register.periods.iter().filter(|period| period.class == class).cloned().collect();
        let mut records = vec![own(SESSIONS, of_class("sessions"))];
        let activities = register.periods_of_activities(None);
        if !activities.is_empty() {
            records.push(own(ACTIVITIES, activities));
        }
        if register.preferences.is_some() {
            records.push(own(PREFERENCES, of_class("preferences")));
        }
        if register.consents.is_some() {
            records.push(own(CONSENT, of_class("consent")));
        }
        records.push(own(AUDIT, of_class("audit")));
        records.push(own(ERASURES, of_class("erasures")));
        records
    }
}

fn own(own: Own, retention: Vec<RetentionPeriod>) -> ProcessingRecord {
    let (id, description, basis, data, subjects) = own;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ProcessingRecord {
        id: id.to_owned(),
        description: Some(description.to_owned()),
        basis,
        data_categories: texts(data),
        subject_categories: texts(subjects),
        recipients: Vec::new(),
        transfers: Vec::new(),
        retention,
        decision_seconds: None,
        security: Some(SECURITY.to_owned()),
    }
}
