//! [`ProcessingRecords`]: the record of processing activities (GDPR, Article 30).

use serde::Serialize;

use super::{PersonalDataDescription, RetentionPeriod, Rights};
use crate::{
    engine::consents::Controller,
    model::consent::{LegalBasis, Processing},
    time::Timestamp,
};

/// The record of processing activities (GDPR, Article 30), as far as the guestbook knows it: a JSON document by
/// [`Serialize`]. What it does not know is null or empty, never left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProcessingRecords {
    /// When it was made.
    pub date: Timestamp,
    /// Who is responsible; `None` if nobody was named.
    pub controller: Option<Controller>,
    /// The purposes of the application, in the order in which they are declared.
    pub purposes: Vec<ProcessingRecord>,
    /// What the guestbook does under no declared purpose, as it needs it.
    pub guestbook: Vec<ProcessingRecord>,
    /// What the application itself keeps, as each [source](super::PersonalData) describes it.
    pub sources: Vec<PersonalDataDescription>,
}

/// One entry of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessingRecord {
    /// The purpose, or what the guestbook calls it.
    pub id: String,
    /// What is done.
    pub description: Option<String>,
    /// The legal basis.
    pub basis: LegalBasis,
    /// Which kinds of data.
    pub data_categories: Vec<String>,
    /// Of which kinds of people.
    pub subject_categories: Vec<String>,
    /// Who gets the data.
    pub recipients: Vec<String>,
    /// To which third countries.
    pub transfers: Vec<String>,
    /// How long what is kept.
    pub retention: Vec<RetentionPeriod>,
    /// How long a decision for it lasts, in seconds; `None` if there is no end, or nothing to decide.
    pub decision_seconds: Option<u64>,
    /// How it is kept safe.
    pub security: Option<String>,
}

/// What the guestbook does by itself: a name, a description, the basis, the kinds of data and of people.
type Own = (&'static str, &'static str, LegalBasis, &'static [&'static str], &'static [&'static str]);

const SESSIONS: Own = (
    "sessions",
    "Knowing again who is logged in, and keeping what the service holds for the visit",
    LegalBasis::Contract,
    &["account name", "device and browser family", "network", "times of use", "data of the visit"],
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
    "Proving what was agreed to, declined and withdrawn",
    LegalBasis::LegalObligation,
    &["account name", "decisions with time and notice", "device and browser family", "network"],
    &["users", "visitors"],
);
const ERASURES: Own = (
    "erasures",
    "Keeping people out who were erased, and proving that they were",
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

/// What the stores and the layers do for all of it.
const SECURITY: &str = "Tokens are stored as hashes only; addresses are truncated before they are stored; deleted rows are overwritten \
    where the store can; nothing is kept longer than its period.";

impl Rights {
    /// The record of processing activities.
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
