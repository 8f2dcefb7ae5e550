//! [`SqliteStore`]: everything in one file beside the program, for any number of processes on one machine.
//!
//! # Files and settings
//!
//! Write-ahead log, so that readers and the writer do not wait for each other; `secure_delete`, so
//! that what is deleted is overwritten; `auto_vacuum=INCREMENTAL`, foreign keys, `STRICT` tables.
//! Each connection asserts its settings when it opens. The file is this crate's own: it is marked
//! with an `application_id`, and another program's database is refused rather than changed. On Unix
//! only its owner can read it, unless [`file_mode`](SqliteStoreBuilder::file_mode) says otherwise.
//!
//! # Writing
//!
//! One thread writes. What waits when it is free goes into one transaction, each operation in a
//! savepoint of its own, and each caller is answered after that transaction is committed (group
//! commit): parallel writers share the wait for the disk. With [`Durability::Full`], the default,
//! an answered write survives a power failure; touches promise nothing and are never waited for.
//!
//! # Reading
//!
//! A read is a prepared lookup of a few microseconds, done in place on the calling thread: a hop to
//! another thread takes longer than the read. On a slow or remote disk choose [`Reads::Blocking`].
//!
//! # When something is wrong
//!
//! | what | then |
//! |---|---|
//! | disk full | writes fail with [`StorageFull`](ErrorKind::StorageFull), reads go on; works again once there is room |
//! | another process holds the lock | writes wait for [`busy_timeout`](SqliteStoreBuilder::busy_timeout), then fail with [`Unavailable`](ErrorKind::Unavailable) |
//! | file or directory is read-only | [`ReadOnly`](ErrorKind::ReadOnly) at `open` |
//! | not a database, or somebody else's | [`NotADatabase`](ErrorKind::NotADatabase) at `open`, nothing is touched |
//! | written by a newer version | [`NewerSchema`](ErrorKind::NewerSchema) at `open`, nothing is touched |
//! | `kill -9`, panic, power failure | what was acknowledged is there at the next `open` |
//! | the file, or its log, is moved, deleted or replaced while it is in use | it is noticed within a second and with each sweep; an error event says so, and everything fails with [`Unavailable`](ErrorKind::Unavailable) until the very file is back, or until a restart. What was written in that second is in the file that was moved |
//! | the queue is full | callers wait for a place, bounded by the guestbook's store timeout |
//!
//! ```
//! use tower_guestbook::{Guestbook, store::SqliteStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("guestbook.db");
//! let store = SqliteStore::open(&path)?;
//! let guestbook = Guestbook::builder(store.clone()).build()?;
//! assert_eq!(guestbook.sessions().delete_expired().await?, 0);
//! guestbook.shutdown().await;
//! store.close().await?;
//! # Ok(()) }
//! ```

mod activities;
mod analytics;
mod anonymous;
mod audit;
mod connection;
mod consents;
mod contracts;
mod credentials;
mod database;
mod erasures;
mod journal;
mod leftovers;
mod legal_holds;
mod log;
mod maintenance;
mod migrations;
#[cfg(test)]
mod personal;
mod preferences;
mod presence;
mod privacy_requests;
mod reader;
mod restricting;
mod restrictions;
mod rollups;
mod scan;
mod secret;
mod sessions;
mod sql;
mod tombstones;
mod users;

mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use self::{
    database::Database,
    presence::{Presence, Watch},
    reader::Readers,
    writer::Writer,
};
use crate::{
    error::{Error, ErrorKind, Result},
    files::FileMode,
};

/// Everything in a SQLite file. A clone is another handle to the same.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    /// First, so that it is dropped before the files are closed.
    watch: Watch,
    writer: Writer,
    readers: Readers,
    fitted: analytics::Fitted,
}

/// What a [`SqliteStore`] is told before it is opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteStoreBuilder {
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    path: PathBuf,
    busy_timeout: Duration,
    durability: Durability,
    reads: Reads,
    read_connections: usize,
    queue: usize,
    max_bytes: Option<u64>,
    mode: FileMode,
}

/// What an answered write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A power failure (`synchronous=FULL`).
    #[default]
    Full,
    /// A crash of the process; the last writes before a power failure may be undone
    /// (`synchronous=NORMAL`).
    Normal,
}

