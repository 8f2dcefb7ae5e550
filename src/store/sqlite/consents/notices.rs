//! The published notices, and the secret that signs prompts.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    error::{Error, ErrorKind, Result},
    model::consent::{Notice, NoticeHash, PurposeId},
    store::{consent::text_changed, sqlite::sql::Sql},
};

const SAME_NOTICE: &str = "SELECT hash FROM notices WHERE purpose = ?1 AND version = ?2 AND language = ?3";
const PUBLISH: &str = "INSERT INTO notices (purpose, version, language, hash, text) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(in crate::store::sqlite) fn publish(database: &Connection, notice: &Notice) -> Result<()> {
    let (purpose, version, language) = (notice.purpose().as_str(), notice.version(), notice.language());
    let mut statement = database.prepare_cached(SAME_NOTICE).sql()?;
    let known = statement.query_row(params![purpose, version, language], |row| row.get(0)).optional().sql()?;
    match known.map(NoticeHash::from_bytes) {
        Some(known) if known == notice.hash() => return Ok(()),
        Some(_) => return Err(text_changed()),
        None => {}
    }
    let hash = notice.hash();
    let row = params![purpose, version, language, hash.as_bytes().as_slice(), notice.text()];
    database.prepare_cached(PUBLISH).sql()?.execute(row).sql()?;
    Ok(())
}

pub(super) const NOTICE: &str = "
    SELECT purpose, version, language, text FROM notices WHERE hash = ?1 ORDER BY id LIMIT 1";

pub(in crate::store::sqlite) fn notice(database: &Connection, hash: NoticeHash) -> Result<Option<Notice>> {
    let mut statement = database.prepare_cached(NOTICE).sql()?;
    let row = statement.query_row([hash.as_bytes().as_slice()], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    });
    let Some((purpose, version, language, text)) = row.optional().sql()? else { return Ok(None) };
    let damaged = || Error::new(ErrorKind::Corrupt, "a stored notice is damaged");
    let notice = PurposeId::new(&purpose).and_then(|purpose| Notice::new(purpose, version, language, text));
    let notice = notice.map_err(|error| damaged().with_source(error))?;
    if notice.hash() == hash { Ok(Some(notice)) } else { Err(damaged()) }
}
