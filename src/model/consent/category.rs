//! [`Category`] and [`LegalBasis`] of a purpose.

use std::sync::Arc;

use serde::Serialize;

/// The kind of a purpose, for pages that group purposes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Category {
    /// Strictly necessary for the service that the user asked for.
    Necessary,
    /// Convenience: language, theme, remembered choices.
    Functional,
    /// Measurement of how the service is used.
    Analytics,
    /// Advertising.
    Marketing,
    /// Content selected for the person.
    Personalisation,
    /// A category of the application's own.
    #[serde(untagged)]
    Own(Arc<str>),
}

/// The legal basis of processing (GDPR, Article 6(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LegalBasis {
    /// (a) Consent of the person.
    Consent,
    /// (b) Performance of a contract with the person.
    Contract,
    /// (c) A legal obligation of the controller.
    LegalObligation,
    /// (d) Vital interests of a person.
    VitalInterests,
    /// (e) A task in the public interest.
    PublicTask,
    /// (f) Legitimate interests that are not overridden by those of the person.
    LegitimateInterests,
}
