//! [`AnalyticsStore`]: the contract of a store for analytics.

use std::{
    fmt,
    future::{Future, ready},
    ops::ControlFlow,
};

use super::{ActivityStore, AggregateQuery, Exclusion, OverviewParts, RollupCheck};
use crate::{
    error::Result,
    id::{SessionId, UserId},
    model::{
        activity::EventType,
        analytics::{ActiveUsers, ActivitySeries, Overview, Period, Range, Zone},
    },
    time::Timestamp,
};

/// A store that scans events fast, for analytics without rollups.
///
/// # Contract
///
/// 1. **Each event once, in order.** `each` is called for every event that matches the [`Scan`], in
///    ascending order of sequence numbers, and for no other.
/// 2. **One snapshot.** A batch that is stored or deleted during the scan is seen completely or not
///    at all.
/// 3. **Names are numbers.** Within one scan, numbers in a [`ScannedEvent`] are equal if and only
///    if the names are; another scan may use other numbers. Types and routes also have their names.
///    Users, visitors and sessions do not: a scan distinguishes people without naming them. Two
///    routes that differ only in the method have two numbers and one name.
/// 4. **A scan can be stopped.** After [`ControlFlow::Break`], `each` is not called again and the
///    scan succeeds. After the future is dropped, it is called a few times at most.
/// 5. **A scan blocks nobody**, and waits for no writer. `each` is called outside any lock that
///    writers need.
///
/// # Rollups
///
/// A store may keep rollups of hours and days, and answer some queries from them. The methods for
/// this have defaults without rollups: the caller then reads the events.
///
/// 6. **An answer is exact**: it is computed from the events stored at that moment, or from rollups
///    that equal them.
/// 7. **Rollups do not outlive their events.** When an event is deleted, the rollups that contain
///    it are deleted in the same transaction.
pub trait AnalyticsStore: ActivityStore {
    /// Calls `each` with every event that matches `scan`.
    fn scan(&self, scan: Scan, each: EventVisitor) -> impl Future<Output = Result<()>> + Send;

    /// Returns an upper bound of the number of events that `scan` reads, in negligible time. The
    /// default is larger than any limit.
    fn at_most(&self, scan: Scan) -> impl Future<Output = Result<u64>> + Send {
        let _ = scan;
        ready(Ok(u64::MAX))
    }

    /// Returns the [`Overview`]; `None` if the events must be read. Lists have at most `limit`
    /// entries. Parts that are not `wanted` may be empty.
    fn overview(
        &self,
        counting: AggregateQuery,
        zone: Zone,
        limit: usize,
        wanted: OverviewParts,
    ) -> impl Future<Output = Result<Option<Overview>>> + Send {
        let _ = (counting, zone, limit, wanted);
        ready(Ok(None))
    }

    /// Returns the [`ActivitySeries`]; `None` if the events must be read.
    fn activity_series(
        &self,
        counting: AggregateQuery,
        period: Period,
        zone: Zone,
    ) -> impl Future<Output = Result<Option<ActivitySeries>>> + Send {
        let _ = (counting, period, zone);
        ready(Ok(None))
    }

    /// Returns the [`ActiveUsers`]; `None` if the events must be read.
    fn active_users_series(
        &self,
        counting: AggregateQuery,
        zone: Zone,
    ) -> impl Future<Output = Result<Option<ActiveUsers>>> + Send {
        let _ = (counting, zone);
        ready(Ok(None))
    }

    /// Rolls up some of the hours and days that are over at `now`, for later answers. The range of
    /// the query is ignored. Returns `false` if nothing is left to roll up.
    fn roll_up(&self, counting: AggregateQuery, now: Timestamp) -> impl Future<Output = Result<bool>> + Send {
        let _ = (counting, now);
        ready(Ok(false))
    }

    /// Compares all rollups with the events.
    fn check_rollups(&self, counting: AggregateQuery) -> impl Future<Output = Result<RollupCheck>> + Send {
        let _ = counting;
        ready(Ok(RollupCheck::default()))
    }

