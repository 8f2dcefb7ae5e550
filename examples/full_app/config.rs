//! What the server is told: flags, then environment variables, then defaults.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, ValueEnum};

use crate::server;

/// A server that shows all of tower-guestbook.
#[derive(Debug, Parser)]
#[command(name = "full_app", max_term_width = 100, args_override_self = true)]
pub(crate) struct Config {
    /// Where to listen; port 0 takes a free one
    #[arg(long = "addr", env = "FULL_APP_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    pub(crate) address: SocketAddr,
    /// Proxies of yours in front of the server, which append to X-Forwarded-For; 0 trusts no header
    #[arg(long, env = "FULL_APP_PROXIES", value_name = "NUMBER", default_value = "0")]
    pub(crate) proxies: usize,
    /// The SQLite file; the users are kept beside it in FILE.users
    #[arg(long, env = "DATABASE_PATH", value_name = "FILE", default_value = "guestbook.db")]
    pub(crate) database: PathBuf,
    /// Whether requests are recorded; events that clients track are recorded in any case
    #[arg(long, env = "FULL_APP_RECORDING", value_enum, default_value = "on")]
    pub(crate) recording: Recording,
    /// Where events wait while the database does not take them [default: FILE.spool]
    #[arg(long, env = "FULL_APP_SPOOL", value_name = "DIRECTORY")]
    spool: Option<PathBuf>,
    /// The erasure journal, by which a restored backup brings no erased user back [default:
    /// FILE.erasures]
    ///
    /// Keep it out of what is restored together with the database.
    #[arg(long, env = "GUESTBOOK_JOURNAL", value_name = "FILE")]
    journal: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Limits")]
    pub(crate) limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recording {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Limits {
    /// Open connections; further ones wait
    #[arg(long, env = "FULL_APP_CONNECTIONS", value_name = "NUMBER", default_value = "800")]
    connections: NonZeroUsize,
    /// Streams of events among the connections
    #[arg(long, env = "FULL_APP_LIVE_CONNECTIONS", value_name = "NUMBER", default_value = "100")]
    pub(crate) live_connections: usize,
    /// Seconds until the head of a request has arrived
    #[arg(long, env = "FULL_APP_HEAD_TIMEOUT", value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    head_timeout: Duration,
    /// Seconds until the body of a request has arrived
    #[arg(long, env = "FULL_APP_BODY_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    body_timeout: Duration,
    /// Seconds that a client may read nothing of an answer before its connection is closed
    #[arg(long, env = "FULL_APP_WRITE_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    write_timeout: Duration,
    /// Passwords that wait to be checked, beside one for each core; 0 checks none
    #[arg(long, env = "FULL_APP_PASSWORD_QUEUE", value_name = "NUMBER", default_value = "64")]
    pub(crate) password_queue: usize,
    /// Events that a user may track in a minute
    #[arg(long, env = "FULL_APP_TRACK_QUOTA", value_name = "NUMBER", default_value = "6000")]
    pub(crate) track_quota: u32,
}

impl Config {
    pub(crate) fn spool(&self) -> PathBuf {
        self.spool.clone().unwrap_or_else(|| beside(&self.database, ".spool"))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| beside(&self.database, ".erasures"))
    }

    pub(crate) fn users_database(&self) -> PathBuf {
        beside(&self.database, ".users")
    }
}

impl Limits {
    pub(crate) fn of_server(&self, proxies: usize) -> server::Limits {
        server::Limits {
            connections: self.connections.get(),
            head: self.head_timeout,
            body: self.body_timeout,
            write: self.write_timeout,
            proxies,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "it is a number of seconds above 0".to_owned())
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
