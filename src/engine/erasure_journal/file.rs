//! [`FileJournal`]: an erasure journal in a file, one line for each entry.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    ErasureJournal, JournalPage, OnMissingJournal,
    line::{self, Header},
};
use crate::{
    error::{Error, ErrorKind, Result},
    files::{self, FileMode, Replacement},
    model::privacy::{JournalEntry, StoreFingerprint},
    time::Timestamp,
};

/// An erasure journal in a file of its own: a header with a hash of the store's secret, then a line
/// of JSON for each entry.
///
/// Keep it on another disk than the database if you can, and **outside of what is restored together
/// with the database**. Any number of processes on one machine may share it; a lock on the file
/// `NAME.lock` beside it admits one at a time. On Unix only its owner can read it, unless
/// [`file_mode`](Self::file_mode) says otherwise.
///
/// ```
/// use tower_guestbook::{
///     Timestamp, UserId,
///     privacy::{
///         Erasure, ErasureJournal, FileJournal, JournalEntry, OnMissingJournal, Pseudonym,
///         StoreFingerprint,
///     },
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("erasures");
/// let (secret, ada) = ([7; 32], UserId::try_from("ada")?);
/// let (now, until) = (Timestamp::from_millis(1), Timestamp::from_millis(100));
/// let erasure = Erasure::begin(ada.clone(), Pseudonym::of(&ada, &secret), now, until)?;
///
/// let journal = FileJournal::new(&path);
/// journal.open(StoreFingerprint::of(&secret), OnMissingJournal::Begin).await?;
/// journal.append(JournalEntry::erased(&erasure)).await?;
/// assert_eq!(journal.read(None, 10).await?.entries, [JournalEntry::erased(&erasure)]);
/// assert_eq!(journal.delete_expired(until).await?, 1);
/// # Ok(()) }
/// ```
///
/// # What happens when
///
/// - **There is no file at the first start, or an empty one**: it is created. Its directory must
///   exist.
/// - **There is no file at a later start, or an empty one**: nobody is served;
///   [`Unavailable`](ErrorKind::Unavailable). Put the file back, or see
///   [`accept_new_journal`](crate::GuestbookBuilder::accept_new_journal).
/// - **The file disappears or cannot be written**: nothing is written;
///   [`Unavailable`](ErrorKind::Unavailable), [`ReadOnly`](ErrorKind::ReadOnly) or
///   [`StorageFull`](ErrorKind::StorageFull).
/// - **Another process holds the lock for more than 3 seconds**: nothing is written;
///   [`Unavailable`](ErrorKind::Unavailable).
/// - **A crash cut off the last line**: it was never acknowledged. It is skipped, and removed
///   before the next entry.
/// - **Any other damage**: [`Corrupt`](ErrorKind::Corrupt), with the number of the line.
/// - **The file belongs to another store or is no journal**:
///   [`Configuration`](ErrorKind::Configuration).
/// - **A newer version wrote it**: [`NewerSchema`](ErrorKind::NewerSchema).
#[derive(Clone, Debug)]
pub struct FileJournal {
    path: Arc<Path>,
    mode: FileMode,
    /// The store that the journal was opened for.
    store: Arc<Mutex<Option<StoreFingerprint>>>,
}

