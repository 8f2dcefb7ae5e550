//! [`SqliteStore`]: all data in one SQLite file, shared by any number of processes on one machine.
//!
//! # Files and settings
//!
//! The store uses a write-ahead log, so that readers and the writer do not block each other;
//! `secure_delete`, so that deleted data is overwritten; `auto_vacuum=INCREMENTAL`, foreign keys
//! and `STRICT` tables. Each connection asserts its settings when it opens. The file belongs to
//! this crate: it is marked with an `application_id`, and another program's database is refused
//! rather than changed. On Unix only its owner can read it, unless
//! [`file_mode`](SqliteStoreBuilder::file_mode) says otherwise.
//!
//! # Writing
//!
//! One thread writes. Operations that are queued when it is free share one transaction, each in its
//! own savepoint, and each caller is answered after the commit (group commit). So parallel writers
//! share the wait for the disk. With [`Durability::Full`], the default, an acknowledged write
//! survives a power failure. Touches are not durable, and nobody waits for them.
//!
//! # Reading
//!
//! A read is a prepared lookup of a few microseconds on the calling thread: switching to another
//! thread takes longer than the read. On a slow or remote disk, choose [`Reads::Blocking`].
//!
//! # Failures
//!
//! - **Disk full**: writes fail with [`StorageFull`](ErrorKind::StorageFull), reads work. The store
//!   recovers once there is space.
//! - **Another process holds the lock**: writes wait for
//!   [`busy_timeout`](SqliteStoreBuilder::busy_timeout), then fail with
//!   [`Unavailable`](ErrorKind::Unavailable).
//! - **File or directory is read-only**: [`ReadOnly`](ErrorKind::ReadOnly) at `open`.
//! - **Not a database, or another program's**: [`NotADatabase`](ErrorKind::NotADatabase) at `open`;
//!   the file is not changed.
//! - **Written by a newer version**: [`NewerSchema`](ErrorKind::NewerSchema) at `open`; the file is
//!   not changed.
//! - **`kill -9`, panic, power failure**: acknowledged writes are there at the next `open`.
//! - **The file or its log is moved, deleted or replaced while in use**: this is noticed within a
//!   second and at each sweep. An error is logged, and every operation fails with
//!   [`Unavailable`](ErrorKind::Unavailable) until the same files are back or the program is
//!   restarted.
//! - **The queue is full**: callers wait for a place, at most for the guestbook's store timeout.
//!
//! # Examples
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

/// A store in a SQLite file, see the [module](self). Clones are handles to the same store.
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

/// Settings of a [`SqliteStore`].
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

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A power failure (`synchronous=FULL`). The default.
    #[default]
    Full,
    /// A crash of the process. A power failure may undo the last writes (`synchronous=NORMAL`).
    Normal,
}

/// The threads on which reads run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reads {
    /// The calling thread: fastest if the file is in the page cache or on a local disk. The
    /// default.
    #[default]
    Inline,
    /// Tokio's blocking threads: a hanging disk does not block the runtime.
    Blocking,
}

impl SqliteStore {
    /// Opens or creates the database at `path`. The call blocks until the disk is done.
    ///
    /// # Errors
    ///
    /// See [`SqliteStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Starts the configuration of a store at `path`.
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

    /// Finishes queued writes, moves the write-ahead log into the database and closes the file.
    ///
    /// Later writes fail with [`ErrorKind::Unavailable`]. If this is not called, the writer
    /// finishes in the background when the last handle is dropped.
    ///
    /// # Errors
    ///
    /// Any error of SQLite's last checkpoint. No data is lost then; the log stays beside the
    /// database.
    pub async fn close(&self) -> Result<()> {
        self.inner.watch.stop();
        let closed = self.inner.writer.close().await;
        self.inner.readers.close();
        closed
    }
}

impl SqliteStoreBuilder {
    /// Sets how long to wait for another process that holds the lock. Default: 3 seconds. Keep it
    /// below the guestbook's store timeout; otherwise callers see a timeout instead of a locked
    /// database.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.settings.busy_timeout = timeout;
        self
    }

    /// Sets what an acknowledged write survives. Default: [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Sets the threads on which reads run. Default: [`Reads::Inline`].
    pub fn reads(mut self, reads: Reads) -> Self {
        self.settings.reads = reads;
        self
    }

    /// Sets the number of reading connections that are kept open. Default: 4. More are opened when
    /// needed, and closed again.
    pub fn read_connections(mut self, connections: usize) -> Self {
        self.settings.read_connections = connections;
        self
    }

    /// Limits the number of queued writes; at least 1. Default: 1,024. Further callers wait for a
    /// place.
    pub fn queue(mut self, writes: usize) -> Self {
        self.settings.queue = writes.max(1);
        self
    }

    /// Limits the size of the database. Default: only by the disk.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_bytes = Some(bytes);
        self
    }

    /// Sets the mode of a new database file, as Unix permission bits. The umask of the process does
    /// not apply. Its log and index (`-wal` and `-shm`) get the same mode. Default: 0o600; use
    /// 0o640, for example, for a group that makes backups.
    ///
    /// An existing file keeps its mode; if others can read it, a warning is logged.
    pub fn file_mode(mut self, mode: u32) -> Self {
        self.settings.mode = FileMode::new(mode);
        self
    }

    /// Opens or creates the database, migrates its schema and starts the writer.
    ///
    /// # Errors
    ///
    /// - [`NotADatabase`](ErrorKind::NotADatabase) or [`NewerSchema`](ErrorKind::NewerSchema) if
    ///   the file is not this version's.
    /// - [`ReadOnly`](ErrorKind::ReadOnly), [`StorageFull`](ErrorKind::StorageFull), or
    ///   [`Unavailable`](ErrorKind::Unavailable) if it is locked.
    /// - [`Configuration`](ErrorKind::Configuration) if the file cannot be opened, for example
    ///   because its directory does not exist, or if the path is one of SQLite's names for a
    ///   database in memory: use [`MemoryStore`](crate::store::MemoryStore) instead.
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

/// Returns whether SQLite users mean an in-memory or temporary database by this name.
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
