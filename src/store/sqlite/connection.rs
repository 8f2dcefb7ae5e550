//! Opens connections: settings that are asserted, migrations, and distinct errors.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::{Durability, Settings};
use crate::{
    error::{Error, ErrorKind, Result},
    files,
    store::sqlite::{
        migrations::MIGRATIONS,
        secret,
        sql::{Sql, is_busy, pragma},
    },
};

/// Marks a database as ours: "gbok" in ASCII.
const APPLICATION_ID: i64 = 0x67_62_6f_6b;

/// Number of cached statements per connection: enough for all statements of this crate, at most
/// about 2 MB.
const STATEMENTS: usize = 256;

/// Opens the writing connection, and creates or migrates the database.
pub(super) fn open_for_writing(settings: &Settings) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // SQLite would create a file that everybody can read. If this fails, SQLite's own error is
    // better.
    let _ = files::create_if_missing(&settings.path, settings.mode);
    for suffix in ["-wal", "-shm"] {
        files::warn_if_open(&files::beside(&settings.path, suffix), settings.mode);
    }
    let mut database = open(settings, flags, settings.busy_timeout)?;
    let version = check_ours(&database)?;
    if version == 0 {
        set(&database, "auto_vacuum", "INCREMENTAL")?;
    }
    switch_to_wal(&database, settings.busy_timeout)?;
    migrate(&mut database)?;
    assert_is(&database, "auto_vacuum", 2)?;
    set_synchronous(&database, settings.durability)?;
    // Batches of activities change the same pages repeatedly: fewer checkpoints copy them less
    // often.
    set(&database, "wal_autocheckpoint", "4000")?;
    set(&database, "cache_size", "-32768")?;
    // A log that grew by a long transaction is truncated again.
    set(&database, "journal_size_limit", "67108864")?;
    if let Some(bytes) = settings.max_bytes {
        let page_size: i64 = pragma(&database, "page_size")?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page_size;
        set(&database, "max_page_count", &pages.max(1).to_string())?;
    }
    Ok(database)
}

/// Opens a connection that only reads and does not wait.
pub(super) fn open_for_reading(settings: &Settings) -> Result<Connection> {
    // Not SQLITE_OPEN_READ_ONLY: a reader of a write-ahead log must be able to write its index.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = open(settings, flags, Duration::ZERO)?;
    set(&database, "query_only", "ON")?;
    Ok(database)
}

pub(super) fn set_synchronous(database: &Connection, durability: Durability) -> Result<()> {
    set(database, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })
}

fn open(settings: &Settings, flags: OpenFlags, busy_timeout: Duration) -> Result<Connection> {
    let database = Connection::open_with_flags(&settings.path, flags).sql()?;
    // SQLite falls back to reading if it may not write.
    if database.is_readonly(rusqlite::MAIN_DB).sql()? {
        return Err(Error::new(ErrorKind::ReadOnly, "the database file cannot be written"));
    }
    database.busy_timeout(busy_timeout).sql()?;
    database.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise SQLite recompiles a statement for each new value bound to a parameter of its WHERE
    // clause.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).sql()?;
    set(&database, "secure_delete", "ON")?;
    assert_is(&database, "secure_delete", 1)?;
    set(&database, "foreign_keys", "ON")?;
    assert_is(&database, "foreign_keys", 1)?;
    Ok(database)
}

/// Returns the version of our schema in the file, 0 for a new file. Nothing is written before.
///
/// Everything is read in one transaction; otherwise a file that another process is just creating
/// would look like a foreign database.
fn check_ours(database: &Connection) -> Result<i64> {
    database.execute_batch("SAVEPOINT reading").sql()?;
    let read = || -> Result<(i64, i64, i64)> {
        let tables = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).sql()?;
        Ok((tables, pragma(database, "application_id")?, pragma(database, "user_version")?))
    };
    let values = read();
    database.execute_batch("RELEASE reading").sql()?;
    let (tables, application, version) = values?;
    if application != APPLICATION_ID {
        if tables == 0 && application == 0 && version == 0 {
            return Ok(0);
        }
        return Err(Error::new(
            ErrorKind::NotADatabase,
            "the file is another application's database: give the guestbook a file of its own",
        ));
    }
    let known = MIGRATIONS.len() as i64;
    if version > known {
        let context = format!("its schema has version {version}, this program knows {known}: update the program");
        return Err(Error::new(ErrorKind::NewerSchema, context));
    }
    Ok(version)
}

/// Another process that opens the file at the same time holds a lock for which SQLite does not
/// always wait.
fn switch_to_wal(database: &Connection, timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        let mode = database.query_row("PRAGMA journal_mode=WAL", [], |row| row.get::<_, String>(0)).sql();
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => {
                let context = "the file system does not support SQLite's write-ahead log";
                return Err(Error::new(ErrorKind::Configuration, context));
            }
            Err(error) if is_busy(&error) && Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error),
        }
    }
}

fn migrate(database: &mut Connection) -> Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).sql()?;
    // Another process may have migrated while this one waited for the lock.
    let version = check_ours(&transaction)?;
    let pending = MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(usize::MAX));
    for migration in pending {
        transaction.execute_batch(migration).sql()?;
    }
    // The secret is created with the database, so that each backup has it and pseudonyms can be
    // recognised after a restore.
    if secret::load(&transaction)?.is_none() {
        secret::make(&transaction)?;
    }
    if version < MIGRATIONS.len() as i64 {
        set(&transaction, "application_id", &APPLICATION_ID.to_string())?;
        set(&transaction, "user_version", &MIGRATIONS.len().to_string())?;
    }
    transaction.commit().sql()
}

fn set(database: &Connection, name: &str, value: &str) -> Result<()> {
    database.execute_batch(&format!("PRAGMA {name}={value}")).sql()
}

fn assert_is(database: &Connection, name: &str, expected: i64) -> Result<()> {
    if pragma(database, name)? == expected {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Configuration, format!("SQLite did not accept PRAGMA {name}={expected}")))
}
