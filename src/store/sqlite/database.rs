//! [`Database`]: the writing connection and its cache.

use std::{
    cell::{RefCell, RefMut},
    ops::Deref,
    sync::Arc,
};

use foldhash::fast::RandomState;
use rusqlite::Connection;

use super::sql::Sql;
use crate::{
    error::Result,
    id::{SessionId, UserId, VisitorId},
    model::{
        activity::{EventType, Method},
        client::Agent,
    },
};

/// The writing connection, and what it caches between transactions.
pub(super) struct Database {
    connection: Connection,
    interned: RefCell<Interned>,
}

/// Ids of names, valid for one version of the database.
#[derive(Default)]
pub(super) struct Interned {
    pub(super) version: i64,
    /// Whether any user is restricted.
    pub(super) has_restricted: Option<bool>,
    pub(super) types: HashMap<EventType, i64>,
    pub(super) users: HashMap<UserId, i64>,
    pub(super) sessions: HashMap<SessionId, i64>,
    pub(super) visitors: HashMap<VisitorId, i64>,
    pub(super) routes: HashMap<(Method, Arc<str>), i64>,
    pub(super) agents: HashMap<Agent, i64>,
}

pub(super) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

impl Database {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, interned: RefCell::default() }
    }

    /// Returns the cached ids of names. They are valid only within a transaction, in which nobody
    /// else can change them.
    pub(super) fn interned(&self) -> Result<RefMut<'_, Interned>> {
        let version = self.connection.query_row("PRAGMA data_version", [], |row| row.get(0)).sql()?;
        let mut interned = self.interned.borrow_mut();
        interned.keep_if_unchanged(version);
        Ok(interned)
    }

    /// Empties the cache after an undo, because a cached id may be invalid then.
    pub(super) fn delete_interned(&self) {
        self.interned.take();
    }
}

impl Interned {
    /// Empties the cache if another process has written to the database meanwhile.
    fn keep_if_unchanged(&mut self, version: i64) {
        if self.version != version {
            *self = Self { version, ..Self::default() };
        }
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}
