//! [`Processing`]: what a record of processing says of a purpose, beside its basis (GDPR, Article 30).

use serde::Serialize;

/// What a record of processing (GDPR, Article 30(1)) says of a purpose beside its basis and its time limits. Everything is the
/// application's own words; nothing is required. An offer shows it too, but for the security measures.
///
/// ```
/// use tower_guestbook::consent::{Category, Purpose};
///
/// let billing = Purpose::new("billing", Category::Necessary)
///     .description("Invoices for what was bought")
///     .recipients(["the bank"])
///     .transfers(["Switzerland (adequacy decision)"]);
/// assert_eq!(billing.processing().recipients, ["the bank"]);
/// assert_eq!(billing.processing().security, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Processing {
    /// What is done, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which kinds of data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<String>,
    /// Of which kinds of people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_categories: Vec<String>,
    /// Who gets the data, processors included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// To which third countries or international organisations, and under which safeguards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<String>,
    /// How it is kept safe, in general terms. For authorities, not for everybody: no offer shows it.
    #[serde(skip)]
    pub security: Option<String>,
}
