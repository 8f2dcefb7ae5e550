//! [`Spool`]: a bounded file of JSON lines with the events that the store did not accept.
//!
//! Each process writes a file of its own, locked as long as the process lives. At the start, files
//! that no process holds any more are adopted. A line that a crash cut off was never acknowledged,
//! and is skipped.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, ErrorKind, Result},
    files::{self, FileMode},
    model::activity::Entry,
};

#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    max_bytes: u64,
    mode: FileMode,
    /// The file of this process, created when it is first needed.
    own: Option<Part>,
    /// Files of earlier processes.
    adopted: VecDeque<Part>,
    origin: u64,
    /// Number of files of this process that were set aside. The next file gets another name.
    given_up: u32,
}

/// One file, with the position up to which it was read.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    read: u64,
    bytes: u64,
    entries: u64,
    /// Number of failed reads in a row.
    failures: u32,
}

/// Entries of the spool, and the position to continue from once they are stored.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    lines: u64,
    end: u64,
}

const PREFIX: &str = "guestbook-spool-";
const SUFFIX: &str = ".ndjson";

impl Spool {
    /// Opens the spool in `directory` and adopts the files of earlier processes.
    pub(super) fn open(directory: &Path, max_bytes: u64, origin: u64, mode: FileMode) -> Result<Self> {
        if fs::metadata(directory).is_ok_and(|found| !found.is_dir()) {
            let context = format!("the spool needs a directory, and {} is a file", directory.display());
            return Err(Error::new(ErrorKind::Configuration, context));
        }
        let unusable = |error: io::Error| {
            Error::new(ErrorKind::Configuration, "the spool's directory cannot be used").with_source(error)
        };
        files::create_directories(directory, mode).map_err(unusable)?;
        let mut adopted = VecDeque::new();
        for entry in fs::read_dir(directory).map_err(unusable)? {
            let path = entry.map_err(unusable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
                adopted.extend(Part::adopt(path, mode)?);
            }
        }
        Ok(Self { directory: directory.to_owned(), max_bytes, mode, own: None, adopted, origin, given_up: 0 })
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> u64 {
        self.adopted.iter().chain(&self.own).map(|part| part.entries).sum()
    }

    /// Appends and syncs all of `entries`, or none of them.
    pub(super) fn push(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let used: u64 = self.adopted.iter().chain(&self.own).map(|part| part.bytes).sum();
        if used + lines.len() as u64 > self.max_bytes {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the spool is full"));
        }
        let part = match &mut self.own {
            Some(part) => part,
            none => {
                let again = if self.given_up == 0 { String::new() } else { format!("-{}", self.given_up) };
                let path = self.directory.join(format!("{PREFIX}{:016x}{again}{SUFFIX}", self.origin));
                let part = Part::create(path.clone(), self.mode).or_else(|_| Part::create(path, self.mode))?;
                none.insert(part)
            }
        };
        part.push(&lines, entries.len() as u64)
    }

    /// Returns at most `limit` entries, the oldest first. They stay until they are
    /// [`done`](Self::done).
    pub(super) fn peek(&mut self, limit: usize) -> io::Result<Option<Chunk>> {
        let Some(part) = self.first() else { return Ok(None) };
        let chunk = part.peek(limit);
        part.failures = if chunk.is_ok() { 0 } else { part.failures + 1 };
        chunk.map(Some)
    }

    /// Sets the first file aside if it could not be read several times in a row, and returns its
    /// path and number of entries. The file stays on the disk for the next process that opens the
    /// spool.
    pub(super) fn give_up_unreadable(&mut self) -> Option<(PathBuf, u64)> {
        if self.first()?.failures < MAX_FAILURES {
            return None;
        }
        let part = self.adopted.pop_front().or_else(|| {
            self.given_up += 1;
            self.own.take()
        })?;
        Some((part.path, part.entries))
    }

    /// Marks the entries of `chunk` as stored. Deletes a file that is read to its end.
    pub(super) fn done(&mut self, chunk: &Chunk) -> io::Result<()> {
        let Some(part) = self.first() else { return Ok(()) };
        part.read = chunk.end;
        part.entries = part.entries.saturating_sub(chunk.lines);
        if part.read < part.bytes {
            return Ok(());
        }
        let part = self.adopted.pop_front().or_else(|| self.own.take());
        part.map_or(Ok(()), |part| fs::remove_file(part.path))
    }

    /// Makes the first file unreadable: it becomes a directory.
    #[cfg(test)]
    pub(super) fn break_first(&mut self) {
        let directory = File::open(&self.directory).unwrap();
        self.first().unwrap().file = directory;
    }

    fn first(&mut self) -> Option<&mut Part> {
        match self.adopted.front_mut() {
            Some(part) => Some(part),
            None => self.own.as_mut(),
        }
    }
}

impl Part {
    /// Returns `None` if its process is alive.
    fn adopt(path: PathBuf, mode: FileMode) -> Result<Option<Self>> {
        let unusable = |what: &str| format!("{} in the spool's directory {what}", path.display());
        let wrong = |what| Error::new(ErrorKind::Configuration, unusable(what));
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => {
                return Err(wrong("has the name of a spool file but is not one: move it away"));
            }
            _ => files::warn_if_open(&path, mode),
        }
        let unreadable = |error: io::Error| wrong("cannot be read: repair it or move it away").with_source(error);
        match Self::adopt_file(&path) {
            // Its owner has just finished with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            adopted => adopted.map_err(unreadable),
        }
    }

