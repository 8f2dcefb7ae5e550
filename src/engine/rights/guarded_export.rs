//! [`GuardedExport`]: an export that ends with an error when its user is erased meanwhile.

use bytes::Bytes;

use super::{Rights, part_stream::PartSource};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::Erasure,
};

/// What was known of a user's erasure when their export began.
pub(super) struct ErasureWatch {
    rights: Rights,
    user: UserId,
    erasure: Option<Erasure>,
}

/// An export, and the watch over it.
pub(super) struct GuardedExport<M> {
    pub(super) export: M,
    pub(super) watch: ErasureWatch,
}

impl ErasureWatch {
    /// To be called before anything is read.
    pub(super) async fn begin(rights: &Rights, user: &UserId) -> Result<Self> {
        let erasure = rights.erasure_of(user).await?;
        Ok(Self { rights: rights.clone(), user: user.clone(), erasure })
    }

    /// To be called after something was read and before it is handed out: what was read may be a part of what there was.
    async fn check(&self) -> Result<()> {
        if self.rights.erasure_of(&self.user).await? == self.erasure {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::UserErased,
            "the user was erased while their export was under way: it is not complete",
        ))
    }
}

impl<M: PartSource> PartSource for GuardedExport<M> {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        // After the last part the request is answered, so an erasure that comes then is too late to matter.
        let part = match self.export.part().await? {
            Some(part) => part,
            None => return Ok(None),
        };
        self.watch.check().await?;
        Ok(Some(part))
    }
}
