//! [`Offload`]: activities as Parquet files, for a column store.

mod columns;
mod file;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use self::{columns::Rows, file::DayFile};
use super::Activities;
use crate::{
    error::{Error, ErrorKind, Result},
    files::FileMode,
    id::UserId,
    model::{
        activity::{Activity, ActivityFilter, HistoryQuery, Order},
        analytics::{Period, Range, Zone},
        privacy::Pseudonym,
    },
    store::Exclusion,
    time::Timestamp,
};

/// The activities to write as Parquet files, and how users are named in them.
///
/// [`Activities::offload`] writes one file for each day (UTC) of the range that has events, in the
/// layout that DuckDB, ClickHouse and Spark call Hive partitioning:
/// `DIRECTORY/day=2026-11-25/activities.parquet`. The columns:
///
/// | column | type | |
/// |---|---|---|
/// | `sequence` | int64 | the order of history |
/// | `time` | timestamp, ms, UTC | by the server's clock |
/// | `client_time` | timestamp, ms, UTC | by the client's clock |
/// | `event_type` | text | |
/// | `user_id` | text | see [`OffloadedUsers`] |
/// | `session_id`, `visitor_id` | text | as in history |
/// | `method`, `route` | text | the template, never a path |
/// | `referrer` | text | a host |
/// | `utm_source`, `utm_medium`, `utm_campaign` | text | |
/// | `utm_term`, `utm_content` | text | |
/// | `browser`, `browser_major`, `system`, `device` | text, int32 | families |
/// | `network` | text | truncated |
/// | `status`, `latency_us`, `bytes` | int32, int64, int64 | of the response |
/// | `outcome` | text | how the exchange ended |
/// | `event_data` | text (JSON) | |
/// | `origin` | text | `server`, or `client` for reports of the client |
///
/// Missing values are null. Values are compressed with Snappy, in groups of 65,536 rows; one group
/// is kept in memory.
///
/// Events of restricted users, and events under a purpose that a user refuses at the time of the
/// offload, are not written; [analytics](crate::analytics::AnalyticsRules#people-who-are-excluded)
/// uses the same rule. A file appears complete or not at all, and replaces the file of an earlier
/// run. If a day has no events any more, its file is deleted.
///
/// **Erasure does not reach these files.** Offload the days again, or let the retention of your
/// column store delete them.
///
/// # A funnel in DuckDB
///
/// The number of users who saw `/prices` and bought something within 14 days, as
/// [`Analytics::funnel`](crate::analytics::Analytics::funnel) counts it:
///
/// ```sql
/// WITH step1 AS (
///     SELECT user_id, time, sequence FROM read_parquet('DIRECTORY/*/*.parquet')
///     WHERE event_type = 'page_view' AND route = '/prices' AND user_id IS NOT NULL
/// ), step2 AS (
///     SELECT user_id, time, sequence FROM read_parquet('DIRECTORY/*/*.parquet')
///     WHERE event_type = 'purchase' AND user_id IS NOT NULL
/// )
/// SELECT
///     (SELECT count(DISTINCT user_id) FROM step1) AS saw,
///     count(DISTINCT step1.user_id) AS bought
/// FROM step1 JOIN step2 USING (user_id)
/// WHERE (step2.time, step2.sequence) > (step1.time, step1.sequence)
///   AND step2.time <= step1.time + INTERVAL 14 DAYS;
/// ```
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     Guestbook, Timestamp,
///     activity::{Event, EventType, Offload},
///     analytics::Range,
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("offload-{}", std::process::id()));
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let noon = Timestamp::from_millis(1_795_608_000_000);
/// guestbook.recorder().record_durable(Event::new(EventType::PAGE_VIEW, noon)).await?;
///
/// let week = Range::new(Timestamp::from_millis(1_795_046_400_000), Timestamp::from_millis(1_795_651_200_000))?;
/// let days = guestbook.activities().offload(Offload::new(week), &directory).await?;
/// assert_eq!((days.len(), days[0].day.as_str(), days[0].rows), (1, "2026-11-25", 1));
/// assert!(directory.join("day=2026-11-25/activities.parquet").is_file());
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Offload {
    range: Range,
    filter: ActivityFilter,
    users: OffloadedUsers,
    mode: FileMode,
}

