//! [`ErasureJournal`]: erasures outlive a restored backup.

mod file;
mod line;

use std::future::Future;

pub use self::file::FileJournal;
use crate::{
    error::Result,
    model::privacy::{JournalEntry, StoreFingerprint},
    store::dyn_store::BoxFuture,
    time::Timestamp,
};

/// A journal that remembers erasures outside the database and its backups.
///
/// A backup does not know the erasures that came after it. With a journal, the guestbook compares a
/// restored database with it and erases those users again, before anybody is served.
/// [`FileJournal`] is a journal in a file. Your own may be a table of another database, or an
/// object store.
///
/// ```
/// use tower_guestbook::{Guestbook, UserId, privacy::FileJournal, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("erasures");
/// let journal = FileJournal::new(&path);
/// let guestbook = Guestbook::builder(MemoryStore::new()).erasure_journal(journal).build()?;
/// guestbook.ready().await?; // before the first request is served
/// guestbook.rights().erase(&UserId::try_from("ada")?).await?;
/// assert_eq!(guestbook.rights().replay_journal().await?.checked, 1);
/// # Ok(()) }
/// ```
///
/// # Contract
///
/// 1. **It is elsewhere**: neither in the database nor in what is restored together with it.
/// 2. **An answer is a promise.** When [`append`](Self::append) succeeds, the entry survives a
///    crash of the machine. When it fails, the entry is not there, unless the kind of the error is
///    [`Pending`](crate::ErrorKind::Pending) or [`Timeout`](crate::ErrorKind::Timeout): then it is
///    unknown, and the guestbook tries again until it is known.
/// 3. **Order is kept**: entries are read in the order in which any process appended them.
/// 4. **It belongs to one store.** A journal of another store is refused with
///    [`Configuration`](crate::ErrorKind::Configuration): its pseudonyms mean nothing here.
/// 5. **It is complete or an error.** An entry that cannot be read is never skipped: its user would
///    come back.
///
/// Errors name no user and no pseudonym.
///
/// # When it is used
///
/// - [`erase`](crate::privacy::Rights::erase) writes the entry to the journal, then the tombstone
///   to the store. If the journal cannot be written, nothing has happened, and the error says so.
/// - [`lift_erasure`](crate::privacy::Rights::lift_erasure) writes the entry first, too.
/// - At the start, the journal is [replayed](crate::privacy::Rights::replay_journal) before the
///   store is used. [`ready`](crate::Guestbook::ready) waits for it.
/// - When tombstones expire, their entries are deleted.
///
/// # What happens when it fails
///
/// - **The process stops after the entry**: the next start erases the user.
/// - **The journal is missing** though the store had one: `ready` and each sweep report it until it
///   is back, or [accepted](crate::GuestbookBuilder::accept_new_journal) as lost.
/// - **The journal cannot be reached, is damaged or belongs to another store**: nobody is served.
///   Requests with a session get what [`on_store_error`](crate::GuestbookBuilder::on_store_error)
///   says, and `ready` returns the error. Each sweep tries again.
///
/// # What it costs
///
/// A replay costs one indexed lookup for each entry in force, and a pass over the names of all
/// users if something is missing. Tombstones are restored 1,000 at a time, so the first start with
/// a long journal takes about as long as reading it. The log reports the progress every 10,000
/// users. Memory holds about 150 bytes for each user in the journal.
///
/// # What it cannot do
///
/// - erase what only the [application](crate::privacy::PersonalData) keeps, under a name that
///   neither the store nor [`PersonalData::users`](crate::privacy::PersonalData::users) lists: a
///   journal has keyed hashes and no names
/// - remember erasures from before the journal; erase those users again to enter them
/// - remove what a backup has of a user whose erasure was lifted since
/// - be noticed as missing by a backup from before the journal
/// - end sessions that a [`SplitStore`](crate::store::SplitStore) keeps in a store of their own
///   when that one is restored; [`revoke_all`](crate::session::Sessions::revoke_all) does
/// - recognise a backup of a database that no version with a journal has opened: its secret is
///   another one
pub trait ErasureJournal: Send + Sync + 'static {
    /// Opens the journal. It is called before anything else, and again after a failure. If there is
    /// no journal, `missing` says what to do; a new one is bound to the store.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if there is none and `missing` is
    /// [`Refuse`](OnMissingJournal::Refuse).
    fn open(&self, store: StoreFingerprint, missing: OnMissingJournal) -> impl Future<Output = Result<()>> + Send;

    /// Appends an entry.
    fn append(&self, entry: JournalEntry) -> impl Future<Output = Result<()>> + Send;

    /// Reads at most `limit` entries from a position: the beginning, or the `next` of the page
    /// before.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if entries were deleted meanwhile, so that the
    /// position is no longer valid: begin again.
    fn read(&self, from: Option<u64>, limit: usize) -> impl Future<Output = Result<JournalPage>> + Send;

    /// Deletes entries that have expired at `now`. Returns their number.
    fn delete_expired(&self, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;
}

/// What to do when there is no journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnMissingJournal {
    /// Begins a new journal: the store never had one.
    Begin,
    /// Fails: the store had a journal, and a new one would not know whose erasures that had.
    Refuse,
}

/// A page of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalPage {
    /// The entries, in the order in which they were appended.
    pub entries: Vec<JournalEntry>,
    /// The position of the next page, if there is one.
    pub next: Option<u64>,
}

impl JournalPage {
    /// Creates a page with the position of the next one.
    pub fn new(entries: Vec<JournalEntry>, next: Option<u64>) -> Self {
        Self { entries, next }
    }
}

/// The object-safe form of [`ErasureJournal`], so that no public type has a parameter for it.
pub(crate) trait DynJournal: Send + Sync {
    fn open(&self, store: StoreFingerprint, missing: OnMissingJournal) -> BoxFuture<'_, Result<()>>;
    fn append(&self, entry: JournalEntry) -> BoxFuture<'_, Result<()>>;
    fn read(&self, from: Option<u64>, limit: usize) -> BoxFuture<'_, Result<JournalPage>>;
    fn delete_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<u64>>;
}

impl<J: ErasureJournal> DynJournal for J {
    fn open(&self, store: StoreFingerprint, missing: OnMissingJournal) -> BoxFuture<'_, Result<()>> {
        Box::pin(ErasureJournal::open(self, store, missing))
    }

    fn append(&self, entry: JournalEntry) -> BoxFuture<'_, Result<()>> {
        Box::pin(ErasureJournal::append(self, entry))
    }

    fn read(&self, from: Option<u64>, limit: usize) -> BoxFuture<'_, Result<JournalPage>> {
        Box::pin(ErasureJournal::read(self, from, limit))
    }

    fn delete_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<u64>> {
        Box::pin(ErasureJournal::delete_expired(self, now))
    }
}
