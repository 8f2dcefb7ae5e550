//! [`ErasureReceipt`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Rights, user_data::unwritable};
use crate::{
    error::Result,
    model::privacy::{Erasure, ReceiptSignature},
};

/// The signed proof of an erasure. It names nobody.
///
/// A receipt can be written as JSON and handed out. Years later [`Rights::verify_receipt`] verifies
/// it, on the same store.
///
/// The signature is a MAC with a key that is made from the store's secret. It proves to this
/// service that it made the receipt; others cannot verify it. It covers all members of the receipt
/// but itself, in any order. Members of the JSON that a receipt does not have are ignored.
///
/// ```
/// use tower_guestbook::{Guestbook, UserId, privacy::ErasureReceipt, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let receipt = guestbook.rights().erase(&UserId::try_from("ada")?).await?;
/// let json = serde_json::to_string(&receipt).unwrap();
///
/// let mut handed_back: ErasureReceipt = serde_json::from_str(&json).unwrap();
/// assert!(guestbook.rights().verify_receipt(&handed_back).await?);
/// handed_back.erasure.erased.activities += 1;
/// assert!(!guestbook.rights().verify_receipt(&handed_back).await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasureReceipt {
    /// The erasure and the number of rows that it erased.
    #[serde(flatten)]
    pub erasure: Erasure,
    /// The name of each source of the application and the number of rows that it erased.
    pub sources: Vec<(String, u64)>,
    /// Whether the store has overwritten what it deleted. In SQLite: deleted rows are overwritten
    /// and the log is empty.
    ///
    /// SQLite may have moved a row within the file long before. A copy of such a row can remain in
    /// the unused part of a page (seen once, of names); only `VACUUM` while nobody else uses the
    /// file rules that out.
    pub is_clean: bool,
    /// The signature of all other members.
    pub signature: ReceiptSignature,
}

impl Rights {
    /// Returns whether this service made the receipt, or another one on the same store, and nothing
    /// in it was changed.
    ///
    /// A receipt can be verified as long as the store keeps its secret. A new database has a new
    /// one.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn verify_receipt(&self, receipt: &ErasureReceipt) -> Result<bool> {
        Ok(receipt.signature.is_of(&members(receipt)?, self.secret().await?))
    }

    pub(super) async fn signed(&self, mut receipt: ErasureReceipt) -> Result<ErasureReceipt> {
        receipt.signature = ReceiptSignature::of(&members(&receipt)?, self.secret().await?);
        Ok(receipt)
    }

    pub(super) async fn secret(&self) -> Result<&[u8; 32]> {
        self.inner
            .secret
            .get_or_try_init(|| self.inner.runtime.tasks.within(self.inner.runtime.store.signing_secret()))
            .await
    }
}

/// The signed members: all that are written, so that members of later versions are signed too.
fn members(receipt: &ErasureReceipt) -> Result<Map<String, Value>> {
    match serde_json::to_value(receipt).map_err(unwritable)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}