impl FileJournal {
    /// Creates a journal in this file. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), mode: FileMode::default(), store: Arc::default() }
    }

    /// Sets the permission bits of the file when it is created on Unix, whatever the umask: 0o640,
    /// for example, for a group that copies it. An existing file keeps its mode; a warning is
    /// logged if others can read it. Default: 0o600.
    #[must_use]
    pub fn file_mode(mut self, mode: u32) -> Self {
        self.mode = FileMode::new(mode);
        self
    }

    /// Runs `work`, under the lock, where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, StoreFingerprint) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (path, mode, store) = (self.path.clone(), self.mode, *self.store());
        let store = store.ok_or_else(|| Error::new(ErrorKind::Internal, "the erasure journal was not opened"))?;
        let work = move || {
            let _lock = lock(&path, mode)?;
            work(&path, store)
        };
        let work = tokio::task::spawn_blocking(work);
        work.await
            .map_err(|error| Error::new(ErrorKind::Internal, "the erasure journal panicked").with_source(error))?
    }

    fn store(&self) -> MutexGuard<'_, Option<StoreFingerprint>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ErasureJournal for FileJournal {
    async fn open(&self, store: StoreFingerprint, missing: OnMissingJournal) -> Result<()> {
        self.mode.check()?;
        files::warn_if_open(&self.path, self.mode);
        *self.store() = Some(store);
        let mode = self.mode;
        self.blocking(move |path, store| {
            make(path, store, missing, mode)?;
            OpenFile::new(path, store).map(drop)
        })
        .await
    }

    async fn append(&self, entry: JournalEntry) -> Result<()> {
        self.blocking(move |path, store| OpenFile::new(path, store)?.append(&line::write(&entry))).await
    }

    async fn read(&self, from: Option<u64>, limit: usize) -> Result<JournalPage> {
        self.blocking(move |path, store| OpenFile::new(path, store)?.page(from, limit)).await
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        let mode = self.mode;
        self.blocking(move |path, store| {
            let mut open = OpenFile::new(path, store)?;
            let mut entries = open.page(None, usize::MAX)?.entries;
            let before = entries.len();
            entries.retain(|entry| entry.is_in_force(now));
            let deleted = before - entries.len();
            if deleted > 0 {
                replace(path, &Header::new(store, open.header.generation.wrapping_add(1)), &entries, mode)?;
            }
            Ok(deleted as u64)
        })
        .await
    }
}

/// The open file with its header, while the lock is held.
struct OpenFile {
    file: File,
    header: Header,
    /// Where the entries begin.
    begin: u64,
    /// Where the last complete line ends.
    end: u64,
}

impl OpenFile {
    fn new(path: &Path, store: StoreFingerprint) -> Result<Self> {
        let options = OpenOptions::new().read(true).append(true).open(path);
        let mut file = options.map_err(|error| match error.kind() {
            // A new file would not know the erasures of the old one.
            io::ErrorKind::NotFound => {
                Error::new(ErrorKind::Unavailable, "the file of the erasure journal is missing").with_source(error)
            }
            _ => failed(error),
        })?;
        let mut first = Vec::new();
        BufReader::new(&file).take(MAX_HEADER).read_until(b'\n', &mut first).map_err(failed)?;
        let header = Header::parse(&first).filter(|_| first.ends_with(b"\n"));
        let header =
            header.ok_or_else(|| wrong("the file is no erasure journal: give the journal a file of its own"))?;
        if header.version > line::VERSION {
            let context = "the erasure journal was written by a newer version: update the program";
            return Err(Error::new(ErrorKind::NewerSchema, context));
        }
        if header.store != store.to_string() {
            return Err(wrong(
                "the erasure journal belongs to another store: give each database a journal of its own, \
                 and a restored database the one that it had",
            ));
        }
        let begin = first.len() as u64;
        let end = last_line_end(&mut file, begin).map_err(failed)?;
        Ok(Self { file, header, begin, end })
    }

    fn append(&mut self, line: &[u8]) -> Result<()> {
        // A line that a crash cut off would damage this one.
        let cut = self.file.set_len(self.end);
        let written = cut.and_then(|()| self.file.write_all(line)).and_then(|()| self.file.sync_all());
        written.map_err(|error| match self.file.set_len(self.end) {
            Ok(()) => failed(error),
            Err(_) => {
                let context = "an entry that failed could not be removed from the erasure journal";
                Error::new(ErrorKind::Pending, context).with_source(error)
            }
        })
    }

    fn page(&mut self, from: Option<u64>, limit: usize) -> Result<JournalPage> {
        let generation = u64::from(self.header.generation) & MAX_GENERATION;
        let mut position = match from {
            None => self.begin,
            Some(from) if from >> OFFSET_BITS == generation => from & MAX_OFFSET,
            Some(_) => {
                return Err(Error::new(ErrorKind::Conflict, "entries of the erasure journal were deleted meanwhile"));
            }
        };
        self.file.seek(SeekFrom::Start(position)).map_err(failed)?;
        let mut reader = BufReader::new(&self.file);
        let (mut entries, mut text) = (Vec::new(), Vec::new());
        while position < self.end && entries.len() < limit {
            text.clear();
            let length = reader.read_until(b'\n', &mut text).map_err(failed)? as u64;
            match line::parse(&text) {
                Some(entry) => entries.push(entry),
                None => return Err(self.damaged(position)),
            }
            position += length;
        }
        let next = (position < self.end).then_some(generation << OFFSET_BITS | position);
        Ok(JournalPage::new(entries, next))
    }