    /// Deletes all rollups. The events stay.
    fn delete_rollups(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}

/// The callback of a scan. It may be called on any thread and must not block.
pub type EventVisitor = Box<dyn FnMut(&ScannedEvent<'_>) -> ControlFlow<()> + Send>;

/// The events that a scan returns, and their properties. A property that is not requested costs no
/// time and is `None`.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{Timestamp, activity::EventType, analytics::Range, store::Scan};
///
/// let day = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
/// let scan = Scan::new(day).types([EventType::PURCHASE]).with_person().data();
/// assert!(scan.has_data && scan.is_counted(&EventType::PURCHASE) && !scan.is_counted(&EventType::LOGIN));
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Scan {
    /// Only events in this range.
    pub range: Range,
    /// Only events of these types.
    pub types: Option<Vec<EventType>>,
    /// Excludes events of these types.
    pub except_types: Vec<EventType>,
    /// Only events of this user.
    pub user: Option<UserId>,
    /// Excludes events of these users.
    pub except_users: Vec<UserId>,
    /// Excludes events of these people, of some types or of all.
    pub exclusion: Vec<Exclusion>,
    /// Only events of this session.
    pub session: Option<SessionId>,
    /// Only events that have a user or a visitor.
    pub needs_person: bool,
    /// Whether sessions are returned.
    pub has_sessions: bool,
    /// Whether the users of linked visitors are returned.
    pub has_links: bool,
    /// Whether routes are returned.
    pub has_routes: bool,
    /// Whether data is returned.
    pub has_data: bool,
}

impl Scan {
    /// Creates a scan of all events in `range`, with sequence number, time, type, user and visitor.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            types: None,
            except_types: Vec::new(),
            user: None,
            except_users: Vec::new(),
            exclusion: Vec::new(),
            session: None,
            needs_person: false,
            has_sessions: false,
            has_links: false,
            has_routes: false,
            has_data: false,
        }
    }

    /// Matches only events of these types.
    pub fn types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.types = Some(types.into_iter().collect());
        self
    }

    /// Excludes events of these types.
    pub fn except_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = types.into_iter().collect();
        self
    }

    /// Matches only events of this user.
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Excludes events of these users.
    pub fn except_users(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.except_users = users.into_iter().collect();
        self
    }

    /// Excludes events of these people, of some types or of all.
    pub fn exclusion(mut self, exclusion: Vec<Exclusion>) -> Self {
        self.exclusion = exclusion;
        self
    }

    /// Matches only events of this session.
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Matches only events that have a user or a visitor.
    pub fn with_person(mut self) -> Self {
        self.needs_person = true;
        self
    }

    /// Also returns sessions.
    pub fn sessions(mut self) -> Self {
        self.has_sessions = true;
        self
    }

    /// Also returns the users of linked visitors. A visitor who is linked to an excluded user is
    /// excluded.
    pub fn links(mut self) -> Self {
        self.has_links = true;
        self
    }

    /// Also returns routes.
    pub fn routes(mut self) -> Self {
        self.has_routes = true;
        self
    }

    /// Also returns data.
    pub fn data(mut self) -> Self {
        self.has_data = true;
        self
    }

    /// Returns whether events of this type match. For stores.
    pub fn is_counted(&self, event_type: &EventType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(event_type)) && !self.except_types.contains(event_type)
    }
}

/// Redacted: it may name users.
impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("range", &self.range).field("types", &self.types).finish_non_exhaustive()
    }
}

/// An event of a scan: numbers, and names borrowed from the scan.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ScannedEvent<'a> {
    /// The event's sequence number.
    pub sequence: u64,
    /// Time of the event.
    pub time: Timestamp,
    /// Type of the event.
    pub event_type: ScannedName<'a>,
    /// Number of the user in this scan.
    pub user: Option<u64>,
    /// Number of the visitor in this scan, independent of the numbers of users.
    pub visitor: Option<u64>,
    /// Number of the user to whom the visitor is [linked](super::ConsentStore::link_visitor), if
    /// the event has no user.
    pub linked_user: Option<u64>,
    /// Number of the session in this scan.
    pub session: Option<u64>,
    /// The route template.
    pub route: Option<ScannedName<'a>>,
    /// The data: a JSON object.
    pub data: Option<&'a str>,
}

/// A name and its number in this scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedName<'a> {
    /// The number.
    pub number: u64,
    /// The name.
    pub name: &'a str,
}

impl<'a> ScannedEvent<'a> {
    /// Creates an event of this type and time. All other fields are empty. For stores.
    pub fn new(sequence: u64, time: Timestamp, event_type: ScannedName<'a>) -> Self {
        Self {
            sequence,
            time,
            event_type,
            user: None,
            visitor: None,
            linked_user: None,
            session: None,
            route: None,
            data: None,
        }
    }
}

/// Redacted: data may be personal.
impl fmt::Debug for ScannedEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScannedEvent")
            .field("sequence", &self.sequence)
            .field("time", &self.time)
            .field("event_type", &self.event_type.name)
            .finish_non_exhaustive()
    }
}
