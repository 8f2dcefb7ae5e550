//! [`Presence`]: whether the database file is still at its path.
//!
//! SQLite continues to use a file that was moved or deleted, because an open file needs no name:
//! all later writes are lost with the process. `SQLITE_FCNTL_HAS_MOVED` would detect it, but only
//! through unsafe code.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    error::{Error, ErrorKind, Result},
    files::beside,
};

/// The files of a database, as they were when it was opened.
#[derive(Debug)]
pub(super) struct Presence {
    files: Vec<(PathBuf, Identity)>,
    is_gone: AtomicBool,
}

/// The identity of a file, which another file of the same name does not have.
#[derive(Debug, PartialEq, Eq)]
struct Identity(Option<(u64, u64)>);

/// A thread that checks the files regularly, until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    thread: JoinHandle<()>,
    alive: Mutex<Option<Arc<()>>>,
}

/// Interval of the checks. Writes in between may be lost.
const INTERVAL: Duration = Duration::from_millis(500);

impl Presence {
    /// Remembers the files of the database that is open under this name, and its log.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // A change of the process's working directory moves no file.
        let (name, real) = (std::path::absolute(path)?, fs::canonicalize(path)?);
        let identity = identity(&name)?;
        let log = beside(&real, "-wal");
        let log = self::identity(&log).ok().map(|identity| (log, identity));
        Ok(Self { files: [(name, identity)].into_iter().chain(log).collect(), is_gone: AtomicBool::new(false) })
    }

    /// Fails if the file is gone. Reads a flag only.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_gone.load(Ordering::Relaxed) {
            return Err(gone());
        }
        Ok(())
    }

    /// Checks the files. If nobody uses them any more, they are not missing: the last connection
    /// deletes the log.
    fn look(&self, watched: &Weak<()>) {
        let is_there = |(path, expected): &(PathBuf, Identity)| match identity(path) {
            Ok(found) => found == *expected,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            // A directory that cannot be read for a moment says nothing about the file.
            Err(_) => !self.is_gone.load(Ordering::Relaxed),
        };
        let is_gone = !self.files.iter().all(is_there);
        if watched.strong_count() == 0 || self.is_gone.swap(is_gone, Ordering::Relaxed) == is_gone {
            return;
        }
        let path = self.files.first().map(|(path, _)| path.display().to_string()).unwrap_or_default();
        if is_gone {
            tracing::error!(
                path,
                "the database file or its log was moved, deleted or replaced while it was in use: nothing is read \
                 or written any more. Put back the very file, or restart"
            );
        } else {
            tracing::warn!(path, "the database file is back in its place: it is used again");
        }
    }
}

impl Watch {
    pub(super) fn start(presence: &Arc<Presence>) -> Result<Self> {
        let alive = Arc::new(());
        let (presence, watched) = (presence.clone(), Arc::downgrade(&alive));
        let thread = thread::Builder::new()
            .name("guestbook-watch".into())
            .spawn(move || watch(&presence, &watched))
            .map_err(|error| Error::new(ErrorKind::Internal, "no thread for watching").with_source(error))?;
        Ok(Self { thread, alive: Mutex::new(Some(alive)) })
    }

    /// Must be called before the files are closed.
    pub(super) fn stop(&self) {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.check_now();
    }

    /// Checks immediately instead of at the next interval.
    pub(super) fn check_now(&self) {
        self.thread.thread().unpark();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

fn watch(presence: &Presence, watched: &Weak<()>) {
    loop {
        thread::park_timeout(INTERVAL);
        if watched.strong_count() == 0 {
            return;
        }
        presence.look(watched);
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(path)?;
    Ok(Identity(Some((found.dev(), found.ino()))))
}

/// On other systems, a file in use cannot be moved.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|_| Identity(None))
}

fn gone() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the database file was moved, deleted or replaced while it was in use: put back the very file, or restart",
    )
}
