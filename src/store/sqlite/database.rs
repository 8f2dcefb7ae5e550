//! [`Database`]: the connection that writes, and what it remembers between two transactions.

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

/// The connection that writes, and what it remembers between two transactions.
pub(super) struct Database {
    connection: Connection,
    interned: RefCell<Interned>,
}

/// Ids of names, as of a version of the database.
#[derive(Default)]
pub(super) struct Interned {
    pub(super) version: i64,
    /// Whether anybody is restricted.
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

    /// The ids of names that were looked up before. Within a transaction only: nobody else can
    /// change them then.
    pub(super) fn interned(&self) -> Result<RefMut<'_, Interned>> {
        let version = self.connection.query_row("PRAGMA data_version", [], |row| row.get(0)).sql()?;
        let mut interned = self.interned.borrow_mut();
        interned.keep_if_unchanged(version);
        Ok(interned)
    }

    /// Something was undone, so an id that was remembered may name nothing, or something else.
    pub(super) fn delete_interned(&self) {
        self.interned.take();
    }
}

impl Interned {
    /// Forgets everything if somebody else has written to the database meanwhile.
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
