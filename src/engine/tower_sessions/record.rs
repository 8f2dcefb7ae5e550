//! [`ImportRecord`]: a record of tower-sessions of any version.

use std::{collections::HashMap, fmt};

use serde_json::Value;

use crate::{
    error::{Error, ErrorKind, Result},
    model::session::{Changes, SessionRecord},
    time::Timestamp,
};

/// The data of a record: a map from keys to JSON values.
pub type RecordData = HashMap<String, Value>;

/// A record of tower-sessions: its id, its data and when it expires. `Record` of either version
/// converts into one, and so does a tuple of the three.
///
/// ```
/// use tower_guestbook::{Timestamp, session::tower_sessions::ImportRecord};
///
/// let expiry = Timestamp::from_millis(1_900_000_000_000);
/// let record = ImportRecord::new(7, [("cart".to_owned(), 3.into())].into(), expiry);
/// assert!(!format!("{record:?}").contains("cart"), "neither the id nor the data is shown");
/// assert!(record == (7, [("cart".to_owned(), 3.into())].into(), expiry).into());
/// ```
#[derive(Clone, PartialEq)]
pub struct ImportRecord {
    pub(super) id: i128,
    pub(super) data: RecordData,
    /// Rounded down.
    pub(super) expiry: Timestamp,
    /// What was rounded off: less than a million nanoseconds.
    rest: i64,
}

/// Where the session remembers what was rounded off the expiry date, so that a record is loaded as
/// it was saved: under a key that applications cannot write.
const REST: &str = "guestbook.expiry_nanos";

/// Keys of the guestbook begin with it.
const RESERVED: &str = "guestbook.";

const NANOS: i128 = 1_000_000;

impl ImportRecord {
    /// Returns a record. `id` is the number in `tower_sessions::session::Id`.
    pub fn new(id: i128, data: RecordData, expiry: Timestamp) -> Self {
        Self { id, data, expiry, rest: 0 }
    }

    pub(super) fn with_nanos(id: i128, data: RecordData, expiry: i128) -> Self {
        let millis = i64::try_from(expiry.div_euclid(NANOS)).unwrap_or(if expiry < 0 { i64::MIN } else { i64::MAX });
        Self { id, data, expiry: Timestamp::from_millis(millis), rest: expiry.rem_euclid(NANOS) as i64 }
    }

    /// The expiry date in nanoseconds since the Unix epoch.
    pub(super) fn expiry_nanos(&self) -> i128 {
        i128::from(self.expiry.as_millis()) * NANOS + i128::from(self.rest)
    }

    pub(super) fn from_session(id: i128, session: &SessionRecord) -> Result<Self> {
        let data = session.data.keys().filter(|key| !key.starts_with(RESERVED));
        let data = data.map(|key| Ok((key.to_owned(), session.data.get(key)?.unwrap_or_default())));
        let rest = session.data.get(REST)?.unwrap_or(0);
        Ok(Self { id, data: data.collect::<Result<_>>()?, expiry: session.head.expires_at(), rest })
    }

    /// The data as changes to that of an empty session.
    pub(super) fn changes(&self) -> Result<Changes> {
        let mut changes = Changes::default();
        for (key, value) in &self.data {
            if key.starts_with(RESERVED) {
                let problem = "session keys that begin with \"guestbook.\" are reserved";
                return Err(Error::new(ErrorKind::InvalidInput, problem));
            }
            changes.set(key, value)?;
        }
        if self.rest != 0 {
            changes.set(REST, &self.rest)?;
        }
        Ok(changes)
    }
}

impl From<(i128, RecordData, Timestamp)> for ImportRecord {
    fn from((id, data, expiry): (i128, RecordData, Timestamp)) -> Self {
        Self::new(id, data, expiry)
    }
}

/// Redacted: the id lets its holder in, and session data belongs to the user.
impl fmt::Debug for ImportRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportRecord")
            .field("keys", &self.data.len())
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}
