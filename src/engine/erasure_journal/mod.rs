//! [`ErasureJournal`]: what keeps erased users out although a backup of before is restored.

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

/// Where erasures are remembered outside the store.
///
/// # Contract
///
/// 1. **It is somewhere else**: neither in the database nor in what is restored together with it.
/// 2. **An answer is a promise.** When [`append`](Self::append) answers with success, the entry survives a crash of the machine. When
///    it answers with an error, the entry is not there, unless the kind is [`Pending`](crate::ErrorKind::Pending) or
///    [`Timeout`](crate::ErrorKind::Timeout): then it is not known, and the guestbook tries again until it is.
/// 3. **Order is kept**: entries are read in the order in which they were appended, by whichever process.
/// 4. **It belongs to one store.** A journal of another store is refused, with
///    [`Configuration`](crate::ErrorKind::Configuration): its pseudonyms mean nothing here.
/// 5. **It is whole or an error.** What cannot be read is never passed over: somebody would come back.
///
/// Errors name no user and no pseudonym.
///
/// A tombstone stands in the database, so a backup of before does not have it. A journal is kept **outside the database and outside
/// its backups**: a restored database is compared with it, and whoever was erased since the backup is erased again, before anybody is
/// served. [`FileJournal`] is one; your own may be a table elsewhere, or an object store that keeps what it is given.
///
/// | when | what |
/// |---|---|
/// | [`erase`](crate::privacy::Rights::erase) | the entry is on the disk first, then the tombstone in the store. If the journal cannot be written, nothing has happened and the error says so |
/// | [`lift_erasure`](crate::privacy::Rights::lift_erasure) | likewise: first the entry, then the tombstone goes |
/// | start | the journal is [replayed](crate::privacy::Rights::replay_journal) before anything else is asked of the store; [`ready`](crate::Guestbook::ready) waits for it |
/// | the process dies after the entry | the next start strikes the user out |
/// | there was a journal, and now there is none | `ready` and each sweep say so until it is back, or [accepted](crate::GuestbookBuilder::accept_new_journal) as lost |
/// | the journal is out of reach, damaged or another store's | nobody is served: requests with a session get what [`on_store_error`](crate::GuestbookBuilder::on_store_error) says, `ready` the error; each sweep tries again |
/// | tombstones are forgotten | so are their entries |
///
/// A replay costs one indexed lookup for each entry in force, and a pass over the names of all users if
/// something is missing. Tombstones are restored 1,000 at a time, so that the first start with a long
/// journal takes about as long as reading it; the log says how far it is every 10,000 users. Memory holds
/// about 150 bytes for each user in the journal.
///
/// What it cannot do: erase what only an [application](crate::privacy::PersonalData) keeps under a name that neither the store nor
/// [`PersonalData::users`](crate::privacy::PersonalData::users) knows (a journal has keyed hashes, no names); remember erasures of before
/// there was a journal (erase those users again: that is entered); keep what a backup has of somebody who was erased and let in again
/// since from coming back with them; be missed by a backup of before there was a journal; end sessions that a [`SplitStore`](crate::store::SplitStore) keeps in a store of their own when that one is restored
/// ([`revoke_all`](crate::session::Sessions::revoke_all) does); recognise a backup of a database that never was opened by a
/// version with a journal, as its secret is another one.
///
/// ```
/// use tower_guestbook::{Guestbook, UserId, privacy::FileJournal, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("erasures");
/// let guestbook = Guestbook::builder(MemoryStore::new()).erasure_journal(FileJournal::new(&path)).build()?;
/// guestbook.ready().await?; // before the first request is taken
/// guestbook.rights().erase(&UserId::try_from("ada")?).await?;
/// assert_eq!(guestbook.rights().replay_journal().await?.checked, 1);
/// # Ok(()) }
/// ```
pub trait ErasureJournal: Send + Sync + 'static {
    /// Is called before anything else, and again when it has failed. If there is no journal it does what `missing` says; a new one is
    /// bound to the store.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if there is none and `missing` is [`Refuse`](OnMissingJournal::Refuse).
    fn open(&self, store: StoreFingerprint, missing: OnMissingJournal) -> impl Future<Output = Result<()>> + Send;

    /// Adds an entry at the end.
    fn append(&self, entry: JournalEntry) -> impl Future<Output = Result<()>> + Send;

    /// At most `limit` entries from a position on: from the beginning, or where the page before says.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if the position means nothing any more, because entries were forgotten meanwhile: begin again.
    fn read(&self, from: Option<u64>, limit: usize) -> impl Future<Output = Result<JournalPage>> + Send;

    /// Forgets entries that do not matter any longer at `now`. How many there were.
    fn delete_expired(&self, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;
}

/// What becomes of a journal that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnMissingJournal {
    /// A new one begins: the store has never had any.
    Begin,
    /// It is an error: the store has had one, and a new one would not know whom that kept out.
    Refuse,
}

/// A page of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalPage {
    /// The entries, in the order in which they were appended.
    pub entries: Vec<JournalEntry>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

impl JournalPage {
    /// A page, and where the next one begins.
    pub fn new(entries: Vec<JournalEntry>, next: Option<u64>) -> Self {
        Self { entries, next }
    }
}

/// The object-safe twin, so that no type of a user carries a parameter for it.
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