    fn adopt_file(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        let bytes = file.metadata()?.len();
        if bytes == 0 {
            // Its owner died before it wrote anything.
            fs::remove_file(path)?;
            return Ok(None);
        }
        let entries = count_lines(&file)?;
        Ok(Some(Self { path: path.to_owned(), file, read: 0, bytes, entries, failures: 0 }))
    }

    fn create(path: PathBuf, mode: FileMode) -> io::Result<Self> {
        let file = files::create_new(&path, mode)?;
        file.try_lock()?;
        if !path.exists() {
            // Another process that is just starting has removed the empty file as abandoned.
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file of the spool was removed"));
        }
        Ok(Self { path, file, read: 0, bytes: 0, entries: 0, failures: 0 })
    }

    fn push(&mut self, lines: &[u8], count: u64) -> io::Result<()> {
        let written = self
            .file
            .seek(SeekFrom::Start(self.bytes))
            .and_then(|_| self.file.write_all(lines))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A partial line would corrupt the next one.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        self.entries += count;
        Ok(())
    }

    fn peek(&mut self, limit: usize) -> io::Result<Chunk> {
        let mut chunk = Chunk { entries: Vec::new(), lines: 0, end: self.read };
        self.file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::new(&self.file);
        let mut line = Vec::new();
        while chunk.entries.len() < limit && chunk.end < self.bytes {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            if length == 0 {
                // The file is shorter than it was: somebody else has truncated it.
                chunk.end = self.bytes;
                break;
            }
            chunk.end += length as u64;
            chunk.lines += 1;
            match serde_json::from_slice(&line) {
                Ok(entry) => chunk.entries.push(entry),
                Err(_) => tracing::warn!("a line of the spool is skipped because it was cut off or damaged"),
            }
        }
        Ok(chunk)
    }
}

/// Ends at the first error; a lasting error would otherwise be counted for ever.
fn count_lines(reader: impl Read) -> io::Result<u64> {
    let (mut reader, mut count, mut line) = (BufReader::new(reader), 0, Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(count);
        }
        count += 1;
    }
}

/// Number of failed reads in a row after which a file is set aside.
const MAX_FAILURES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with a bad sector.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the sector is gone"))
        }
    }

    #[test]
    fn count_lines_stops_at_a_lasting_error() {
        assert_eq!(count_lines(&b"one\ntwo\nhalf"[..]).unwrap(), 3);
        assert_eq!(count_lines((&b"one\n"[..]).chain(Broken)).unwrap_err().to_string(), "the sector is gone");
    }
}
