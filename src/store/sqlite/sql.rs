//! [`Sql`]: classifies errors of SQLite.

use rusqlite::{Connection, ErrorCode, ffi};

use crate::error::{Error, ErrorKind, Result};

/// Converts errors of rusqlite, so that its types stay private.
pub(super) trait Sql<T> {
    fn sql(self) -> Result<T>;
}

impl<T> Sql<T> for rusqlite::Result<T> {
    fn sql(self) -> Result<T> {
        self.map_err(failure)
    }
}

pub(super) fn is_busy(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<rusqlite::Error>());
    let code = source.and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn failure(error: rusqlite::Error) -> Error {
    let (kind, context) = match (error.sqlite_error_code(), extended_code(&error)) {
        // The shared index of the log could not grow: another form of a full disk.
        (Some(ErrorCode::DiskFull), _) | (_, Some(ffi::SQLITE_IOERR_SHMSIZE)) => {
            (ErrorKind::StorageFull, "the disk or the allowed size of the database is full")
        }
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
            (ErrorKind::Unavailable, "the database is locked by another process")
        }
        (Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied), _) => {
            (ErrorKind::ReadOnly, "the database file or its directory cannot be written")
        }
        (Some(ErrorCode::NotADatabase), _) => (ErrorKind::NotADatabase, "the file is not a SQLite database"),
        (Some(ErrorCode::DatabaseCorrupt), _) => {
            (ErrorKind::Corrupt, "the database is damaged: restore a backup, or rescue it with sqlite3's .recover")
        }
        (Some(ErrorCode::CannotOpen), _) => {
            (ErrorKind::Configuration, "the database file cannot be opened: is its directory there and writable?")
        }
        (Some(ErrorCode::SystemIoFailure), _) => (ErrorKind::Unavailable, "the disk reports an error"),
        _ => (ErrorKind::Internal, "SQLite reports an error"),
    };
    Error::new(kind, context).with_source(error)
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

/// Returns the value of a pragma.
pub(super) fn pragma(database: &Connection, name: &str) -> Result<i64> {
    database.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).sql()
}
