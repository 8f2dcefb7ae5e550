//! [`Purpose`]: what data is used for, on what legal basis, and what it takes to be allowed.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Processing, PurposeCookie};
use crate::error::{Error, ErrorKind, Result};

/// The name of a purpose: 1 to 64 bytes of `a` to `z`, digits, `_` and `-`, beginning with a letter.
///
/// ```
/// use tower_guestbook::consent::PurposeId;
///
/// assert_eq!(PurposeId::new("analytics")?, PurposeId::ANALYTICS);
/// assert!(PurposeId::new("Two Words").is_err());
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone)]
pub struct PurposeId(Name);

#[derive(Clone)]
enum Name {
    Static(&'static str),
    Own(Arc<str>),
}

/// What kind of purpose it is, for a page that groups them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Category {
    /// Without it the service that the user asked for cannot be given.
    Necessary,
    /// Comfort: language, theme, remembered choices.
    Functional,
    /// Measuring how the service is used.
    Analytics,
    /// Advertising.
    Marketing,
    /// Content chosen for the person.
    Personalisation,
    /// The application's own kind.
    #[serde(untagged)]
    Own(Arc<str>),
}

/// The legal basis of processing (GDPR, Article 6(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LegalBasis {
    /// (a) The person has agreed.
    Consent,
    /// (b) A contract with the person needs it.
    Contract,
    /// (c) A law asks for it.
    LegalObligation,
    /// (d) Somebody's life depends on it.
    VitalInterests,
    /// (e) A public task needs it.
    PublicTask,
    /// (f) An interest that outweighs the person's.
    LegitimateInterests,
}

/// What holds as long as somebody has decided nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Always allowed; there is nothing to decide.
    Necessary,
    /// Allowed until somebody objects: what a law exempts from consent, such as plain audience measurement.
    ExemptWithObjection,
    /// Not allowed until somebody agrees.
    OptIn,
    /// Allowed until somebody declines.
    OptOut,
    /// Allowed; people are told.
    NoticeOnly,
}

/// Under which rules a request falls. The strictest where nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Regime {
    /// A purpose's own [mode](Purpose::mode) holds. For places with prior consent, and unknown ones.
    #[default]
    Strictest,
    /// A purpose's mode for [places where declining is enough](Purpose::mode_in_opt_out_regime) holds.
    #[serde(rename = "declining_is_enough")]
    OptOut,
}

/// A purpose, as the application declares it. [`Purposes`](super::Purposes) checks it.
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

impl PurposeId {
    /// The purpose that [`Category::Necessary`] usually has.
    pub const NECESSARY: Self = Self(Name::Static("necessary"));
    /// Comfort.
    pub const FUNCTIONAL: Self = Self(Name::Static("functional"));
    /// Measuring how the service is used.
    pub const ANALYTICS: Self = Self(Name::Static("analytics"));
    /// Advertising.
    pub const MARKETING: Self = Self(Name::Static("marketing"));
    /// Content chosen for the person.
    pub const PERSONALISATION: Self = Self(Name::Static("personalisation"));

    const KNOWN: [Self; 5] =
        [Self::NECESSARY, Self::FUNCTIONAL, Self::ANALYTICS, Self::MARKETING, Self::PERSONALISATION];

    /// Creates the name from text that arrives at run time, such as a form field.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name breaks the rules.
    pub fn new(name: &str) -> Result<Self> {
        if let Some(known) = Self::KNOWN.into_iter().find(|known| known.as_str() == name) {
            return Ok(known);
        }
        if !is_valid(name) {
            let context =
                "the name of a purpose has 1 to 64 bytes of a to z, digits, '_' and '-', and begins with a letter";
            return Err(Error::new(ErrorKind::InvalidInput, context));
        }
        Ok(Self(Name::Own(name.into())))
    }