/// How files name users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OffloadedUsers {
    /// Files do not name users.
    Omitted,
    /// Files have a keyed hash of the user id, the same in each file (see [`Pseudonym`]). Users can
    /// be counted and followed, but not named. It is still personal data. The default.
    #[default]
    Pseudonyms,
    /// Files have the user ids.
    Plain,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OffloadedDay {
    /// The day, for example `2026-11-25`.
    pub day: String,
    /// Path of the file.
    pub path: PathBuf,
    /// Number of activities in the file.
    pub rows: u64,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

/// Caches the names of users in the files.
struct Names {
    users: OffloadedUsers,
    secret: [u8; 32],
    known: HashMap<UserId, String>,
}

/// Maximum number of cached names.
const KNOWN: usize = 100_000;

impl Offload {
    /// Writes all activities of the range. Whole days work best.
    pub fn new(range: Range) -> Self {
        Self { range, filter: ActivityFilter::new(), users: OffloadedUsers::default(), mode: FileMode::default() }
    }

    /// Writes only activities that also match `filter`.
    pub fn filter(mut self, filter: ActivityFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Sets how users are named. Default: [`OffloadedUsers::Pseudonyms`].
    pub fn users(mut self, users: OffloadedUsers) -> Self {
        self.users = users;
        self
    }

    /// Sets the mode of new files, as Unix permission bits. The umask of the process does not
    /// apply. Default: 0o600; use 0o640, for example, for a column store that runs in the same
    /// group.
    ///
    /// A new directory can be entered by everybody who can read the files. A file that is replaced
    /// keeps its mode; if others can read it, a warning is logged.
    pub fn file_mode(mut self, mode: u32) -> Self {
        self.mode = FileMode::new(mode);
        self
    }

    /// Returns the filter for a part of the range.
    fn part(&self, from: Timestamp, until: Timestamp) -> ActivityFilter {
        let filter = self.filter.clone();
        let from = filter.from.map_or(from, |own| own.max(from));
        let until = filter.until.map_or(until, |own| own.min(until));
        filter.from(from).until(until)
    }
}

impl Activities {
    /// Writes activities as Parquet files under `directory`, one day at a time: see [`Offload`] for
    /// the columns. Returns the files, the oldest first.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidInput`] if the range is longer than ten years.
    /// - [`ErrorKind::Configuration`] if [`Offload::file_mode`] is not a valid file mode.
    /// - [`ErrorKind::StorageFull`] or [`ErrorKind::Unavailable`] if a file cannot be written.
    /// - [`ErrorKind::TooLarge`] if more people refuse a purpose than
    ///   `AnalyticsRules::max_excluded_people`.
    /// - Any error of the store.
    ///
    /// Files of the days before the error are complete.
    pub async fn offload(&self, offload: Offload, directory: impl AsRef<Path>) -> Result<Vec<OffloadedDay>> {
        offload.mode.check()?;
        let secret = match offload.users {
            OffloadedUsers::Pseudonyms => self.runtime.tasks.within(self.runtime.store.signing_secret()).await?,
            OffloadedUsers::Omitted | OffloadedUsers::Plain => [0; 32],
        };
        let mut names = Names { users: offload.users, secret, known: HashMap::new() };
        let (range, mut days) = (offload.range, Vec::new());
        if range.until().since(range.from()) > MAX_SPAN {
            return Err(Error::new(ErrorKind::InvalidInput, "`range` is longer than ten years"));
        }
        let exclusion = self.objections.exclusion(&self.runtime).await?;
        let mut from = Zone::UTC.start_of(Period::Day, range.from());
        while from < range.until() {
            let until = Zone::UTC.next(Period::Day, from);
            let filter = offload.part(from.max(range.from()), until.min(range.until()));
            let file = DayFile::of(directory.as_ref(), from, offload.mode);
            days.extend(self.offload_day(file, filter, &exclusion, &mut names).await?);
            from = until;
        }
        Ok(days)
    }

    async fn offload_day(
        &self,
        mut file: DayFile,
        filter: ActivityFilter,
        exclusion: &[Exclusion],
        names: &mut Names,
    ) -> Result<Option<OffloadedDay>> {
        let (mut rows, mut query) = (Rows::default(), history(filter.clone()));
        loop {
            let page = self.runtime.tasks.within(self.runtime.store.history(query)).await?;
            let counts = |activity: &&Activity| !exclusion.iter().any(|exclusion| exclusion.has(&activity.event));
            for activity in page.activities.iter().filter(counts) {
                rows.push(activity, names.of(activity.event.user.as_ref()));
            }
            if rows.count() >= GROUP {
                file = file.add(std::mem::take(&mut rows)).await?;
            }
            let Some(next) = page.next else { break };
            query = history(filter.clone()).after(next);
        }
        file.add(rows).await?.finish().await
    }
}

impl Names {
    /// Returns the name of a user in the file.
    fn of(&mut self, user: Option<&UserId>) -> Option<String> {
        match (self.users, user?) {
            (OffloadedUsers::Omitted, _) => None,
            (OffloadedUsers::Plain, user) => Some(user.as_str().to_owned()),
            (OffloadedUsers::Pseudonyms, user) => {
                if let Some(known) = self.known.get(user) {
                    return Some(known.clone());
                }
                if self.known.len() >= KNOWN {
                    self.known.clear();
                }
                let name = Pseudonym::of(user, &self.secret).to_string();
                self.known.insert(user.clone(), name.clone());
                Some(name)
            }
        }
    }
}

fn history(filter: ActivityFilter) -> HistoryQuery {
    HistoryQuery::new(filter).order(Order::OldestFirst).limit(HistoryQuery::MAX_LIMIT)
}

/// Number of rows of a group.
const GROUP: usize = 65_536;

/// Ten years.
const MAX_SPAN: Duration = Duration::from_secs(3_653 * 24 * 60 * 60);
