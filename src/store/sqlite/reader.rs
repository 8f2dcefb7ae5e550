//! [`Readers`]: a pool of connections that read on the calling thread.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;

use super::{
    Reads, Settings, connection,
    presence::Presence,
    sql::{self, Sql},
};
use crate::error::{Error, ErrorKind, Result};

#[derive(Clone)]
pub(super) struct Readers {
    pool: Arc<Pool>,
}

struct Pool {
    settings: Arc<Settings>,
    presence: Arc<Presence>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Opens one connection, so that errors appear now.
    pub(super) fn open(settings: Arc<Settings>, presence: Arc<Presence>) -> Result<Self> {
        let idle = Mutex::new(vec![connection::open_for_reading(&settings)?]);
        Ok(Self { pool: Arc::new(Pool { settings, presence, idle }) })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.pool.settings
    }

    /// Runs `read`, a few microseconds of work, on the calling thread. If another process holds the
    /// database exclusively, which is rare with a write-ahead log, it moves to a thread that may
    /// wait.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T> + Send + 'static,
    {
        if self.pool.settings.reads == Reads::Inline {
            match self.pool.with(&read) {
                Err(error) if sql::is_busy(&error) => {}
                result => return result,
            }
        }
        self.read_elsewhere(read).await
    }

    /// Runs `read`, which may take long, on a blocking thread.
    pub(super) async fn read_elsewhere<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T> + Send + 'static,
    {
        let pool = self.pool.clone();
        let task = tokio::task::spawn_blocking(move || {
            pool.with(|database| {
                database.busy_timeout(pool.settings.busy_timeout).sql()?;
                let result = read(database);
                database.busy_timeout(std::time::Duration::ZERO).sql()?;
                result
            })
        });
        task.await.map_err(|panic| Error::new(ErrorKind::Internal, "a read panicked").with_source(panic))?
    }

    pub(super) fn close(&self) {
        self.pool.idle().clear();
    }
}

impl Pool {
    fn with<T>(&self, read: impl Fn(&Connection) -> Result<T>) -> Result<T> {
        self.presence.check()?;
        let idle = self.idle().pop();
        let database = match idle {
            Some(database) => database,
            None => connection::open_for_reading(&self.settings)?,
        };
        let result = read(&database);
        let mut idle = self.idle();
        if idle.len() < self.settings.read_connections {
            idle.push(database);
        }
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}
