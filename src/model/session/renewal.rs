//! When a persistent cookie is sent again with a new Max-Age, and how the session remembers it.

use super::{changes::Changes, data::SessionData, record::SessionRecord};
use crate::{error::Result, time::Timestamp};

/// Where a session remembers when its cookie was last renewed: a key that applications cannot
/// write.
const RENEWED_AT: &str = "guestbook.renewed_at";

/// Whether the cookie of a session is due for a new Max-Age at `now`.
pub(crate) fn is_renewal_due(record: &SessionRecord, now: Timestamp) -> bool {
    let lifetime = &record.head.lifetime;
    // A login sets the cookie.
    let is_due = |since: Timestamp| now.since(since) >= lifetime.renewal_interval();
    lifetime.persistent && is_due(record.head.created_at) && renewed_at(&record.data).is_none_or(is_due)
}

/// Notes a renewal at `now`, if no other request has noted one since `data` was read.
pub(crate) fn note_renewal(data: &SessionData, now: Timestamp) -> Result<Changes> {
    let mut changes = Changes::default();
    changes.expect(RENEWED_AT, data);
    changes.set(RENEWED_AT, &now)?;
    Ok(changes)
}

fn renewed_at(data: &SessionData) -> Option<Timestamp> {
    data.raw(RENEWED_AT)?.parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        id::SessionId,
        model::session::{Lifetime, Merge, SessionHead, SessionLimits},
    };

    #[test]
    fn a_cookie_is_renewed_once_an_interval() {
        let at = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        for (idle, interval) in [(14 * 24, 24), (4 * 24, 24), (24, 6)] {
            let head = SessionHead::new(
                SessionId::from(uuid::Uuid::nil()),
                at(0),
                Lifetime::new(hours(idle), hours(9_999)).persistent(),
            );
            let mut record = SessionRecord { head, data: SessionData::default() };
            assert!(!is_renewal_due(&record, at(interval - 1)) && is_renewal_due(&record, at(interval)));
            let changes = note_renewal(&record.data, at(interval + 2)).unwrap();
            let Merge::Merged(data) = changes.merge(&record.data, &SessionLimits::default()).unwrap() else { panic!() };
            record.data = data;
            assert!(!is_renewal_due(&record, at(2 * interval + 1)) && is_renewal_due(&record, at(2 * interval + 2)));
            let late = changes.merge(&record.data, &SessionLimits::default()).unwrap();
            assert_eq!(late, Merge::Mismatch, "a parallel request has renewed it");
            record.head.lifetime.persistent = false;
            assert!(!is_renewal_due(&record, at(9_998)));
        }
    }
}
