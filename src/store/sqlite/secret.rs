//! The secret of the database, for pseudonyms and signatures.

use rusqlite::{Connection, OptionalExtension};

use super::sql::Sql;
use crate::{
    error::{Error, ErrorKind, Result},
    id::fill_random,
};

const SECRET: &str = "SELECT value FROM secrets WHERE name = 'consent'";
const KEEP_SECRET: &str = "INSERT OR IGNORE INTO secrets (name, value) VALUES ('consent', ?1)";

pub(super) fn load(database: &Connection) -> Result<Option<[u8; 32]>> {
    database.prepare_cached(SECRET).sql()?.query_row([], |row| row.get(0)).optional().sql()
}

/// Creates the secret, unless another process has created it meanwhile.
pub(super) fn make(database: &Connection) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    fill_random(&mut bytes)?;
    database.prepare_cached(KEEP_SECRET).sql()?.execute([bytes.as_slice()]).sql()?;
    load(database)?.ok_or_else(|| Error::new(ErrorKind::Internal, "the secret was just stored"))
}
