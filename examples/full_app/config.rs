//! What the server is told: flags, then environment variables, then defaults.

use std::{
    env,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use crate::server::Limits;

pub(crate) const HELP: &str = "\
usage: full_app [--addr ADDRESS:PORT] [--database FILE] [--recording on|off] [--spool DIRECTORY]
                [--journal FILE] [LIMITS]

  --addr       where to listen (FULL_APP_ADDR, default 127.0.0.1:3000; port 0 takes a free one)
  --database   the SQLite file of sessions and activities (DATABASE_PATH, default guestbook.db);
               the users are kept beside it in FILE.users
  --recording  whether each request leaves a trace (FULL_APP_RECORDING, default on);
               what the client tracks is recorded all the same
  --spool      where events wait while the database does not take them (FULL_APP_SPOOL, default FILE.spool)
  --journal    where it is remembered who was erased, so that a restored backup of the database brings nobody back
               (GUESTBOOK_JOURNAL, default FILE.erasures); keep it out of what is restored together with the database

limits:
  --connections       open connections; further ones wait (FULL_APP_CONNECTIONS, default 800)
  --live-connections  of these, streams of events (FULL_APP_LIVE_CONNECTIONS, default 100)
  --head-timeout      seconds until the head of a request has arrived (FULL_APP_HEAD_TIMEOUT, default 15)
  --body-timeout      seconds until its body has arrived (FULL_APP_BODY_TIMEOUT, default 30)
  --password-queue    passwords that wait to be checked, beside one for each core (FULL_APP_PASSWORD_QUEUE, default 64;
                      0 checks none)
  --track-quota       events that a user may track in a minute (FULL_APP_TRACK_QUOTA, default 6000)";

#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) address: SocketAddr,
    pub(crate) database: PathBuf,
    pub(crate) recording: bool,
    pub(crate) spool: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) live_connections: usize,
    pub(crate) password_queue: usize,
    pub(crate) track_quota: u32,
}

/// Each flag with the variable that stands for it.
const SETTINGS: [(&str, &str); 11] = [
    ("--addr", "FULL_APP_ADDR"),
    ("--database", "DATABASE_PATH"),
    ("--recording", "FULL_APP_RECORDING"),
    ("--spool", "FULL_APP_SPOOL"),
    ("--journal", "GUESTBOOK_JOURNAL"),
    ("--connections", "FULL_APP_CONNECTIONS"),
    ("--live-connections", "FULL_APP_LIVE_CONNECTIONS"),
    ("--head-timeout", "FULL_APP_HEAD_TIMEOUT"),
    ("--body-timeout", "FULL_APP_BODY_TIMEOUT"),
    ("--password-queue", "FULL_APP_PASSWORD_QUEUE"),
    ("--track-quota", "FULL_APP_TRACK_QUOTA"),
];

impl Config {
    /// `None` if help was asked for.
    pub(crate) fn from_environment() -> Result<Option<Self>, String> {
        Self::new(env::args_os().skip(1), |name| env::var_os(name))
    }

    fn new(
        arguments: impl Iterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, String> {
        let Some(said) = Said::of(arguments, variable)? else { return Ok(None) };
        let address = said.text("--addr").unwrap_or_else(|| "127.0.0.1:3000".into());
        let address = address.parse().map_err(|_| format!("{address:?} is not an address and a port"))?;
        let recording = match said.text("--recording").as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => return Err(format!("recording is on or off, not {other:?}")),
        };
        let database = said.path("--database").unwrap_or_else(|| "guestbook.db".into());
        let limits = Limits {
            // One at least, or nobody is ever served.
            connections: said.number::<usize>("--connections", 800)?.max(1),
            head: said.seconds("--head-timeout", 15)?,
            body: said.seconds("--body-timeout", 30)?,
        };
        Ok(Some(Self {
            address,
            recording,
            spool: said.path("--spool").unwrap_or_else(|| beside(&database, ".spool")),
            journal: said.path("--journal").unwrap_or_else(|| beside(&database, ".erasures")),
            database,
            limits,
            live_connections: said.number("--live-connections", 100)?,
            password_queue: said.number("--password-queue", 64)?,
            track_quota: said.number("--track-quota", 6_000)?,
        }))
    }

    pub(crate) fn users_database(&self) -> PathBuf {
        beside(&self.database, ".users")
    }
}

/// The values of the settings, in their order.
struct Said([Option<OsString>; SETTINGS.len()]);

impl Said {
    fn of(
        mut arguments: impl Iterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, String> {
        let mut values = SETTINGS.map(|(_, name)| variable(name));
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy().into_owned();
            let (flag, inline) = match text.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(OsString::from(value))),
                None => (text, None),
            };
            if matches!(flag.as_str(), "--help" | "-h") {
                return Ok(None);
            }
            let setting = SETTINGS.iter().position(|(known, _)| *known == flag);
            let setting = setting.ok_or_else(|| format!("unknown argument {flag:?}"))?;
            values[setting] = Some(inline.or_else(|| arguments.next()).ok_or_else(|| format!("{flag} needs a value"))?);
        }
        Ok(Some(Self(values)))
    }

    fn value(&self, flag: &str) -> Option<&OsString> {
        let setting = SETTINGS.iter().position(|(known, _)| *known == flag);
        self.0[setting.expect("it is in the table")].as_ref()
    }

    fn text(&self, flag: &str) -> Option<String> {
        self.value(flag).map(|value| value.to_string_lossy().into_owned())
    }

    fn path(&self, flag: &str) -> Option<PathBuf> {
        self.value(flag).map(PathBuf::from)
    }

    fn number<T: FromStr>(&self, flag: &str, default: T) -> Result<T, String> {
        let Some(text) = self.text(flag) else { return Ok(default) };
        text.parse().map_err(|_| format!("{flag} is a number, not {text:?}"))
    }

    fn seconds(&self, flag: &str, default: u64) -> Result<Duration, String> {
        let Some(text) = self.text(flag) else { return Ok(Duration::from_secs(default)) };
        let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.filter(|time| !time.is_zero()).ok_or_else(|| format!("{flag} is a number of seconds, not {text:?}"))
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
