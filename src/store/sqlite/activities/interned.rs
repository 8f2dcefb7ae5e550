//! [`Interned`]: a cache of ids of names, so that a row costs no lookup.

use std::hash::Hash;

use rusqlite::{Connection, OptionalExtension, Params, params};

use crate::{
    error::Result,
    id::{SessionId, UserId, VisitorId},
    model::{
        activity::{EventType, RequestTrace},
        client::Agent,
    },
    store::sqlite::{
        database::{HashMap, Interned},
        restrictions,
        sql::Sql,
        tombstones,
    },
};

/// Number of cached users. A full cache is emptied; most active users return.
const MANY: usize = 131_072;

/// Number of other cached names. Sessions end, and a smaller table is faster.
const SOME: usize = 16_384;

/// The statements to find and add a name.
struct Table {
    find: &'static str,
    add: &'static str,
}

const TYPES: Table = Table {
    find: "SELECT id FROM event_types WHERE name = ?1",
    add: "INSERT INTO event_types (name) VALUES (?1) RETURNING id",
};
const USERS: Table = Table {
    find: "SELECT id FROM users WHERE external = ?1",
    add: "INSERT INTO users (external) VALUES (?1) RETURNING id",
};
const SESSIONS: Table = Table {
    find: "SELECT id FROM activity_sessions WHERE public_id = ?1",
    add: "INSERT INTO activity_sessions (public_id) VALUES (?1) ON CONFLICT DO NOTHING RETURNING id",
};
const VISITORS: Table = Table {
    find: "SELECT id FROM visitors WHERE public_id = ?1",
    add: "INSERT INTO visitors (public_id) VALUES (?1) ON CONFLICT DO NOTHING RETURNING id",
};
const ROUTES: Table = Table {
    find: "SELECT id FROM routes WHERE method = ?1 AND template = ?2",
    add: "INSERT INTO routes (method, template) VALUES (?1, ?2) RETURNING id",
};
const AGENTS: Table = Table {
    find: "SELECT id FROM agents WHERE browser = ?1 AND major = ?2 AND system = ?3 AND device = ?4",
    add: "INSERT INTO agents (browser, major, system, device) VALUES (?1, ?2, ?3, ?4) RETURNING id",
};

impl Interned {
    pub(super) fn event_type(&mut self, database: &Connection, event_type: &EventType) -> Result<i64> {
        id(&mut self.types, event_type, SOME, || TYPES.intern(database, [event_type.as_str()]))
    }

    /// Returns `None` if the user is erased or restricted. An erasure or restriction empties this
    /// cache.
    pub(super) fn user(&mut self, database: &Connection, user: &UserId) -> Result<Option<i64>> {
        if let Some(id) = self.users.get(user) {
            return Ok(Some(*id));
        }
        if tombstones::of_user(database, user)?.is_some() {
            return Ok(None);
        }
        if self.has_restricted(database)? && restrictions::of_user(database, user)?.is_some() {
            return Ok(None);
        }
        id(&mut self.users, user, MANY, || USERS.intern(database, [user.as_str()])).map(Some)
    }

    /// Returns whether events of a visitor without a login are not stored, because the visitor is
    /// linked to a restricted user.
    pub(super) fn is_restricted(&mut self, database: &Connection, visitor: &VisitorId) -> Result<bool> {
        Ok(self.has_restricted(database)? && restrictions::has_visitor(database, visitor)?)
    }

    fn has_restricted(&mut self, database: &Connection) -> Result<bool> {
        match self.has_restricted {
            Some(known) => Ok(known),
            None => Ok(*self.has_restricted.insert(restrictions::are_any(database)?)),
        }
    }

    pub(super) fn session(&mut self, database: &Connection, session: &SessionId) -> Result<i64> {
        id(&mut self.sessions, session, SOME, || {
            SESSIONS.intern_new(database, [session.as_uuid().as_bytes().as_slice()])
        })
    }

    pub(super) fn visitor(&mut self, database: &Connection, visitor: &VisitorId) -> Result<i64> {
        id(&mut self.visitors, visitor, SOME, || {
            VISITORS.intern_new(database, [visitor.as_uuid().as_bytes().as_slice()])
        })
    }

    pub(super) fn route(&mut self, database: &Connection, request: &RequestTrace) -> Result<i64> {
        let key = (request.method, request.route.clone());
        id(&mut self.routes, &key, SOME, || ROUTES.intern(database, [request.method.as_str(), &request.route]))
    }

    pub(super) fn agent(&mut self, database: &Connection, agent: &Agent) -> Result<i64> {
        id(&mut self.agents, agent, SOME, || {
            let (browser, system) = (agent.browser.unwrap_or_default(), agent.system.unwrap_or_default());
            AGENTS.intern(database, params![browser, agent.browser_major.unwrap_or(0), system, agent.device.as_str()])
        })
    }
}

/// Returns the id of a type, if an event of it was ever stored.
pub(super) fn find_type(database: &Connection, event_type: &EventType) -> Result<Option<i64>> {
    TYPES.find(database, [event_type.as_str()])
}

/// Returns the ids of all types.
pub(super) fn type_ids(database: &Connection) -> Result<Vec<i64>> {
    let mut statement = database.prepare_cached("SELECT id FROM event_types ORDER BY id").sql()?;
    statement.query_map([], |row| row.get(0)).sql()?.collect::<rusqlite::Result<_>>().sql()
}

pub(in crate::store::sqlite) fn find_user(database: &Connection, user: &UserId) -> Result<Option<i64>> {
    USERS.find(database, [user.as_str()])
}

pub(in crate::store::sqlite) fn find_session(database: &Connection, session: &SessionId) -> Result<Option<i64>> {
    SESSIONS.find(database, [session.as_uuid().as_bytes().as_slice()])
}

pub(in crate::store::sqlite) fn find_visitor(database: &Connection, visitor: &VisitorId) -> Result<Option<i64>> {
    VISITORS.find(database, [visitor.as_uuid().as_bytes().as_slice()])
}

impl Table {
    fn find(&self, database: &Connection, name: impl Params) -> Result<Option<i64>> {
        let mut statement = database.prepare_cached(self.find).sql()?;
        statement.query_row(name, |row| row.get(0)).optional().sql()
    }

    fn intern(&self, database: &Connection, name: impl Params + Clone) -> Result<i64> {
        if let Some(id) = self.find(database, name.clone())? {
            return Ok(id);
        }
        database.prepare_cached(self.add).sql()?.query_row(name, |row| row.get(0)).sql()
    }

    /// Like [`intern`](Self::intern), for names that are usually new.
    fn intern_new(&self, database: &Connection, name: impl Params + Clone) -> Result<i64> {
        let mut add = database.prepare_cached(self.add).sql()?;
        match add.query_row(name.clone(), |row| row.get(0)).optional().sql()? {
            Some(id) => Ok(id),
            None => database.prepare_cached(self.find).sql()?.query_row(name, |row| row.get(0)).sql(),
        }
    }
}

fn id<K: Clone + Eq + Hash>(
    known: &mut HashMap<K, i64>,
    key: &K,
    capacity: usize,
    look_up: impl FnOnce() -> Result<i64>,
) -> Result<i64> {
    if let Some(id) = known.get(key) {
        return Ok(*id);
    }
    let id = look_up()?;
    if known.len() >= capacity {
        known.clear();
    }
    known.insert(key.clone(), id);
    Ok(id)
}
