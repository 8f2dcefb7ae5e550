//! [`Erasure`]: the erasure of a user, which is also the tombstone.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::RetainedData;
use crate::{
    error::Result,
    hex::{Hex, from_hex},
    id::{UserId, uuid_of},
    mac::{Mac, hmac},
    time::Timestamp,
};

/// The id of an erasure, a UUIDv7 (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErasureId(Uuid);

/// A keyed hash (HMAC-SHA-256) of a user's name. The name is recognised by it, and cannot be
/// recovered without the store's secret. With the secret it is still personal data (GDPR, recital
/// 26).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym([u8; 32]);

/// An erasure (GDPR, Article 17) that has begun or is finished. As long as it exists, nothing of
/// the user is stored: it is the tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Erasure {
    /// The id.
    pub id: ErasureId,
    /// The pseudonym of the user.
    pub pseudonym: Pseudonym,
    /// The user, as long as something is left to erase.
    #[serde(skip)]
    pub user: Option<UserId>,
    /// When the erasure began. Nothing of the user was stored since.
    pub began_at: Timestamp,
    /// Until when nothing of the user is stored: longer than a backup or a queue may bring data
    /// back.
    pub until: Timestamp,
    /// When nothing was left; `None` while the erasure is under way.
    #[serde(rename = "deleted_at")]
    pub finished_at: Option<Timestamp>,
    /// The data that is left because it is [held](super::LegalHold), when nothing else is left. The
    /// erasure can be finished when it is released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<RetainedData>,
    /// The number of rows that were erased so far.
    #[serde(flatten)]
    pub erased: ErasedCounts,
}

/// The number of rows of each class that an erasure erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasedCounts {
    /// Sessions.
    #[serde(rename = "sessions_deleted")]
    pub sessions: u64,
    /// Activities, including those of visitors who were linked to the user.
    #[serde(rename = "activities_deleted")]
    pub activities: u64,
    /// Activities that were anonymised, see [`ErasedActivities`]. Left out of the JSON if there are
    /// none, so that older receipts stay valid.
    #[serde(rename = "activities_anonymised", default, skip_serializing_if = "is_zero")]
    pub anonymised: u64,
    /// Sets of preferences: one or none.
    #[serde(rename = "preferences_deleted")]
    pub preferences: u64,
    /// Records of consent, including those of linked visitors.
    #[serde(rename = "consent_deleted")]
    pub consents: u64,
}

/// What an erasure does with activities.
///
/// # What an anonymised activity still reveals
///
/// [`Event::anonymised`](crate::activity::Event::anonymised) keeps the type, the day, the method
/// and route, and the class of the status. No row says which others belong to the same person. A
/// row whose type or route nobody else has is deleted instead.
///
/// Data is anonymous if nobody can be singled out, linked or inferred by means that are reasonably
/// likely to be used (GDPR, recital 26; opinion 05/2014 of the Article 29 Working Party). Consider
/// three things:
///
/// - **The order stays.** A row keeps its [sequence](crate::activity::Activity::sequence), so its
///   neighbours reveal its time as long as they have theirs. Another log with times and names, such
///   as that of a proxy, can be matched with it. Delete the activities, or delete that log first.
/// - **Small groups reveal people.** If only two people use a route, and there are two rows of a
///   day, each of them knows what the other did. The rule is that somebody else has a row of the
///   route, not how many do.
/// - **Routes stay as they were recorded.** A name in a route that others use as well, such as the
///   path of a public profile, stays. So does what [retention](crate::retention::Keep::Anonymise)
///   anonymised before: nothing says whose it was.
///
/// If one of these matters to you, keep the default.
///
/// In analytics such a row is a view at midnight (UTC) of its day, of its route, by nobody. It
/// counts for events, pages by route and days, and not for users, visitors, visits or chains.
///
/// ```
/// use tower_guestbook::{
///     Guestbook, UserId,
///     activity::{ActivityFilter, Event, EventType, HistoryQuery},
///     privacy::ErasedActivities,
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook =
///     Guestbook::builder(MemoryStore::new()).erased_activities(ErasedActivities::Anonymised).build()?;
/// # let now = tower_guestbook::Timestamp::from_millis(1_800_000_000_000);
/// for user in [7, 8] {
///     let mut view = Event::new(EventType::PAGE_VIEW, now);
///     view.user = Some(UserId::from(user));
///     guestbook.recorder().record_durable(view).await?;
/// }
/// let receipt = guestbook.rights().erase(&UserId::from(7)).await?;
/// assert_eq!((receipt.erasure.erased.anonymised, receipt.erasure.erased.activities), (1, 0));
/// let page = guestbook.activities().history(HistoryQuery::new(ActivityFilter::new())).await?;
/// assert!(page.activities.len() == 2 && page.activities[1].event.user.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErasedActivities {
    /// They are deleted.
    #[default]
    Deleted,
    /// They are anonymised, and still count as views.
    Anonymised,
}

impl ErasureId {
    /// Creates an id for the given time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the operating system provides no
    /// random bytes.
    pub fn generate(now: Timestamp) -> Result<Self> {
        uuid_of(now).map(Self)
    }

    /// Returns the id as a UUID.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for ErasureId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl Pseudonym {
    /// Returns the pseudonym of a user for the secret of a store.
    pub fn of(user: &UserId, secret: &[u8; 32]) -> Self {
        Self::keyed(b"guestbook user 1\n", user.as_str(), secret)
    }

    /// Returns the pseudonym of an operator. It differs from that of a user of the same name.
    pub fn of_operator(name: &str, secret: &[u8; 32]) -> Self {
        Self::keyed(b"guestbook operator 1\n", name, secret)
    }

    fn keyed(domain: &[u8], name: &str, secret: &[u8; 32]) -> Self {
        let mut mac = hmac(secret);
        mac.update(domain);
        mac.update(name.as_bytes());
        Self(mac.finalize().into_bytes().into())
    }

    /// Creates a pseudonym from stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({self})")
    }
}

impl<'de> Deserialize<'de> for Pseudonym {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text).map(Self).ok_or_else(|| de::Error::custom("a pseudonym has 64 hexadecimal digits"))
    }
}

impl Serialize for Pseudonym {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Erasure {
    /// Returns whether only held data is left.
    pub fn is_partial(&self) -> bool {
        self.finished_at.is_none() && !self.retained.is_empty()
    }

    /// Creates an erasure that begins now.
    ///
    /// # Errors
    ///
    /// As for [`ErasureId::generate`].
    pub fn begin(user: UserId, pseudonym: Pseudonym, now: Timestamp, until: Timestamp) -> Result<Self> {
        let id = ErasureId::generate(now)?;
        let erased = ErasedCounts::default();
        Ok(Self {
            id,
            pseudonym,
            user: Some(user),
            began_at: now,
            until,
            finished_at: None,
            retained: Vec::new(),
            erased,
        })
    }
}
