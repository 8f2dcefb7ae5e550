//! [`Spool`]: what the store does not take, as JSON lines in a bounded file, until it does.
//!
//! Each process writes a file of its own, locked for as long as the process lives. At the start the
//! files that nobody holds any more are adopted. A line that a crash cut off was never
//! acknowledged, and is left out.

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
    /// The file of this process, made when it is first needed.
    own: Option<Part>,
    /// Files that other processes left.
    adopted: VecDeque<Part>,
    origin: u64,
    /// How many files of this process were given up: the next one has another name.
    given_up: u32,
}

/// One file, read from `read` on.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    read: u64,
    bytes: u64,
    entries: u64,
    /// How often in a row it could not be read.
    failures: u32,
}

/// Some entries of the spool, and where reading goes on once they are stored.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    lines: u64,
    end: u64,
}

const PREFIX: &str = "guestbook-spool-";
const SUFFIX: &str = ".ndjson";

impl Spool {
    /// Opens the spool in `directory` and adopts what other processes left there.
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

    /// How many entries are in it.
    pub(super) fn len(&self) -> u64 {
        self.adopted.iter().chain(&self.own).map(|part| part.entries).sum()
    }

    /// Takes all of `entries`, and has them on the disk, or none of them.
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

    /// At most `limit` entries, the oldest first. They stay until they are [`done`](Self::done).
    pub(super) fn peek(&mut self, limit: usize) -> io::Result<Option<Chunk>> {
        let Some(part) = self.first() else { return Ok(None) };
        let chunk = part.peek(limit);
        part.failures = if chunk.is_ok() { 0 } else { part.failures + 1 };
        chunk.map(Some)
    }

    /// Takes the first file away if it could not be read several times in a row: its path and how
    /// many entries it has. It stays on the disk, for the next process that opens the spool.
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

    /// The entries of `chunk` are stored. Removes a file that is read to its end.
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

    /// From now on the first file cannot be read: a directory never can.
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
    /// `None` if its process still lives.
    fn adopt(path: PathBuf, mode: FileMode) -> Result<Option<Self>> {
        let unusable = |what: &str| format!("{} in the spool's directory {what}", path.display());
        let wrong = |what| Error::new(ErrorKind::Configuration, unusable(what));
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => {
                return Err(wrong("has the name of a file of the spool and is none: move it away"));
            }
            _ => files::warn_if_open(&path, mode),
        }
        let unreadable = |error: io::Error| wrong("cannot be read: move it away, or mend it").with_source(error);
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
            // Another process, just starting, took the empty file for a dead one's.
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
            // A half line would spoil the next one.
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
                // Shorter than it was: somebody else's work.
                chunk.end = self.bytes;
                break;
            }
            chunk.end += length as u64;
            chunk.lines += 1;
            match serde_json::from_slice(&line) {
                Ok(entry) => chunk.entries.push(entry),
                Err(_) => tracing::warn!("a line of the spool that was cut off or damaged is left out"),
            }
        }
        Ok(chunk)
    }
}

/// Ends at the first error: one that lasts must not be counted for ever.
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

/// The number of failed reads in a row after which a file is given up.
const MAX_FAILURES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk on which a sector is gone.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the sector is gone"))
        }
    }

    #[test]
    fn lines_are_counted_until_an_error_that_lasts() {
        assert_eq!(count_lines(&b"one\ntwo\nhalf"[..]).unwrap(), 3);
        assert_eq!(count_lines((&b"one\n"[..]).chain(Broken)).unwrap_err().to_string(), "the sector is gone");
    }
}
