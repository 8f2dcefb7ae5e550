//! [`Purpose`]: why data is processed, on which legal basis, and until when a decision counts.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Category, LegalBasis, Mode, Processing, PurposeCookie, Regime};

/// A purpose of processing, as the application declares it.
///
/// [`PurposesBuilder::build`](super::PurposesBuilder::build) checks the declaration. The text that
/// people agree to is a [`Notice`](super::Notice) of the purpose. Register one for each optional
/// purpose: without it, the record of a grant does not prove what the person agreed to.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::consent::{Category, ConsentRules, Mode, Notice, Purpose, PurposeId, Purposes, Regime};
///
/// const NEWSLETTER: PurposeId = PurposeId::from_static("newsletter");
///
/// let newsletter = Purpose::new(NEWSLETTER, Category::Marketing)
///     .description("A monthly letter about new products")
///     .cookies(["letter_*"])
///     .notice_version(2)
///     .expiry(Duration::from_secs(180 * 86_400));
/// assert_eq!(newsletter.mode_under(Regime::Strictest), Mode::OptIn);
///
/// let purposes = Purposes::builder().purpose(newsletter).build()?;
/// let rules = ConsentRules::new(purposes).notice(Notice::new(
///     NEWSLETTER,
///     2,
///     "en",
///     "We use your address to send you a letter each month. You can unsubscribe at any time.",
/// )?);
/// # let _ = rules;
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Purpose {
    pub(super) id: String,
    pub(super) category: Category,
    pub(super) basis: LegalBasis,
    pub(super) mode: Mode,
    pub(super) lenient_mode: Option<Mode>,
    pub(super) notice_version: u32,
    #[serde(rename = "expiry_seconds", serialize_with = "seconds")]
    pub(super) expiry: Option<Duration>,
    pub(super) cookies: Vec<PurposeCookie>,
    pub(super) sells_or_shares: bool,
    #[serde(flatten)]
    pub(super) processing: Processing,
}

impl Purpose {
    /// Creates a purpose. The name is a [`PurposeId`](super::PurposeId) or text.
    ///
    /// A purpose of [`Category::Necessary`] is always allowed, with the contract as its legal
    /// basis. Every other purpose needs prior consent, and an [`expiry`](Self::expiry).
    pub fn new(name: impl Into<String>, category: Category) -> Self {
        let (basis, mode) = match category {
            Category::Necessary => (LegalBasis::Contract, Mode::Necessary),
            _ => (LegalBasis::Consent, Mode::OptIn),
        };
        Self {
            id: name.into(),
            category,
            basis,
            mode,
            lenient_mode: None,
            notice_version: 1,
            expiry: None,
            cookies: Vec::new(),
            sells_or_shares: false,
            processing: Processing::default(),
        }
    }

    /// Sets the legal basis. Default: consent; the contract for necessary purposes.
    pub fn basis(mut self, basis: LegalBasis) -> Self {
        self.basis = basis;
        self
    }

    /// Sets the rule that applies until the person decides. Default: opt-in; always allowed for
    /// necessary purposes.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the mode under [`Regime::OptOut`]. Default: the same as everywhere.
    pub fn mode_in_opt_out_regime(mut self, mode: Mode) -> Self {
        self.lenient_mode = Some(mode);
        self
    }

    /// Sets the version of the notice. A grant under another version no longer counts. Default: 1.
    pub fn notice_version(mut self, version: u32) -> Self {
        self.notice_version = version;
        self
    }

    /// Sets how long a grant lasts: from one second to 395 days (13 months); 180 days are usual.
    ///
    /// Required for purposes with the mode opt-in or opt-out.
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Declares the cookies of this purpose. They are blocked and removed while the purpose is not
    /// allowed.
    ///
    /// A name that ends with `*` stands for all names with this prefix: `_ga*`. A [`PurposeCookie`]
    /// also declares the path, domain and partition that the cookie is set with. A browser removes
    /// a cookie only if all of them match.
    pub fn cookies<C: Into<PurposeCookie>>(mut self, cookies: impl IntoIterator<Item = C>) -> Self {
        self.cookies = cookies.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether data is sold or shared for this purpose, in the sense of the CCPA: `Sec-GPC`
    /// opts out of it. Default: no.
    pub fn sells_or_shares(mut self, sells_or_shares: bool) -> Self {
        self.sells_or_shares = sells_or_shares;
        self
    }

    /// Sets what is done, in one sentence, for people and for the record of processing.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.processing.description = Some(text.into());
        self
    }

    /// Sets the categories of personal data, for example pages that were read. Default: none.
    pub fn data_categories<T: Into<String>>(mut self, categories: impl IntoIterator<Item = T>) -> Self {
        self.processing.data_categories = texts(categories);
        self
    }

    /// Sets the categories of data subjects, for example customers. Default: none.
    pub fn subject_categories<T: Into<String>>(mut self, categories: impl IntoIterator<Item = T>) -> Self {
        self.processing.subject_categories = texts(categories);
        self
    }

    /// Sets the recipients of the data, processors included. Default: none.
    pub fn recipients<T: Into<String>>(mut self, recipients: impl IntoIterator<Item = T>) -> Self {
        self.processing.recipients = texts(recipients);
        self
    }

    /// Sets the third countries that the data is transferred to, with the safeguards. Default:
    /// none.
    pub fn transfers<T: Into<String>>(mut self, countries: impl IntoIterator<Item = T>) -> Self {
        self.processing.transfers = texts(countries);
        self
    }

    /// Describes the security measures in general terms (GDPR, Article 32(1)). No consent prompt
    /// shows them.
    pub fn security(mut self, measures: impl Into<String>) -> Self {
        self.processing.security = Some(measures.into());
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.id
    }

    /// Returns the category.
    pub fn category(&self) -> &Category {
        &self.category
    }

    /// Returns the current version of the notice.
    pub fn version(&self) -> u32 {
        self.notice_version
    }

    /// Returns the declared cookies.
    pub fn declared_cookies(&self) -> &[PurposeCookie] {
        &self.cookies
    }

    /// Returns the names of the declared cookies.
    pub fn cookie_names(&self) -> impl Iterator<Item = &str> {
        self.cookies.iter().map(PurposeCookie::name)
    }

    /// Returns whether data is sold or shared for this purpose.
    pub fn is_sold_or_shared(&self) -> bool {
        self.sells_or_shares
    }

    /// Returns the legal basis.
    pub fn legal_basis(&self) -> LegalBasis {
        self.basis
    }

    /// Returns how long a grant lasts.
    pub fn duration(&self) -> Option<Duration> {
        self.expiry
    }

    /// Returns the rule that applies under `regime` until the person decides.
    pub fn mode_under(&self, regime: Regime) -> Mode {
        match regime {
            Regime::Strictest => self.mode,
            Regime::OptOut => self.lenient_mode.unwrap_or(self.mode),
        }
    }

    /// Returns the entry of the record of processing.
    pub fn processing(&self) -> &Processing {
        &self.processing
    }
}

fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}

fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}
