//! Linking a visitor to the user who logged in.

use rusqlite::{Connection, params};

use super::{ONE, add, consent_states, find, find_or_add, read_record, set_states};
use crate::{
    error::Result,
    id::{UserId, VisitorId},
    model::consent::{ConsentId, ConsentRecord, ConsentStates, DecisionMethod, MergePolicy, Proof, Subject},
    store::sqlite::{sql::Sql, tombstones},
    time::Timestamp,
};

pub(super) const LINK: &str = "
    UPDATE consent_subjects SET linked_to = (SELECT id FROM users WHERE external = ?2) WHERE id = ?1";

pub(in crate::store::sqlite) fn link(
    database: &Connection,
    visitor: VisitorId,
    user: &UserId,
    policy: MergePolicy,
    now: Timestamp,
) -> Result<ConsentStates> {
    tombstones::check_not_erased(database, user)?;
    let subject = Subject::User(user.clone());
    let Some(visitor) = find(database, &visitor.into())?.filter(|visitor| !visitor.is_linked) else {
        return consent_states(database, &subject);
    };
    let (id, mut ours) = find_or_add(database, &subject)?;
    for (purpose, held) in ours.merge(&visitor.consent_states, policy) {
        let original = held.record.as_uuid().as_bytes().as_slice();
        let mut statement = database.prepare_cached(ONE).sql()?;
        let original = statement.query_row([original], |row| Ok(read_record(row))).sql()??;
        let proof = Proof { method: DecisionMethod::Merge, ..original.proof };
        let mut record = ConsentRecord::new(subject.clone(), purpose, held.consent_state, proof)?;
        record.id = ConsentId::generate(now)?;
        add(database, id, &mut ours, record)?;
    }
    set_states(database, id, &ours)?;
    database.prepare_cached(LINK).sql()?.execute(params![visitor.id, user.as_str()]).sql()?;
    Ok(ours)
}