    /// Creates the name of an application's own purpose, for a constant.
    ///
    /// # Panics
    ///
    /// If the name breaks the rules. In a `const` that is an error of the compiler.
    ///
    /// ```
    /// use tower_guestbook::consent::PurposeId;
    ///
    /// const NEWSLETTER: PurposeId = PurposeId::from_static("newsletter");
    /// assert_eq!(NEWSLETTER, PurposeId::new("newsletter")?);
    /// # Ok::<(), tower_guestbook::Error>(())
    /// ```
    ///
    /// ```compile_fail
    /// # use tower_guestbook::consent::PurposeId;
    /// const WRONG: PurposeId = PurposeId::from_static("Two Words");
    /// # let _ = WRONG;
    /// ```
    pub const fn from_static(name: &'static str) -> Self {
        assert!(
            is_valid(name),
            "the name of a purpose has 1 to 64 bytes of a-z, 0-9, _ and -, and begins with a letter"
        );
        Self(Name::Static(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Own(name) => name,
        }
    }
}

impl Purpose {
    /// A purpose of this name and category. A necessary one is allowed always, on the basis of the contract; another one
    /// needs consent before, and must be told how long consent lasts.
    pub fn new(id: impl Into<String>, category: Category) -> Self {
        let (basis, mode) = match category {
            Category::Necessary => (LegalBasis::Contract, Mode::Necessary),
            _ => (LegalBasis::Consent, Mode::OptIn),
        };
        Self {
            id: id.into(),
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

    /// The legal basis. Default: consent, or the contract for what is necessary.
    pub fn basis(mut self, basis: LegalBasis) -> Self {
        self.basis = basis;
        self
    }

    /// What holds as long as somebody has decided nothing. Default: not allowed, or always for what is necessary.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The mode under [`Regime::OptOut`]. Default: the same as everywhere.
    pub fn mode_in_opt_out_regime(mut self, mode: Mode) -> Self {
        self.lenient_mode = Some(mode);
        self
    }

    /// The version of the notice that says what is done. A grant under another version no longer counts. Default: 1.
    pub fn notice_version(mut self, version: u32) -> Self {
        self.notice_version = version;
        self
    }

    /// How long a decision lasts, from one second to 395 days (13 months); 180 days are usual. Required where a decision
    /// makes a difference for long: opt-in and opt-out.
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// The cookies that serve this purpose: kept out, and removed, while it is not allowed. A name that ends with `*` stands for
    /// all that begin like it: `_ga*`. A [`PurposeCookie`] also says with what path and domain, and in what partition, the
    /// cookie is set: a browser removes no other.
    pub fn cookies<C: Into<PurposeCookie>>(mut self, cookies: impl IntoIterator<Item = C>) -> Self {
        self.cookies = cookies.into_iter().map(Into::into).collect();
        self
    }

    /// Data is sold or shared for it, as the CCPA means that: `Sec-GPC` opts out of it. Default: no.
    pub fn sells_or_shares(mut self, sells_or_shares: bool) -> Self {
        self.sells_or_shares = sells_or_shares;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.id
    }

    /// The category.
    pub fn category(&self) -> &Category {
        &self.category
    }

    /// The version of its notice.
    pub fn version(&self) -> u32 {
        self.notice_version
    }

    /// The cookies that were declared for it.
    pub fn declared_cookies(&self) -> &[PurposeCookie] {
        &self.cookies
    }

    /// The names of the cookies that were declared for it.
    pub fn cookie_names(&self) -> impl Iterator<Item = &str> {
        self.cookies.iter().map(PurposeCookie::name)
    }

    /// Whether data is sold or shared for it.
    pub fn is_sold_or_shared(&self) -> bool {
        self.sells_or_shares
    }

    /// The legal basis.
    pub fn legal_basis(&self) -> LegalBasis {
        self.basis
    }

    /// How long a grant lasts.
    pub fn duration(&self) -> Option<Duration> {
        self.expiry
    }

    /// What holds under `regime` as long as nobody has decided.
    pub fn mode_under(&self, regime: Regime) -> Mode {
        match regime {
            Regime::Strictest => self.mode,
            Regime::OptOut => self.lenient_mode.unwrap_or(self.mode),
        }
    }
}

/// The rules for names of purposes.
const fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > 64 || !bytes[0].is_ascii_lowercase() {
        return false;
    }
    let mut index = 1;
    while index < bytes.len() {
        if !matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
            return false;
        }
        index += 1;
    }
    true
}

impl TryFrom<&str> for PurposeId {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

/// A clone, which does not allocate.
impl From<&Self> for PurposeId {
    fn from(purpose: &Self) -> Self {
        purpose.clone()
    }
}

/// For [`Purpose::new`].
impl From<PurposeId> for String {
    fn from(purpose: PurposeId) -> Self {
        purpose.as_str().to_owned()
    }
}

impl PartialEq for PurposeId {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_str(), other.as_str()) || self.as_str() == other.as_str()
    }
}

impl Eq for PurposeId {}

impl PartialOrd for PurposeId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PurposeId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::hash::Hash for PurposeId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for PurposeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PurposeId({})", self.as_str())
    }
}

impl fmt::Display for PurposeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for PurposeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PurposeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}

/// What a record of processing says of a purpose.
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
