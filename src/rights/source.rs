//! [`PersonalData`]: what the application itself keeps of its users.

use std::{future::Future, pin::Pin};

use serde_json::Value;

use crate::{error::Result, id::UserId};

/// A table, a file, another service of the application that keeps data of users. Registered with
/// [`GuestbookBuilder::personal_data`](crate::GuestbookBuilder::personal_data), it is part of every export and every erasure.
///
/// Both verbs may be called again after a crash: what is erased already is no error.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
/// use tower_guestbook::{Guestbook, Result, UserId, rights::{Answer, ExportedPage, PersonalData}, store::MemoryStore};
///
/// struct Addresses(Arc<Mutex<HashMap<UserId, String>>>);
///
/// impl PersonalData for Addresses {
///     fn name(&self) -> &str {
///         "addresses"
///     }
///     fn export(&self, user: UserId, _page: usize) -> Answer<'_, ExportedPage> {
///         let rows = self.0.lock().unwrap().get(&user).map(|address| address.as_str().into());
///         Box::pin(async move { Ok(ExportedPage::last(rows.into_iter().collect())) })
///     }
///     fn erase(&self, user: UserId) -> Answer<'_, u64> {
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
    fn export(&self, user: UserId, page: usize) -> Answer<'_, ExportedPage>;

    /// Erases what is kept of the user. How many rows there were.
    fn erase(&self, user: UserId) -> Answer<'_, u64>;
}

/// What a source answers, when it is ready.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

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
    pub fn of_many(rows: Vec<Value>) -> Self {
        Self { rows, has_more: true }
    }

    /// The last page.
    pub fn last(rows: Vec<Value>) -> Self {
        Self { rows, has_more: false }
    }
}
