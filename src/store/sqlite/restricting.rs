//! Restricting a user, with a pending erasure taken into account.

use super::{audit, database::Database, privacy_requests, restrictions, users};
use crate::{
    error::Result,
    id::UserId,
    model::privacy::{AuditNote, Restriction},
    time::Timestamp,
};

pub(super) fn restrict(
    database: &Database,
    user: &UserId,
    restriction: Option<Restriction>,
    note: &AuditNote,
    now: Timestamp,
) -> Result<Option<Restriction>> {
    users::intern(database, user)?;
    let before = restrictions::of_user(database, user)?;
    let after = Restriction::replaced(before, restriction, privacy_requests::await_erasure(database, user)?, now)?;
    if before != after {
        audit::append(database, note, now)?;
        restrictions::set(database, user, after)?;
    }
    Ok(before)
}
