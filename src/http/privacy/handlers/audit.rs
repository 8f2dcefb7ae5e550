//! The audit entries about the user: what was done with their data, and by which kind of actor.

use serde_json::{Value, json};

use super::super::{
    answer::{Answer, ok},
    page::Page,
    user_request::UserRequest,
};
use crate::model::privacy::AuditRow;

pub(super) async fn list(request: &UserRequest) -> Answer {
    let page = Page::<u64>::of(&request.parts.uri)?;
    let after = page.after.unwrap_or(0);
    let mut rows = request.shared.audit.entries(after, page.and_one_more(), Some(&request.user)).await?;
    let next = page.next(&mut rows, |row| row.entry.sequence);
    let entries: Vec<_> = rows.iter().map(shown).collect();
    ok(&json!({ "entries": entries, "next": next }))
}

fn shown(row: &AuditRow) -> Value {
    let entry = &row.entry;
    json!({ "sequence": entry.sequence, "at": entry.at, "action": entry.action, "by": entry.actor_kind })
}
