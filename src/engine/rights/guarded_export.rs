//! [`GuardedExport`]: an export that fails when its user is erased meanwhile.

use bytes::Bytes;

use super::{Rights, part_stream::PartSource};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::Erasure,
};

/// The user's erasure, as it was when their export began.
pub(super) struct ErasureWatch {
    rights: Rights,
    user: UserId,
    erasure: Option<Erasure>,
}

/// An export that checks the watch after each part.
pub(super) struct GuardedExport<M> {
    pub(super) export: M,
    pub(super) watch: ErasureWatch,
}

impl ErasureWatch {
    /// Begins the watch. Call it before anything is read.
    pub(super) async fn begin(rights: &Rights, user: &UserId) -> Result<Self> {
        let erasure = rights.erasure_of(user).await?;
        Ok(Self { rights: rights.clone(), user: user.clone(), erasure })
    }

    /// Fails if the user was erased since. Call it after a read and before its result is handed
    /// out: the result may be incomplete.
    async fn check(&self) -> Result<()> {
        if self.rights.erasure_of(&self.user).await? == self.erasure {
            return Ok(());
        }
        Err(Error::new(ErrorKind::UserErased, "the user was erased during their export, which is not complete"))
    }
}

impl<M: PartSource> PartSource for GuardedExport<M> {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        // After the last part the export is complete; a later erasure does not matter.
        let part = match self.export.part().await? {
            Some(part) => part,
            None => return Ok(None),
        };
        self.watch.check().await?;
        Ok(Some(part))
    }
}
