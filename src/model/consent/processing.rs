//! [`Processing`]: the entry of a purpose in the record of processing (GDPR, Article 30).

use serde::Serialize;

/// The entry of a purpose in the record of processing (GDPR, Article 30(1)), apart from its legal
/// basis and time limits.
///
/// All texts are the application's own, and none is required. A consent prompt shows them, except
/// for the security measures.
///
/// # Examples
///
/// ```
/// use tower_guestbook::consent::{Category, Purpose};
///
/// // A necessary purpose needs no consent, and so no notice.
/// let billing = Purpose::new("billing", Category::Necessary)
///     .description("Invoices for purchases")
///     .recipients(["the bank"])
///     .transfers(["Switzerland (adequacy decision)"]);
/// assert_eq!(billing.processing().recipients, ["the bank"]);
/// assert_eq!(billing.processing().security, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Processing {
    /// What is done, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Categories of personal data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<String>,
    /// Categories of data subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_categories: Vec<String>,
    /// Recipients of the data, processors included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// Third countries or international organisations that the data is transferred to, with the
    /// safeguards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<String>,
    /// Security measures, in general terms. For authorities; never serialised and in no consent
    /// prompt.
    #[serde(skip)]
    pub security: Option<String>,
}
