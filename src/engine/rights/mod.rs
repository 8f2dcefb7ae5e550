//! [`Rights`]: what people may demand of those who keep their data: a copy of it (GDPR, Articles 15 and 20), that it is corrected
//! (16), erased (17) or left alone (18), and that processing for a purpose ends (21); and the [requests](Rights::file_request) for that, which are to be
//! answered within a month (12).

#[cfg(feature = "zip")]
mod archive;
mod decision;
mod erasure;
mod erasure_request;
mod erasure_state;
mod export;
mod guarded_export;
mod import;
mod journal_guard;
mod lifting;
#[cfg(feature = "metrics")]
mod metrics;
mod objection;
mod part_stream;
mod personal_data;
mod processing_info;
mod processing_records;
mod processing_register;
mod receipt;
mod rectification;
mod replay;
mod requests;
mod restriction;
mod user_data;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::OnceCell;

#[cfg(feature = "zip")]
pub use self::archive::ExportArchive;
pub use self::{
    erasure_request::ErasureRequest,
    erasure_state::ErasureState,
    export::Export,
    import::ImportReport,
    personal_data::{ExportedPage, PersonalData, PersonalDataDescription, PersonalDataFuture},
    processing_records::{ProcessingRecord, ProcessingRecords},
    processing_register::RetentionPeriod,
    receipt::ErasureReceipt,
    rectification::RectificationReport,
    replay::ReplayReport,
};
pub(crate) use self::{journal_guard::JournalGuard, processing_register::ProcessingRegister};
use crate::{
    engine::{
        audit::AuditTrail, pending::PendingErasures, profiles::Profiles, recorder::Recorder, runtime::Runtime,
        sessions::Sessions,
    },
    error::Result,
    id::UserId,
    model::privacy::{Actor, AuditAction, AuditNote, ErasedActivities, ErasureId},
};

/// The rights of users. A clone is another handle.
///
/// ```
/// use tower_guestbook::{Guestbook, UserId, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let ada = UserId::try_from("ada")?;
/// let mut export = guestbook.rights().export(&ada).await?;
/// let mut json = Vec::new();
/// while let Some(part) = export.next().await {
///     json.extend(part?);
/// }
/// let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
/// assert_eq!(json["user_id"], "ada");
///
/// let receipt = guestbook.rights().erase(&ada).await?;
/// assert_eq!((receipt.erasure.erased.activities, receipt.is_clean), (0, true));
/// # Ok(()) }
/// ```
///
/// # What an erasure does, and when something goes wrong
///
/// | step | what | if the process dies after it |
/// |---|---|---|
/// | 0 | with a [journal](crate::privacy): the erasure is entered there, on the disk | the next start strikes the user out |
/// | 1 | the user is struck out: a tombstone is stored and their sessions end, in one transaction. From now on every verb of the store refuses to keep anything of them | the next start goes on |
/// | 2 | caches forget them; what waits in the recorder's queue goes to the store, which leaves it out | |
/// | 3 | each [source](PersonalData) of the application erases | it is asked again |
/// | 4 | rows are deleted, some hundred at a time, so that others get their turn; activities are [anonymised](crate::GuestbookBuilder::erased_activities) instead, if you say so | goes on where it was |
/// | 5 | with the last row the name goes; the tombstone keeps a keyed hash of it and the counts | nothing is left to do |
/// | 6 | the store overwrites residue. If a reader holds it up, the [receipt](ErasureReceipt) says so, and the next sweep tries again | the next start does |
///
/// A restored backup does not know who was erased since. With an [erasure journal](crate::GuestbookBuilder::erasure_journal) they are
/// erased again before anybody is served; without one [`Rights::erase`] is to be called again for each of them.
///
/// # What happens when
///
/// | what | then |
/// |---|---|
/// | something of the user is [held](Rights::place_hold) | the rest is erased, the receipt and the request say what is left; it is gone on with when that is released or over |
/// | the user [confirmed](Rights::confirm_erasure) to be erased | they are restricted in the same transaction, and erased by the first sweep after the grace, in whichever process |
/// | they [cancel](Rights::cancel_erasure) | the restriction is lifted in the same transaction |
/// | somebody restricts them or lifts that meanwhile | they stay restricted: that of the erasure is neither replaced nor lifted, and comes when another one is lifted |
/// | the journal or the store does not answer in time | the erasure is pending: the user is refused in this process at once, and restricted in the others as soon as the store can be written; it is tried by each sweep until it is done. [`Rights::erasure_state`] says how far it is |
/// | the process dies meanwhile | the next start finishes it if the journal or the store has it; if neither has, nothing has happened |
/// | a request cannot be closed after what it asked for was done | that stays done, a warning says so, and the request stays open |
///
/// # Metrics
///
/// With feature `metrics`, as of the last sweep:
///
/// | name | kind | what |
/// |---|---|---|
/// | `guestbook_requests_open` | gauge | requests that are to be answered |
/// | `guestbook_requests_overdue` | gauge | those of them that should have been answered before |
///
/// # What is out of reach
///
/// What this crate cannot reach: backups themselves, replicas, snapshots of a file system, logs of the application, events in a
/// [spool](crate::activity::RecorderSettings::spool) until the store takes them (it
/// leaves them out then, and the file is removed).
#[derive(Clone)]
pub struct Rights {
    inner: Arc<Inner>,
    /// In whose name the audit trail records what is done.
    actor: Actor,
}

