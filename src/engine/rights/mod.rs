//! [`Rights`]: the privacy rights of users, exercised and answered.

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

/// The privacy rights of users (GDPR, Articles 12 to 21).
/// [`Guestbook::rights`](crate::Guestbook::rights) returns it; a clone is another handle.
///
/// Each method acts on one user. The audit trail records what was done, in the name of the actor
/// that [`by`](Self::by) sets. [The page of the module](crate::privacy) maps each right to its
/// method and its HTTP endpoint.
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
/// # What an erasure does
///
/// [`erase`](Self::erase) erases one user: sessions, preferences, consent records and activities,
/// those of visitors who were linked to the user, and the data of the application that is
/// registered as [`PersonalData`]. It takes these steps, in this order:
///
/// 1. **The journal entry.** With an [erasure journal](crate::privacy::ErasureJournal), the erasure
///    is written there. The entry is on the disk before the next step begins.
/// 2. **The tombstone.** One transaction stores a tombstone and ends the user's sessions. From now
///    on the store refuses to keep anything of the user, and they cannot log in.
/// 3. **Caches and queues.** Caches drop the user. Events that still wait in the recorder's queue
///    go to the store, which leaves them out.
/// 4. **The application's data.** Each [`PersonalData`] source erases its rows.
/// 5. **The rows.** The store deletes the user's rows, at most 400 in a step, so that other writers
///    get their turn. Activities are deleted, or
///    [anonymised](crate::GuestbookBuilder::erased_activities) if you configure that.
/// 6. **The name.** With the last row the user's id is deleted. In the same step an open request
///    for erasure is answered, and the user's name and words disappear from all their requests.
/// 7. **The residue.** The store overwrites what it deleted. If readers block that for a second,
///    the [receipt](ErasureReceipt) says so and the next sweep tries again.
///
/// The receipt counts what was erased. It is signed and names nobody, so the user may keep it as
/// proof.
///
/// # What an erasure keeps
///
/// - **The tombstone**: a keyed hash of the user's id, times and counts. It is kept for 400 days
///   unless [`tombstone_retention`](crate::GuestbookBuilder::tombstone_retention) says otherwise;
///   the entry in the journal is kept as long.
/// - **Entries of the audit trail**: what was done and when, under keyed hashes. The payloads,
///   which name people, are erased.
/// - **Requests**: that the user made them and that they were answered.
/// - **Data under a [legal hold](Self::place_hold)**: the receipt and the request say what was kept
///   and why. It is erased when the hold is released or ends.
/// - **Anonymised activities**, if you configure them. Read [`ErasedActivities`] first.
///
/// The guestbook cannot reach backups, replicas, snapshots of the file system or logs of the
/// application. Events in a [spool](crate::activity::RecorderSettings::spool) stay there until the
/// store takes them; then it leaves them out, and the file is removed.
///
/// # When an erasure is interrupted
///
/// An erasure that was accepted is finished, whatever fails in between:
///
/// - **The process stops before step 1** (before step 2 without a journal): nothing has happened.
/// - **The process stops after step 1**: the next start erases the user.
/// - **The process stops after step 2**: the next start continues where the erasure stopped.
///   Sources are asked again.
/// - **The journal or the store does not answer in time**: [`erase`](Self::erase) returns
///   [`Pending`](crate::ErrorKind::Pending). This process refuses the user at once; other processes
///   restrict the user as soon as the store can be written. Each sweep tries again until the
///   erasure is done. [`erasure_state`](Self::erasure_state) says how far it is.
/// - **A backup is restored**: it does not know the erasures that came after it. With an [erasure
///   journal](crate::privacy::ErasureJournal) the users are erased again before anybody is served.
///   Without one, call [`erase`](Self::erase) again for each of them.
/// - **A request cannot be closed** after its erasure: the erasure stands, a warning is logged, and
///   the request stays open.
///
/// # Erasures that the user confirms
///
/// [`request_erasure`](Self::request_erasure) returns a token for the user. With it:
///
/// - [`confirm_erasure`](Self::confirm_erasure) restricts the user in the same transaction. The
///   first sweep after the [grace period](crate::GuestbookBuilder::erasure_grace), 7 days by
///   default, erases the user, in any process.
/// - [`cancel_erasure`](Self::cancel_erasure) lifts that restriction, in the same transaction as
///   well.
/// - Nothing else lifts or replaces it. If the user was restricted for another reason before, the
///   restriction of the erasure takes effect when the other one is lifted.
///
/// # Metrics
///
/// With feature `metrics`, as of the last sweep:
///
/// | name | kind | value |
/// |---|---|---|
/// | `guestbook_privacy_requests_open` | gauge | requests that are not answered |
/// | `guestbook_privacy_requests_overdue` | gauge | open requests past their deadline |
#[derive(Clone)]
pub struct Rights {
    inner: Arc<Inner>,
    /// Who acts, for the audit trail.
    actor: Actor,
}

struct Inner {
    runtime: Runtime,
    parts: RightsParts,
    config: RightsConfig,
    secret: OnceCell<[u8; 32]>,
    /// The users whose erasure is to be lifted and is not lifted yet, with the actor who asked.
    liftings: Mutex<HashMap<UserId, Actor>>,
    /// The erasures that this process is working on.
    running: Mutex<HashSet<ErasureId>>,
    /// Whether deleted data may not be overwritten yet, perhaps since before this process.
    is_dirty: AtomicBool,
}

/// The parts of the guestbook that have data of users.
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

/// The configuration of rights.
pub(crate) struct RightsConfig {
    /// How long an erased user's id stays refused.
    pub(crate) tombstone_retention: Duration,
    /// What an export says about the processing.
    pub(crate) register: ProcessingRegister,
    /// How long a user may cancel a confirmed erasure.
    pub(crate) grace: Duration,
    /// How long answered requests are kept.
    pub(crate) keep_requests: Duration,
    /// What an erasure makes of activities.
    pub(crate) activities: ErasedActivities,
    /// The journal that remembers erasures outside the store.
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

    /// Returns the same rights, exercised by `actor`: the [audit trail](crate::privacy::AuditTrail)
    /// records that. Default: [`Actor::System`].
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

    /// Returns a copy of all data of the user, as one JSON document (GDPR, Articles 15 and 20).
    ///
    /// The document streams: memory does not grow with the data. The audit trail records the export
    /// before the first part is read. Reading it to its end completes open
    /// [requests](Self::file_request) for access and portability.
    ///
    /// # Errors
    ///
    /// The errors of the store. An error after the beginning is the last item of the stream.
    pub async fn export(&self, user: &UserId) -> Result<Export> {
        self.inner.runtime.tasks.within(self.opened()).await?;
        self.flush_recorder().await;
        self.note_export(user, "json").await?;
        Export::new(self.clone(), user.clone()).await
    }

    /// Returns a copy of all data of the user as a ZIP file, for people and for programs: see
    /// [`ExportArchive`]. Otherwise as [`export`](Self::export).
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

    /// Makes a note for the audit trail. Whatever changes something makes its note here, and so
    /// waits until the journal is replayed.
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
