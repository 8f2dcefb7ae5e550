//! [`Files`]: the files of a ZIP file, written one after the other, and their descriptions.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use jiff::tz::TimeZone;
use serde::Serialize;
use sha2::{Digest, Sha256};
use zip::{
    CompressionMethod, DateTime, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use crate::{
    error::{Error, ErrorKind, Result},
    hex::Hex,
    time::Timestamp,
};

/// A ZIP file that is being written. [`take`](Self::take) returns the compressed bytes.
pub(super) struct Files {
    /// `None` when the file is complete.
    zip: Option<ZipWriter<StreamWriter<Pipe>>>,
    pipe: Pipe,
    options: SimpleFileOptions,
    open: Option<Open>,
    done: Vec<FileInfo>,
}

struct Open {
    info: FileInfo,
    hash: Sha256,
}

/// The description of a file in the manifest.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FileInfo {
    name: String,
    /// The source of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// The number of rows; null for a file without rows.
    rows: Option<u64>,
    bytes: u64,
    sha256: String,
}

/// The bytes between the writer, which owns one end, and the reader.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Files {
    /// Begins a ZIP file. All files in it have the same date.
    pub(super) fn new(date: Timestamp) -> Self {
        let pipe = Pipe::default();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(date_time(date))
            .unix_permissions(0o600);
        Self { zip: Some(ZipWriter::new_stream(pipe.clone())), pipe, options, open: None, done: Vec::new() }
    }

    /// Begins a file, after the one before is complete. The size of a file with rows is not known.
    pub(super) fn begin(&mut self, name: &str, rows: Option<u64>, source: Option<&str>) -> Result<()> {
        self.end();
        let options = self.options.large_file(rows.is_some());
        self.zip()?.start_file(name, options).map_err(broken)?;
        let source = source.map(str::to_owned);
        let info = FileInfo { name: name.to_owned(), source, rows, bytes: 0, sha256: String::new() };
        self.open = Some(Open { info, hash: Sha256::new() });
        Ok(())
    }

    /// Writes bytes with this number of rows to the open file.
    pub(super) fn write(&mut self, bytes: &[u8], rows: u64) -> Result<()> {
        self.zip()?.write_all(bytes).map_err(broken)?;
        if let Some(open) = &mut self.open {
            open.hash.update(bytes);
            open.info.bytes += bytes.len() as u64;
            open.info.rows = open.info.rows.map(|so_far| so_far + rows);
        }
        Ok(())
    }

    /// The descriptions of the files so far.
    pub(super) fn infos(&mut self) -> &[FileInfo] {
        self.end();
        &self.done
    }

    /// Writes the central directory, which completes the ZIP file.
    pub(super) fn finish(&mut self) -> Result<()> {
        if let Some(zip) = self.zip.take() {
            zip.finish().map_err(broken)?;
        }
        Ok(())
    }

    /// Returns the bytes that were made since the last call.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut *self.pipe.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }

    fn end(&mut self) {
        if let Some(Open { mut info, hash }) = self.open.take() {
            info.sha256 = Hex(&hash.finalize()).to_string();
            self.done.push(info);
        }
    }

    fn zip(&mut self) -> Result<&mut ZipWriter<StreamWriter<Pipe>>> {
        self.zip.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, "the archive is already complete"))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file name that is valid on any system and unique among `taken`, whatever the case of letters.
pub(super) fn file_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c.to_ascii_lowercase() } else { '_' };
    let mut safe: String = name.chars().take(64).map(safe).collect();
    if safe.is_empty() || is_device(&safe) {
        safe.push('_');
    }
    let numbered = (2u64..).map(|number| format!("{safe}-{number}"));
    let mut names = std::iter::once(safe.clone()).chain(numbered);
    names.find(|name| taken.insert(name.clone())).unwrap_or(safe)
}

/// Names that are devices on Windows, whatever follows after a dot.
fn is_device(name: &str) -> bool {
    let numbered = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest != "0");
    matches!(name, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// The time in UTC; the first date of ZIP for a time that ZIP cannot express.
fn date_time(time: Timestamp) -> DateTime {
    let civil = jiff::Timestamp::from_millisecond(time.as_millis()).map(|time| time.to_zoned(TimeZone::UTC).datetime());
    let part = |part: i8| u8::try_from(part).unwrap_or(0);
    let zip = civil.ok().and_then(|at| {
        let year = u16::try_from(at.year()).ok()?;
        let (month, day) = (part(at.month()), part(at.day()));
        DateTime::from_date_and_time(year, month, day, part(at.hour()), part(at.minute()), part(at.second())).ok()
    });
    zip.unwrap_or_default()
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, "the archive cannot be written").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_is_safe_on_every_system_and_unique() {
        let mut taken = BTreeSet::new();
        let mut name = |name: &str| file_name(name, &mut taken);
        assert_eq!(name("orders"), "orders");
        assert_eq!(name("Orders"), "orders-2", "some systems do not tell cases apart");
        assert_eq!(name("orders-2"), "orders-2-2");
        assert_eq!(name("../../etc/passwd"), "______etc_passwd");
        assert_eq!(name("..\\x:y\0z"), "___x_y_z");
        assert_eq!(
            (name(""), name(""), name("NUL"), name("com7")),
            ("_".into(), "_-2".into(), "nul_".into(), "com7_".into())
        );
        assert_eq!(name(&"ü".repeat(100)).len(), 64);
    }

    #[test]
    fn date_time_is_the_first_date_of_zip_for_a_time_that_zip_cannot_express() {
        let date = |millis| date_time(Timestamp::from_millis(millis));
        let known = date(1_800_000_000_000);
        assert_eq!((known.year(), known.month(), known.day(), known.hour(), known.minute()), (2027, 1, 15, 8, 0));
        for millis in [i64::MIN, -1, i64::MAX] {
            assert_eq!(date(millis), DateTime::default());
        }
    }
}
