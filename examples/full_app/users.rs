//! The application's own users, in a SQLite file of their own. The guestbook knows them by their id
//! only.

use std::{
    fs::OpenOptions,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::json;
use tower_guestbook::{
    ErrorKind, UserId,
    privacy::{ExportedPage, PersonalData, PersonalDataFuture},
};

use crate::{Error, hashing::Hashing};

pub(crate) struct Users {
    database: Mutex<Connection>,
    hashing: Hashing,
    /// What is verified for a name that nobody has, so that it takes as long.
    nobody: String,
}

impl Users {
    /// Opens the users, or makes the file with two of them. At most `queue` passwords wait to be
    /// checked.
    pub(crate) fn open(path: &Path, queue: usize) -> Result<Self, Error> {
        create_private(path).map_err(|error| format!("unable to open {}: {error}", path.display()))?;
        let mut database = Connection::open(path)?;
        database.execute_batch("PRAGMA journal_mode = WAL")?;
        make(&mut database)?;
        database.execute_batch("CREATE TABLE IF NOT EXISTS password_changes (user INTEGER PRIMARY KEY) STRICT")?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let nobody = hash("a password that nobody has")?;
        Ok(Self { database: Mutex::new(database), hashing: Hashing::new(cores, queue), nobody })
    }

    /// The id of the user with this name and password. Takes as long for a name that nobody has.
    pub(crate) async fn authenticate(&self, name: &str, password: &str) -> Result<Option<i64>, Error> {
        let found = self.with(|database| {
            let query = "SELECT id, password FROM users WHERE name = ?1";
            database.query_row(query, [name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let (id, hash) = match found {
            Some((id, hash)) => (Some(id), hash),
            None => (None, self.nobody.clone()),
        };
        let right = self.verify(hash, password).await?;
        Ok(id.filter(|_| right))
    }

    /// The id of the user with this name.
    pub(crate) fn id(&self, name: &str) -> Result<Option<i64>, Error> {
        let query = "SELECT id FROM users WHERE name = ?1";
        Ok(self.with(|database| database.query_row(query, [name], |row| row.get(0)).optional())?)
    }

    /// What the user with this id is called.
    pub(crate) fn name(&self, id: i64) -> Result<Option<String>, Error> {
        let query = "SELECT name FROM users WHERE id = ?1";
        Ok(self.with(|database| database.query_row(query, [id], |row| row.get(0)).optional())?)
    }

    /// Changes the password of a user who knows the old one.
    pub(crate) async fn change_password(&self, id: i64, old: &str, new: &str) -> Result<bool, Error> {
        let query = "SELECT password FROM users WHERE id = ?1";
        let found = self.with(|database| database.query_row(query, [id], |row| row.get(0)).optional())?;
        let Some(current): Option<String> = found else { return Ok(false) };
        if !self.verify(current.clone(), old).await? {
            return Ok(false);
        }
        let new = new.to_owned();
        let new = self.hashing.run(move || hash(&new)).await???;
        // Only in place of the hash that was verified: of two changes at once one wins, and the other is told.
        let update = "UPDATE users SET password = ?2 WHERE id = ?1 AND password = ?3";
        Ok(self.with(|database| {
            let change = database.unchecked_transaction()?;
            let is_changed = change.execute(update, params![id, new, current])? == 1;
            if is_changed {
                change.execute("INSERT OR IGNORE INTO password_changes VALUES (?1)", [id])?;
            }
            change.commit()?;
            Ok(is_changed)
        })?)
    }

    /// Users whose password has changed and whose sessions from before may live on.
    pub(crate) fn password_changes(&self) -> Result<Vec<i64>, Error> {
        Ok(self.with(|database| {
            let mut statement = database.prepare("SELECT user FROM password_changes")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })?)
    }

    /// The sessions from before the change of this user's password have ended.
    pub(crate) fn password_change_is_done(&self, id: i64) -> Result<(), Error> {
        self.with(|database| database.execute("DELETE FROM password_changes WHERE user = ?1", [id]))?;
        Ok(())
    }

    async fn verify(&self, hash: String, password: &str) -> Result<bool, Error> {
        let password = password.to_owned();
        let right = self.hashing.run(move || {
            let hash = PasswordHash::new(&hash)?;
            Ok::<_, Error>(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        right.await??
    }

    fn with<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        query(&self.database.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes the file if it is not there, so that SQLite does not make one that everybody can read.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // `create` and not `create_new`: of a symlink that leads nowhere, it makes the target.
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The accounts are data of users, too: part of exports, and erased with the rest.
pub(crate) struct Accounts(pub(crate) Arc<Users>);

impl PersonalData for Accounts {
    fn name(&self) -> &str {
        "accounts"
    }

    fn export(&self, user: UserId, _: usize) -> PersonalDataFuture<'_, ExportedPage> {
        let row = match user.as_str().parse() {
            Ok(id) => self.0.name(id).map(|name| name.map(|name| json!({ "id": id, "name": name }))),
            Err(_) => Ok(None),
        };
        Box::pin(async move { Ok(ExportedPage::last(row.map_err(failed)?.into_iter().collect())) })
    }

    fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64> {
        let erased = match user.as_str().parse::<i64>() {
            Ok(id) => self.0.with(|database| {
                database.execute_batch("PRAGMA secure_delete = ON")?;
                database.execute("DELETE FROM password_changes WHERE user = ?1", [id])?;
                let erased = database.execute("DELETE FROM users WHERE id = ?1", [id])?;
                database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
                Ok(erased as u64)
            }),
            Err(_) => Ok(0),
        };
        Box::pin(async move { erased.map_err(|error| failed(error.into())) })
    }

    fn users(&self, page: usize) -> PersonalDataFuture<'_, Vec<UserId>> {
        let ids = self.0.with(|database| {
            let mut statement = database.prepare("SELECT id FROM users ORDER BY id LIMIT ?1 OFFSET ?2")?;
            let ids = statement.query_map([PAGE, PAGE * page as i64], |row| row.get::<_, i64>(0))?;
            ids.map(|id| id.map(UserId::from)).collect()
        });
        Box::pin(async move { ids.map_err(|error: rusqlite::Error| failed(error.into())) })
    }
}

/// The number of names that are read at a time.
const PAGE: i64 = 1_000;

fn failed(error: Error) -> tower_guestbook::Error {
    tower_guestbook::Error::new(ErrorKind::Unavailable, "the database of users failed").with_source(error)
}

/// The table and the users of the first start. Where the table is, its users are not made again:
/// they may have been erased.
fn make(database: &mut Connection) -> Result<(), Error> {
    let first_start = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_made = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'users')";
    if first_start.query_row(is_made, [], |row| row.get(0))? {
        return Ok(());
    }
    first_start.execute_batch(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, password TEXT NOT NULL) STRICT",
    )?;
    for (id, name, password) in [(1, "admin", "admin123"), (2, "user1", "user123")] {
        first_start.execute("INSERT INTO users VALUES (?1, ?2, ?3)", params![id, name, hash(password)?])?;
    }
    first_start.commit()?;
    tracing::warn!("first start: users with well-known passwords were made; this is a demonstration");
    Ok(())
}

/// Argon2id with the parameters of RFC 9106's second choice as OWASP has them: 19 MiB, two passes,
/// one lane.
fn hash(password: &str) -> Result<String, Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}
