//! What the audit trail is told of what is done here.

use super::Rights;
use crate::{
    error::Result,
    id::UserId,
    model::privacy::{Actor, AuditAction, AuditNote},
};

impl Rights {
    /// The one place where notes are made, and so where everything that changes something waits until the journal is replayed.
    pub(super) async fn note(&self, action: AuditAction, actor: Actor, user: &UserId) -> Result<AuditNote> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        self.inner.parts.audit.note(action, actor, Some(user)).await
    }
}
