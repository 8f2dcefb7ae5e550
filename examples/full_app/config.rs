//! What the server is told: flags, then environment variables, then defaults.

use std::{
    env,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub(crate) const HELP: &str = "\
usage: full_app [--addr ADDRESS:PORT] [--database FILE] [--recording on|off] [--spool DIRECTORY]
                [--journal FILE]

  --addr       where to listen (FULL_APP_ADDR, default 127.0.0.1:3000; port 0 takes a free one)
  --database   the SQLite file of sessions and activities (DATABASE_PATH, default guestbook.db);
               the users are kept beside it in FILE.users
  --recording  whether each request leaves a trace (FULL_APP_RECORDING, default on);
               what the client tracks is recorded all the same
  --spool      where events wait while the database does not take them (FULL_APP_SPOOL, default FILE.spool)
  --journal    where it is remembered who was erased, so that a restored backup of the database brings nobody back
               (GUESTBOOK_JOURNAL, default FILE.erasures); keep it out of what is restored together with the database";

#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) address: SocketAddr,
    pub(crate) database: PathBuf,
    pub(crate) recording: bool,
    pub(crate) spool: PathBuf,
    pub(crate) journal: PathBuf,
}

impl Config {
    /// `None` if help was asked for.
    pub(crate) fn from_environment() -> Result<Option<Self>, String> {
        Self::new(env::args_os().skip(1), |name| env::var_os(name))
    }

    fn new(
        mut arguments: impl Iterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, String> {
        let mut address = variable("FULL_APP_ADDR");
        let mut database = variable("DATABASE_PATH");
        let mut recording = variable("FULL_APP_RECORDING");
        let mut spool = variable("FULL_APP_SPOOL");
        let mut journal = variable("GUESTBOOK_JOURNAL");
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy().into_owned();
            let (flag, inline) = match text.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(OsString::from(value))),
                None => (text, None),
            };
            let target = match flag.as_str() {
                "--help" | "-h" => return Ok(None),
                "--addr" => &mut address,
                "--database" => &mut database,
                "--recording" => &mut recording,
                "--spool" => &mut spool,
                "--journal" => &mut journal,
                other => return Err(format!("unknown argument {other:?}")),
            };
            *target = Some(inline.or_else(|| arguments.next()).ok_or_else(|| format!("{flag} needs a value"))?);
        }
        let address = address.map_or_else(|| "127.0.0.1:3000".into(), |address| address.to_string_lossy().into_owned());
        let address = address.parse().map_err(|_| format!("{address:?} is not an address and a port"))?;
        let recording = match recording.as_ref().map(|recording| recording.to_string_lossy()).as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => return Err(format!("recording is on or off, not {other:?}")),
        };
        let database = database.map_or_else(|| "guestbook.db".into(), PathBuf::from);
        let spool = spool.map_or_else(|| beside(&database, ".spool"), PathBuf::from);
        let journal = journal.map_or_else(|| beside(&database, ".erasures"), PathBuf::from);
        Ok(Some(Self { address, database, recording, spool, journal }))
    }

    pub(crate) fn users_database(&self) -> PathBuf {
        beside(&self.database, ".users")
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
