//! [`Erasure`]: a user is struck out, step by step, and stays out.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use uuid::Uuid;

use super::{RetainedData, signature::from_hex};
use crate::{
    error::Result,
    id::{UserId, uuid_of},
    time::Timestamp,
};

/// The name of an erasure, a UUIDv7 (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErasureId(Uuid);

/// What is left of a user's name: a keyed hash (HMAC-SHA-256), by which the name is recognised and from which it cannot be
/// made again without the store's secret. It is still personal data for whoever has that (GDPR, recital 26).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym([u8; 32]);

/// An erasure (GDPR, Article 17), begun or finished. While it is there nothing of the user is stored: it is the tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Erasure {
    /// Its name.
    pub id: ErasureId,
    /// Whom it is about.
    pub pseudonym: Pseudonym,
    /// The user, as long as there is something left to erase.
    #[serde(skip)]
    pub user: Option<UserId>,
    /// Since when nothing more of the user is stored.
    pub began_at: Timestamp,
    /// Until when nothing of the user is stored: as long as a backup or a queue may bring something back.
    pub until: Timestamp,
    /// When nothing was left; `None` if the erasure is under way.
    #[serde(rename = "deleted_at")]
    pub finished_at: Option<Timestamp>,
    /// What is left because it is [held](super::LegalHold), and nothing else is left; when it is released the erasure can be finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<RetainedData>,
    /// What was erased so far.
    #[serde(flatten)]
    pub erased: ErasedCounts,
}

/// How many of what were erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasedCounts {
    /// Sessions.
    #[serde(rename = "sessions_deleted")]
    pub sessions: u64,
    /// Activities, those of visitors that were linked to the user included.
    #[serde(rename = "activities_deleted")]
    pub activities: u64,
    /// Activities that are rows of nobody now, see [`ErasedActivities`]. Not in the JSON if there are none: a receipt of before says the same.
    #[serde(rename = "activities_anonymised", default, skip_serializing_if = "is_zero")]
    pub anonymised: u64,
    /// Sets of preferences: one or none.
    #[serde(rename = "preferences_deleted")]
    pub preferences: u64,
    /// Records of consent, those of linked visitors included.
    #[serde(rename = "consent_deleted")]
    pub consents: u64,
}

/// What an erasure makes of activities.
///
/// # What is left of an anonymised one, and who could still be told by it
///
/// [`Event::anonymised`](crate::activity::Event::anonymised): its type, the day, method and route, the class of the status. No row says
/// which others are of the same person. Rows whose type or route nobody else has are deleted instead.
///
/// Data is anonymous if nobody can be singled out, linked or inferred by means that are reasonably likely to be used (GDPR, recital
/// 26; opinion 05/2014 of the Article 29 Working Party). Three things to weigh before you choose it:
///
/// - **The order stays.** A row keeps its [sequence](crate::activity::Activity::sequence), so its neighbours say when it was, as long as they have their
///   time. Whoever has another log with times and names, of a proxy for example, can match them: delete, or delete that log first.
/// - **Who is nearly alone is nearly named.** A route that two persons use on a day with two rows tells each of them about the other. The rule is that
///   somebody else has a row of the route, not how many.
/// - **Routes are kept as they were recorded.** A name in a route that somebody else uses as well, such as the path of a public profile, stays,
///   and so does what [retention](crate::retention::Keep::Anonymise) has anonymised before: nothing says whose that was.
///
/// If one of these matters for you, keep the default.
///
/// In figures such a row is a view at midnight (UTC) of its day, of its route, by nobody: it counts among events, pages by route and days, and
/// not among users, visitors, visits or chains.
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
    /// They stay as rows of nobody, and still count as views.
    Anonymised,
}

impl ErasureId {
    /// A new id of the given time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the operating system gives no random bytes.
    pub fn generate(now: Timestamp) -> Result<Self> {
        uuid_of(now).map(Self)
    }

    /// The id as a UUID.
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
    /// The pseudonym of a user, for this secret.
    pub fn of(user: &UserId, secret: &[u8; 32]) -> Self {
        Self::keyed(b"guestbook user 1\n", user.as_str(), secret)
    }

    /// The pseudonym of somebody who runs the service, for this secret: another one than that of a user of the same name.
    pub fn of_operator(name: &str, secret: &[u8; 32]) -> Self {
        Self::keyed(b"guestbook operator 1\n", name, secret)
    }

    fn keyed(domain: &[u8], name: &str, secret: &[u8; 32]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of HMAC has any length");
        mac.update(domain);
        mac.update(name.as_bytes());
        Self(mac.finalize().into_bytes().into())
    }

    /// From stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
    /// Whether nothing is left but what is held.
    pub fn is_partial(&self) -> bool {
        self.finished_at.is_none() && !self.retained.is_empty()
    }

    /// An erasure that begins now.
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
