//! The methods of [`CredentialStore`] in SQL. The epoch is the sum of two counters, of the user and
//! of the realm.

use rusqlite::{Connection, params};

use super::{SqliteStore, sql::Sql, users};
use crate::{
    error::Result,
    id::UserId,
    model::session::{CredentialEpoch, Realm},
    store::{CredentialStore, Revocation, sqlite::tombstones},
};

pub(super) const SCHEMA: &str = "
    -- What was there before belongs to the default realm, and was made in the first epoch.
    ALTER TABLE sessions ADD COLUMN realm TEXT NOT NULL DEFAULT 'default';
    ALTER TABLE sessions ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE ended_sessions ADD COLUMN realm TEXT NOT NULL DEFAULT 'default';

    -- Users whose credentials changed, and realms in which all sessions were ended; the others count 0.
    CREATE TABLE credential_epochs (
        user INTEGER NOT NULL REFERENCES users (id),
        realm TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        PRIMARY KEY (user, realm)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE realm_epochs (
        realm TEXT PRIMARY KEY,
        epoch INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

impl CredentialStore for SqliteStore {
    async fn credential_epoch(&self, realm: Realm, user: UserId) -> Result<CredentialEpoch> {
        self.inner.readers.read(move |database| current(database, &realm, Some(&user))).await
    }

    async fn raise_credential_epoch(&self, realm: Realm, user: Option<UserId>) -> Result<CredentialEpoch> {
        self.inner.writer.run(true, move |database| raise(database, &realm, user.as_ref())).await
    }
}

/// Raises the epochs that a revocation raises.
pub(super) fn raise_with(database: &Connection, revocation: &Revocation) -> Result<()> {
    match revocation {
        Revocation::User(realm, user) => raise(database, realm, Some(user)).map(drop),
        Revocation::All(realm) => raise(database, realm, None).map(drop),
        Revocation::Erased(user) => evict(database, user),
        Revocation::One(..) | Revocation::Others(..) => Ok(()),
    }
}

const CURRENT: &str = "
    SELECT coalesce((SELECT epoch FROM credential_epochs
            WHERE user = (SELECT id FROM users WHERE external = ?2) AND realm = ?1), 0)
        + coalesce((SELECT epoch FROM realm_epochs WHERE realm = ?1), 0)";

pub(super) fn current(database: &Connection, realm: &Realm, user: Option<&UserId>) -> Result<CredentialEpoch> {
    let mut statement = database.prepare_cached(CURRENT).sql()?;
    let epoch: i64 = statement.query_row(params![realm.as_str(), user.map(UserId::as_str)], |row| row.get(0)).sql()?;
    Ok(CredentialEpoch::from_number(epoch.unsigned_abs()))
}

const RAISE: &str = "
    INSERT INTO credential_epochs (user, realm, epoch) VALUES ((SELECT id FROM users WHERE external = ?2), ?1, 1)
    ON CONFLICT (user, realm) DO UPDATE SET epoch = epoch + 1";
const RAISE_REALM: &str = "
    INSERT INTO realm_epochs (realm, epoch) VALUES (?1, 1)
    ON CONFLICT (realm) DO UPDATE SET epoch = epoch + 1";

/// An erased user has no session and no epoch, and gets none.
pub(super) fn raise(database: &Connection, realm: &Realm, user: Option<&UserId>) -> Result<CredentialEpoch> {
    let raised = match user {
        Some(user) if tombstones::of_user(database, user)?.is_some() => Ok(0),
        Some(user) => {
            users::intern(database, user)?;
            let parameters = params![realm.as_str(), user.as_str()];
            database.prepare_cached(RAISE).and_then(|mut statement| statement.execute(parameters))
        }
        None => database.prepare_cached(RAISE_REALM).and_then(|mut statement| statement.execute([realm.as_str()])),
    };
    raised.sql()?;
    current(database, realm, user)
}

const DELETE: &str = "DELETE FROM credential_epochs WHERE user = (SELECT id FROM users WHERE external = ?1)";

fn evict(database: &Connection, user: &UserId) -> Result<()> {
    database.prepare_cached(DELETE).and_then(|mut statement| statement.execute([user.as_str()])).sql().map(drop)
}