struct Inner {
    runtime: Runtime,
    parts: RightsParts,
    config: RightsConfig,
    secret: OnceCell<[u8; 32]>,
    /// The users whose erasure is to be lifted and is not lifted yet.
    liftings: Mutex<HashMap<UserId, Actor>>,
    /// The erasures that this process is at.
    running: Mutex<HashSet<ErasureId>>,
    /// Whether residue may be left: of an erasure that nobody could clean up after, perhaps before this process.
    is_dirty: AtomicBool,
}

/// The parts of the guestbook that have something of a user.
pub(crate) struct RightsParts {
    pub(crate) profiles: Option<Profiles>,
    pub(crate) sessions: Sessions,
    pub(crate) recorder: Recorder,
    pub(crate) audit: AuditTrail,
    /// The users whose erasure is not decided yet.
    pub(crate) pending: PendingErasures,
    /// The application's own data.
    pub(crate) sources: Vec<Box<dyn PersonalData>>,
}

/// How rights are exercised.
pub(crate) struct RightsConfig {
    /// How long an erased user's id stays refused.
    pub(crate) tombstone_retention: Duration,
    /// What an export says of the processing.
    pub(crate) register: ProcessingRegister,
    /// How long a user may cancel a confirmed erasure.
    pub(crate) grace: Duration,
    /// How long answered requests are kept.
    pub(crate) keep_requests: Duration,
    /// What an erasure makes of activities.
    pub(crate) activities: ErasedActivities,
    /// Where erasures are remembered outside the store.
    pub(crate) journal_guard: Option<JournalGuard>,
}

impl Rights {
    /// The sessions of the guestbook.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.parts.sessions
    }

    pub(crate) fn new(runtime: Runtime, parts: RightsParts, config: RightsConfig) -> Self {
        let inner = Inner {
            runtime,
            parts,
            config,
            secret: OnceCell::new(),
            liftings: Mutex::default(),
            running: Mutex::default(),
            is_dirty: AtomicBool::new(true),
        };
        Self { inner: Arc::new(inner), actor: Actor::System }
    }

    /// The same rights, exercised by `actor`: the [audit trail](crate::privacy) says so. Without it, it says "the system".
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, UserId, privacy::Actor, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let desk = Actor::Operator("desk 3".into());
    /// guestbook.rights().by(desk.clone()).export(&UserId::from(7)).await?;
    /// let trail = guestbook.audit().entries(0, 10, None).await?;
    /// assert_eq!(trail[0].content()?.unwrap().actor, desk);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self { inner: self.inner.clone(), actor }
    }

    /// A copy of all that is kept of the user, as one JSON document, part by part: memory does not grow with the data. The audit
    /// trail records it first.
    ///
    /// # Errors
    ///
    /// What the store reports. What goes wrong later is the last part of the stream.
    pub async fn export(&self, user: &UserId) -> Result<Export> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        self.flush_recorder().await;
        self.note_export(user, "json").await?;
        Export::new(self.clone(), user.clone()).await
    }

    /// As [`export`](Self::export), as a ZIP file: one file of each kind, for people and for programs, and a manifest.
    ///
    /// # Errors
    ///
    /// As for [`export`](Self::export).
    #[cfg(feature = "zip")]
    pub async fn export_archive(&self, user: &UserId) -> Result<ExportArchive> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        self.flush_recorder().await;
        self.note_export(user, "zip").await?;
        ExportArchive::new(self.clone(), user.clone()).await
    }

    /// The one place where notes are made, and so where everything that changes something waits until the journal is replayed.
    pub(super) async fn note(&self, action: AuditAction, actor: Actor, user: &UserId) -> Result<AuditNote> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        self.inner.parts.audit.note(action, actor, Some(user)).await
    }

    async fn note_export(&self, user: &UserId, format: &str) -> Result<()> {
        let detail = serde_json::json!({ "format": format });
        self.inner.parts.audit.record(AuditAction::Exported, self.actor.clone(), Some(user), detail).await.map(drop)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self.inner.parts.sources.iter().map(|source| source.name()).collect();
        f.debug_struct("Rights").field("sources", &sources).finish_non_exhaustive()
    }
}
