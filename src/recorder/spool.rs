//! [`Spool`]: what the store does not take, as JSON lines in a bounded file, until it does.
//!
//! Each process writes a file of its own, locked for as long as the process lives. At the start the files that nobody
//! holds any more are adopted. A line that a crash cut off was never acknowledged, and is left out.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{
    activity::Entry,
    error::{Error, ErrorKind, Result},
};

#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    max_bytes: u64,
    /// The file of this process, made when it is first needed.
    own: Option<Part>,
    /// Files that other processes left.
    adopted: VecDeque<Part>,
    name: String,
}

/// One file, read from `read` on.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    read: u64,
    bytes: u64,
    entries: u64,
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
    pub(super) fn open(directory: &Path, max_bytes: u64, origin: u64) -> Result<Self> {
        let unusable = |error: io::Error| {
            Error::new(ErrorKind::Configuration, "the spool's directory cannot be used").with_source(error)
        };
        fs::create_dir_all(directory).map_err(unusable)?;
        let mut adopted = VecDeque::new();
        for entry in fs::read_dir(directory).map_err(unusable)? {
            let path = entry.map_err(unusable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
                adopted.extend(Part::adopt(path).map_err(unusable)?);
            }
        }
        let name = format!("{PREFIX}{origin:016x}{SUFFIX}");
        Ok(Self { directory: directory.to_owned(), max_bytes, own: None, adopted, name })
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
                let path = self.directory.join(&self.name);
                let part = Part::create(path.clone()).or_else(|_| Part::create(path))?;
                none.insert(part)
            }
        };
        part.push(&lines, entries.len() as u64)
    }

    /// At most `limit` entries, the oldest first. They stay until they are [`done`](Self::done).
    pub(super) fn peek(&mut self, limit: usize) -> io::Result<Option<Chunk>> {
        match self.first() {
            Some(part) => part.peek(limit).map(Some),
            None => Ok(None),
        }
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

    fn first(&mut self) -> Option<&mut Part> {
        match self.adopted.front_mut() {
            Some(part) => Some(part),
            None => self.own.as_mut(),
        }
    }
}

impl Part {
    /// `None` if its process still lives.
    fn adopt(path: PathBuf) -> io::Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // Its owner has just finished with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.try_lock().is_err() {
            return Ok(None);
        }
        let bytes = file.metadata()?.len();
        if bytes == 0 {
            // Its owner died before it wrote anything.
            fs::remove_file(path)?;
            return Ok(None);
        }
        let entries = BufReader::new(&file).lines().count() as u64;
        Ok(Some(Self { path, file, read: 0, bytes, entries }))
    }

    fn create(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        file.try_lock()?;
        if !path.exists() {
            // Another process, just starting, took the empty file for a dead one's.
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file of the spool was removed"));
        }
        Ok(Self { path, file, read: 0, bytes: 0, entries: 0 })
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