    /// The error about the line that begins at `position`.
    fn damaged(&self, position: u64) -> Error {
        let before = || -> io::Result<usize> {
            (&self.file).seek(SeekFrom::Start(0))?;
            // `count` would not end on a permanent error.
            let mut lines = BufReader::new(&self.file).take(position).split(b'\n');
            lines.try_fold(0, |count, line| line.map(|_| count + 1))
        };
        let line = before().map_or_else(|_| "a line".to_owned(), |lines| format!("line {}", lines + 1));
        let context = format!(
            "{line} of the erasure journal is damaged: restore it from a copy, or remove the line and erase that user again"
        );
        Error::new(ErrorKind::Corrupt, context)
    }
}

/// Takes the lock until the file is dropped. The lock is a file beside the journal, as the journal
/// may be replaced.
fn lock(path: &Path, mode: FileMode) -> Result<File> {
    let path = files::beside(path, ".lock");
    let opened = match files::create_new(&path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                return Err(wrong("the lock of the erasure journal is a symbolic link: remove it"));
            }
            _ => OpenOptions::new().write(true).open(&path),
        },
        opened => opened,
    };
    let file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::Configuration, "the directory of the erasure journal does not exist")
                .with_source(error)
        }
        _ => failed(error),
    })?;
    let until = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                let context = "another process holds the lock of the erasure journal; nothing was written";
                return Err(Error::new(ErrorKind::Unavailable, context));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

/// Creates the journal if there is none and `missing` allows it.
fn make(path: &Path, store: StoreFingerprint, missing: OnMissingJournal, mode: FileMode) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    if missing == OnMissingJournal::Refuse {
        let context = "the store had an erasure journal, and its file is missing or empty: put it back, \
                       or accept_new_journal() if it is lost";
        return Err(Error::new(ErrorKind::Unavailable, context));
    }
    tracing::warn!("there is no erasure journal: a new one is created");
    replace(path, &Header::new(store, 0), &[], mode)
}

/// Replaces the journal atomically.
fn replace(path: &Path, header: &Header, entries: &[JournalEntry], mode: FileMode) -> Result<()> {
    let write = || -> io::Result<()> {
        let new = Replacement::begin(path, ".new", mode)?;
        let mut writer = io::BufWriter::new(new.file()?);
        writer.write_all(&header.line())?;
        entries.iter().try_for_each(|entry| writer.write_all(&line::write(entry)))?;
        writer.flush()?;
        drop(writer);
        new.finish().map(drop)
    };
    write().map_err(failed)
}

/// Searches from the end, a block at a time.
fn last_line_end(file: &mut File, begin: u64) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = [0; 1024];
    while end > begin {
        let start = end.saturating_sub(block.len() as u64).max(begin);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(index) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + index as u64 + 1);
        }
        end = start;
    }
    Ok(begin)
}

fn failed(error: io::Error) -> Error {
    let (kind, context) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::StorageFull, "the disk of the erasure journal is full")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::ReadOnly, "the erasure journal cannot be written")
        }
        io::ErrorKind::IsADirectory => {
            (ErrorKind::Configuration, "the erasure journal is a directory: give it the name of a file")
        }
        _ => (ErrorKind::Unavailable, "the erasure journal cannot be read or written"),
    };
    Error::new(kind, context).with_source(error)
}

fn wrong(context: &str) -> Error {
    Error::new(ErrorKind::Configuration, context)
}

/// How long to wait for the lock: shorter than the store timeout of the guestbook, so that it is
/// certain that nothing was written.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// The longest header, in bytes.
const MAX_HEADER: u64 = 1024;

/// A position has the generation of the file in its upper bits and the offset in the others.
const OFFSET_BITS: u32 = 40;
const MAX_OFFSET: u64 = (1 << OFFSET_BITS) - 1;
const MAX_GENERATION: u64 = u64::MAX >> OFFSET_BITS;
