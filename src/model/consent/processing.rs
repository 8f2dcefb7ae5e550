//! [`Processing`]: what a record of processing says of a purpose, beside its basis (GDPR, Article 30).

use serde::Serialize;

use super::Purpose;

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

impl Purpose {
    /// What is done, in a sentence: for people and for the record of processing.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.processing.description = Some(text.into());
        self
    }

    /// Which kinds of data are processed: pages that were read, say. Default: none is named.
    pub fn data_categories<T: Into<String>>(mut self, categories: impl IntoIterator<Item = T>) -> Self {
        self.processing.data_categories = texts(categories);
        self
    }

    /// Of which kinds of people: customers, say. Default: none is named.
    pub fn subject_categories<T: Into<String>>(mut self, categories: impl IntoIterator<Item = T>) -> Self {
        self.processing.subject_categories = texts(categories);
        self
    }

    /// Who gets the data, processors included. Default: nobody.
    pub fn recipients<T: Into<String>>(mut self, recipients: impl IntoIterator<Item = T>) -> Self {
        self.processing.recipients = texts(recipients);
        self
    }

    /// To which third countries the data goes, and under which safeguards. Default: none.
    pub fn transfers<T: Into<String>>(mut self, countries: impl IntoIterator<Item = T>) -> Self {
        self.processing.transfers = texts(countries);
        self
    }

    /// How the data is kept safe, in general terms (GDPR, Article 32(1)). No offer shows it.
    pub fn security(mut self, measures: impl Into<String>) -> Self {
        self.processing.security = Some(measures.into());
        self
    }

    /// What a record of processing says of it.
    pub fn processing(&self) -> &Processing {
        &self.processing
    }
}

fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}
