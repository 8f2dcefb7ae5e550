//! Signing and verifying an [`ErasureReceipt`].

use serde_json::{Map, Value};

use super::{ErasureReceipt, Rights, about::unwritable};
use crate::{error::Result, model::privacy::ReceiptSignature};

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
