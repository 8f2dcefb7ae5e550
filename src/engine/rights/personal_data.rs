//! [`PersonalData`]: data of users that the application itself keeps.

use std::{future::Future, pin::Pin};

use serde::Serialize;
use serde_json::Value;

use crate::{error::Result, id::UserId, model::consent::LegalBasis};

/// A source of personal data that the application itself keeps: a table, a file, another service.
///
/// Register it with [`GuestbookBuilder::personal_data`](crate::GuestbookBuilder::personal_data).
/// Each export then has its rows, and each erasure erases them.
///
/// [`export`](Self::export) and [`erase`](Self::erase) may be called again after a crash. Erasing a
/// user of whom nothing is left is no error. An error of `erase` interrupts the erasure, which is
/// retried by each sweep.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
/// use tower_guestbook::{
///     Guestbook, Result, UserId,
///     privacy::{ExportedPage, PersonalData, PersonalDataFuture},
///     store::MemoryStore,
/// };
///
/// struct Addresses(Arc<Mutex<HashMap<UserId, String>>>);
///
/// impl PersonalData for Addresses {
///     fn name(&self) -> &str {
///         "addresses"
///     }
///     fn export(&self, user: UserId, _page: usize) -> PersonalDataFuture<'_, ExportedPage> {
///         let rows = self.0.lock().unwrap().get(&user).map(|address| address.as_str().into());
///         Box::pin(async move { Ok(ExportedPage::last(rows.into_iter().collect())) })
///     }
///     fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64> {
///         let erased = self.0.lock().unwrap().remove(&user).is_some();
///         Box::pin(async move { Ok(u64::from(erased)) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let ada = UserId::try_from("ada")?;
/// let rows = HashMap::from([(ada.clone(), "12 St James's Square".to_owned())]);
/// let addresses = Arc::new(Mutex::new(rows));
/// let guestbook = Guestbook::builder(MemoryStore::new())
///     .personal_data(Addresses(addresses.clone()))
///     .build()?;
///
/// let receipt = guestbook.rights().erase(&ada).await?;
/// assert_eq!(receipt.sources, [("addresses".to_owned(), 1)]);
/// assert!(addresses.lock().unwrap().is_empty());
/// # Ok(()) }
/// ```
pub trait PersonalData: Send + Sync + 'static {
    /// Returns the name of the source in exports, receipts and patches.
    fn name(&self) -> &str;

    /// Returns a page of the data of the user, counted from 0, in an order that does not change. A
    /// page must fit into memory.
    fn export(&self, user: UserId, page: usize) -> PersonalDataFuture<'_, ExportedPage>;

    /// Erases the data of the user. Returns the number of rows.
    fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64>;

    /// Returns a page of the users of whom the source has data, counted from 0, in an order that
    /// does not change. An empty page is the end. Default: no users.
    ///
    /// The [erasure journal](crate::privacy::ErasureJournal) has no names. After a backup was
    /// restored, users are recognised among those of the store and those that sources list, and are
    /// erased from all sources. A user whom nobody lists is not erased again.
    fn users(&self, page: usize) -> PersonalDataFuture<'_, Vec<UserId>> {
        let _ = page;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Corrects the data of the user as `patch` says, in the form that the source understands; see
    /// [`Rights::rectify`](super::Rights::rectify). Returns `false`, the default, if the source
    /// cannot be corrected.
    fn rectify(&self, user: UserId, patch: Value) -> PersonalDataFuture<'_, bool> {
        let _ = (user, patch);
        Box::pin(async { Ok(false) })
    }

    /// Returns the description of the source for the record of processing. Default: its name.
    fn describe(&self) -> PersonalDataDescription {
        PersonalDataDescription::new(self.name())
    }
}

/// The description of a source in the record of processing (GDPR, Article 30).
///
/// ```
/// use tower_guestbook::{consent::LegalBasis, privacy::PersonalDataDescription};
///
/// let mut addresses = PersonalDataDescription::new("addresses");
/// addresses.description = Some("Where parcels go".into());
/// addresses.basis = Some(LegalBasis::Contract);
/// addresses.retention = Some("ten years after the last order".into());
/// addresses.recipients = vec!["the carrier".into()];
/// assert_eq!(serde_json::to_value(&addresses).unwrap()["transfers"], serde_json::json!([]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PersonalDataDescription {
    /// The name of the source.
    pub name: String,
    /// The processing, in a sentence.
    pub description: Option<String>,
    /// The legal basis.
    pub basis: Option<LegalBasis>,
    /// The categories of data.
    pub data_categories: Vec<String>,
    /// The categories of data subjects.
    pub subject_categories: Vec<String>,
    /// The recipients of the data.
    pub recipients: Vec<String>,
    /// The third countries that get the data, and the safeguards.
    pub transfers: Vec<String>,
    /// How long the data is kept.
    pub retention: Option<String>,
    /// The technical and organisational measures.
    pub security: Option<String>,
}

impl PersonalDataDescription {
    /// Creates a description with a name only.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// The future that a [`PersonalData`] source returns.
pub type PersonalDataFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A page of the data of a user.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExportedPage {
    /// The rows.
    pub rows: Vec<Value>,
    /// Whether there is another page.
    pub has_more: bool,
}

impl ExportedPage {
    /// Creates a page that another one follows.
    pub fn with_more(rows: Vec<Value>) -> Self {
        Self { rows, has_more: true }
    }

    /// Creates the last page.
    pub fn last(rows: Vec<Value>) -> Self {
        Self { rows, has_more: false }
    }
}
