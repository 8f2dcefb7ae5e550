//! [`ErasureReceipt`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Rights, user_data::unwritable};
use crate::{
    error::Result,
    model::privacy::{Erasure, ReceiptSignature},
};

/// What became of an erasure. It names nobody, and it is signed: it can be written as JSON, handed out, and
/// [verified](Rights::verify_receipt) years later, by whoever has the store.
///
/// The signature proves that this service said so, to itself: it is a MAC, for which the store's secret is needed. It is over
/// all members but itself, whatever their order in the JSON; members that a receipt does not have are not read and not signed.
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
    /// The erasure, with what was erased.
    #[serde(flatten)]
    pub erasure: Erasure,
    /// How many rows each source of the application has erased.
    pub sources: Vec<(String, u64)>,
    /// Whether the store has overwritten what it deleted. In SQLite: deleted rows are overwritten and the log is empty. A copy of a
    /// row that SQLite moved within the file long before may be left in the unused part of a page (seen once, of names); only
    /// `VACUUM` while nobody else uses the file rules that out.
    pub is_clean: bool,
    /// The signature of all the rest.
    pub signature: ReceiptSignature,
}

impl Rights {
    /// Whether this service, or another one on the same store, made this receipt, and nothing in it was changed since.
    ///
    /// The store's secret must still be the one of then: a new database knows no old receipts.
    ///
    /// # Errors
    ///
    /// What the store reports.
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

/// What is signed: all that is written, so that a member that is added one day is signed too.
fn members(receipt: &ErasureReceipt) -> Result<Map<String, Value>> {
    match serde_json::to_value(receipt).map_err(unwritable)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}
