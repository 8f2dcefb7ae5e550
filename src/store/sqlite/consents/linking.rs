//! A visitor logs in.

use rusqlite::{Connection, OptionalExtension, params};

use super::{ONE, add, find, find_or_add, read_record, set_standings, standings};
use crate::{
    consent::{ConsentId, ConsentRecord, MergePolicy, Method, Proof, Standings, Subject},
    error::Result,
    id::{UserId, VisitorId},
    store::sqlite::{connection::Sql, subjects},
    time::Timestamp,
};

pub(super) const LINKED: &str = "
    SELECT u.external FROM consent_subjects c JOIN users u ON u.id = c.linked_to WHERE c.id = ?1";
pub(super) const IS_LATER: &str = "
    SELECT (SELECT id FROM consent_records WHERE public_id = ?1) > (SELECT id FROM consent_records WHERE public_id = ?2)";
pub(super) const LINK: &str = "
    UPDATE consent_subjects SET linked_to = (SELECT id FROM users WHERE external = ?2) WHERE id = ?1";

pub(in crate::store::sqlite) fn link(
    database: &Connection,
    visitor: VisitorId,
    user: &UserId,
    policy: MergePolicy,
    now: Timestamp,
) -> Result<Standings> {
    subjects::check_not_struck_out(database, user)?;
    let subject = Subject::User(user.clone());
    let Some((visitor, theirs)) = find(database, &visitor.into())? else { return standings(database, &subject) };
    let linked: Option<String> =
        database.prepare_cached(LINKED).sql()?.query_row([visitor], |row| row.get(0)).optional().sql()?;
    if linked.as_ref().is_some_and(|linked| linked != user.as_str()) {
        return standings(database, &subject);
    }
    let (id, mut ours) = find_or_add(database, &subject)?;
    for (purpose, held) in ours.merge(&theirs, policy) {
        let original = held.record.as_uuid().as_bytes().as_slice();
        // What was there when the visitor was linked had its chance then.
        if let (Some(_), Some(last)) = (&linked, ours.held(&purpose)) {
            let ids = [original, last.record.as_uuid().as_bytes()];
            let is_later: bool = database.prepare_cached(IS_LATER).sql()?.query_row(ids, |row| row.get(0)).sql()?;
            if !is_later {
                continue;
            }
        }
        let mut statement = database.prepare_cached(ONE).sql()?;
        let original = statement.query_row([original], |row| Ok(read_record(row))).sql()??;
        let proof = Proof { method: Method::Merge, ..original.proof };
        let mut record = ConsentRecord::new(subject.clone(), purpose, held.standing, proof)?;
        record.id = ConsentId::generate(now)?;
        add(database, id, &mut ours, record)?;
    }
    set_standings(database, id, &ours)?;
    database.prepare_cached(LINK).sql()?.execute(params![visitor, user.as_str()]).sql()?;
    Ok(ours)
}