/// Where reads happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reads {
    /// On the calling thread: fastest as long as the file is in the page cache or on a local disk.
    #[default]
    Inline,
    /// On Tokio's blocking threads: a disk that hangs does not hold up the runtime.
    Blocking,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it. The call blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// See [`SqliteStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Begins a store at `path` with other settings.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            settings: Settings {
                path: path.as_ref().to_owned(),
                busy_timeout: Duration::from_secs(3),
                durability: Durability::default(),
                reads: Reads::default(),
                read_connections: 4,
                queue: 1_024,
                max_bytes: None,
                mode: FileMode::default(),
            },
        }
    }

    /// Finishes what is queued, moves the write-ahead log into the database and closes the file.
    /// Later writes fail with [`ErrorKind::Unavailable`]. Without it, the last handle that is
    /// dropped lets the writer finish in the background.
    ///
    /// # Errors
    ///
    /// What SQLite reports of the last checkpoint. Nothing is lost then; the log stays beside the
    /// database.
    pub async fn close(&self) -> Result<()> {
        self.inner.watch.stop();
        let closed = self.inner.writer.close().await;
        self.inner.readers.close();
        closed
    }
}

impl SqliteStoreBuilder {
    /// How long to wait for another process that holds the lock. Default: 3 seconds; keep it below
    /// the guestbook's store timeout, or callers learn "timeout" instead of "locked".
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.settings.busy_timeout = timeout;
        self
    }

    /// What an answered write survives. Default: a power failure.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Where reads happen. Default: on the calling thread.
    pub fn reads(mut self, reads: Reads) -> Self {
        self.settings.reads = reads;
        self
    }

    /// How many connections for reading are kept open. Default: 4; more are opened when needed and
    /// closed again.
    pub fn read_connections(mut self, connections: usize) -> Self {
        self.settings.read_connections = connections;
        self
    }

    /// How many writes may wait; at least 1. Default: 1,024. Callers beyond wait for a place.
    pub fn queue(mut self, writes: usize) -> Self {
        self.settings.queue = writes.max(1);
        self
    }

    /// How large the database may become. Default: as large as the disk allows.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_bytes = Some(bytes);
        self
    }

    /// Who may read and write the database when it is made, as permission bits of Unix, whatever
    /// the mask of the process: 0o640, say, for a group that copies it. Its log and the index of
    /// that (`-wal` and `-shm`) get the same. A file that is there keeps its mode; one that others
    /// can read is warned of. Default: 0o600.
    pub fn file_mode(mut self, mode: u32) -> Self {
        self.settings.mode = FileMode::new(mode);
        self
    }

    /// Opens the database, or makes it, brings its schema up to date and starts the writer.
    ///
    /// # Errors
    ///
    /// [`NotADatabase`](ErrorKind::NotADatabase), [`NewerSchema`](ErrorKind::NewerSchema),
    /// [`ReadOnly`](ErrorKind::ReadOnly), [`StorageFull`](ErrorKind::StorageFull),
    /// [`Unavailable`](ErrorKind::Unavailable) if it is locked,
    /// [`Configuration`](ErrorKind::Configuration) if the file cannot be opened, for example
    /// because its directory does not exist, or if the path is one of SQLite's names for a database
    /// in memory: that is what [`MemoryStore`](crate::store::MemoryStore) is for.
    pub fn open(self) -> Result<SqliteStore> {
        if is_in_memory(&self.settings.path) {
            let context = "the database has no file of its own: give SqliteStore a path, \
                           or use store::MemoryStore to keep everything in memory";
            return Err(Error::new(ErrorKind::Configuration, context));
        }
        self.settings.mode.check()?;
        let settings = Arc::new(self.settings);
        let connection = connection::open_for_writing(&settings)?;
        let presence = Presence::of(&settings.path).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the database file is gone as soon as it was opened").with_source(error)
        })?;
        let presence = Arc::new(presence);
        let readers = Readers::open(settings.clone(), presence.clone())?;
        let writer = Writer::start(Database::new(connection), &settings, presence.clone())?;
        let watch = Watch::start(&presence)?;
        Ok(SqliteStore { inner: Arc::new(Inner { watch, writer, readers, fitted: analytics::Fitted::default() }) })
    }
}

/// Whether SQLite users mean a database in memory, or a temporary one, by this name.
fn is_in_memory(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let is_uri = name.starts_with("file:");
    name.is_empty() || name == ":memory:" || is_uri && (name.contains(":memory:") || name.contains("mode=memory"))
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("settings", self.inner.readers.settings()).finish_non_exhaustive()
    }
}
