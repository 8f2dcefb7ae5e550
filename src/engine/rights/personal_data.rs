//! [`PersonalData`]: what the application itself keeps of its users.

use std::{future::Future, pin::Pin};

use serde::Serialize;
use serde_json::Value;

use crate::{error::Result, id::UserId, model::consent::LegalBasis};

/// A table, a file, another service of the application that keeps data of users. Registered with
/// [`GuestbookBuilder::personal_data`](crate::GuestbookBuilder::personal_data), it is part of every export and every erasure.
///
/// Both verbs may be called again after a crash: what is erased already is no error.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
/// use tower_guestbook::{
///     Guestbook, Result, UserId,
///     privacy::{PersonalDataFuture, ExportedPage, PersonalData},
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
/// let addresses = Arc::new(Mutex::new(HashMap::from([(ada.clone(), "12 St James's Square".to_owned())])));
/// let guestbook = Guestbook::builder(MemoryStore::new()).personal_data(Addresses(addresses.clone())).build()?;
/// guestbook.rights().erase(&ada).await?;
/// assert!(addresses.lock().unwrap().is_empty());
/// # Ok(()) }
/// ```
pub trait PersonalData: Send + Sync + 'static {
    /// Under which name it stands in an export and a receipt.
    fn name(&self) -> &str;

    /// A page of what is kept of the user, counted from 0: as large as memory allows, in an order that does not change.
    fn export(&self, user: UserId, page: usize) -> PersonalDataFuture<'_, ExportedPage>;

    /// Erases what is kept of the user. How many rows there were.
    fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64>;

    /// A page of the users of whom something is kept, counted from 0, in an order that does not change; an empty one is the end.
    /// Default: none.
    ///
    /// A [journal](crate::privacy) has no names. When a backup was restored, whoever is to be erased again is recognised among the users
    /// of the store and those that sources name, and is erased from all sources. A user whom nobody names is not asked for again.
    fn users(&self, page: usize) -> PersonalDataFuture<'_, Vec<UserId>> {
        let _ = page;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Corrects what is kept of the user, as `patch` says in whatever form the source understands; see
    /// [`Rights::rectify`](super::Rights::rectify). `false`, the default, says that it cannot be corrected in this way.
    fn rectify(&self, user: UserId, patch: Value) -> PersonalDataFuture<'_, bool> {
        let _ = (user, patch);
        Box::pin(async { Ok(false) })
    }

    /// What a record of processing says of it. Default: the name, and nothing more.
    fn describe(&self) -> PersonalDataDescription {
        PersonalDataDescription::new(self.name())
    }
}

/// What a record of processing (GDPR, Article 30) says of data that the application itself keeps.
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
    /// What is done, in a sentence.
    pub description: Option<String>,
    /// The legal basis.
    pub basis: Option<LegalBasis>,
    /// Which kinds of data.
    pub data_categories: Vec<String>,
    /// Of which kinds of people.
    pub subject_categories: Vec<String>,
    /// Who gets the data.
    pub recipients: Vec<String>,
    /// To which third countries, and under which safeguards.
    pub transfers: Vec<String>,
    /// How long it is kept.
    pub retention: Option<String>,
    /// How it is kept safe.
    pub security: Option<String>,
}

impl PersonalDataDescription {
    /// The name, and nothing more yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// What a source answers, when it is ready.
pub type PersonalDataFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A page of an export.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExportedPage {
    /// The rows.
    pub rows: Vec<Value>,
    /// Whether there is another page.
    pub has_more: bool,
}

impl ExportedPage {
    /// A page that others follow.
    pub fn with_more(rows: Vec<Value>) -> Self {
        Self { rows, has_more: true }
    }

    /// The last page.
    pub fn last(rows: Vec<Value>) -> Self {
        Self { rows, has_more: false }
    }
}
