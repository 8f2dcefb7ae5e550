//! [`AnalyticsStore`]: the contract of a store whose events can be looked through.

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

/// A store whose events can be looked through, fast: what analytics that no table answers are made
/// of.
///
/// # Contract
///
/// 1. **Each event once, in order.** `each` is called for every event that the [`Scan`] means, in
///    ascending order of sequence, and for no other.
/// 2. **One snapshot.** What is stored or deleted while the scan runs is seen wholly or not at all:
///    no half of a batch.
/// 3. **Names are numbers.** The numbers in a [`ScannedEvent`] are equal where the names are,
///    within one scan; another scan may give others. Types and routes come with their names, users,
///    visitors and sessions do not: a scan tells persons apart, not who they are. Two routes that
///    differ in their method only are two numbers with one name.
/// 4. **It ends when told to.** After [`ControlFlow::Break`] `each` is not called again and the
///    answer is success; after the future is dropped it is called a few times at most.
/// 5. **Others go on.** A scan neither waits for writers nor do they wait for it. `each` is called
///    outside any lock that they need.
///
/// # Rolling up
///
/// A store may know a quicker way to an answer than to look at each event: it may keep hours and
/// days rolled up ("rollups"). All methods about that have a default that knows none: the caller
/// looks at the events then.
///
/// 6. **An answer is exact.** It is what the events say that are stored at that moment; what was
///    rolled up of others is not used.
/// 7. **Nobody outlives their events.** What was rolled up of an event is gone when the event is:
///    in the same step.
pub trait AnalyticsStore: ActivityStore {
    /// Calls `each` with every event that `scan` means.
    fn scan(&self, scan: Scan, each: EventVisitor) -> impl Future<Output = Result<()>> + Send;

    /// How many events `scan` looks at, at most: an upper bound that takes no time to speak of.
    /// Without a better answer, more than any limit.
    fn at_most(&self, scan: Scan) -> impl Future<Output = Result<u64>> + Send {
        let _ = scan;
        ready(Ok(u64::MAX))
    }

    /// The [`Overview`] of what counts; `None` if there is no quicker way to it. Lists have at most
    /// `limit` entries. What is not `wanted` may be empty.
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

    /// The [`ActivitySeries`] of what counts; `None` if there is no quicker way to it.
    fn activity_series(
        &self,
        counting: AggregateQuery,
        period: Period,
        zone: Zone,
    ) -> impl Future<Output = Result<Option<ActivitySeries>>> + Send {
        let _ = (counting, period, zone);
        ready(Ok(None))
    }

    /// The [`ActiveUsers`] of what counts; `None` if there is no quicker way to it.
    fn active_users_series(
        &self,
        counting: AggregateQuery,
        zone: Zone,
    ) -> impl Future<Output = Result<Option<ActiveUsers>>> + Send {
        let _ = (counting, zone);
        ready(Ok(None))
    }

    /// Rolls up some of what is over at `now`, for later answers about what counts; the range does
    /// not matter. `false` if there is nothing left to roll up.
    fn roll_up(&self, counting: AggregateQuery, now: Timestamp) -> impl Future<Output = Result<bool>> + Send {
        let _ = (counting, now);
        ready(Ok(false))
    }

    /// Compares everything that is rolled up with the events.
    fn check_rollups(&self, counting: AggregateQuery) -> impl Future<Output = Result<RollupCheck>> + Send {
        let _ = counting;
        ready(Ok(RollupCheck::default()))
    }

    /// Forgets everything that is rolled up; the events stay.
    fn delete_rollups(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}

/// What a scan calls with each event, on whatever thread; it must not wait for anything.
pub type EventVisitor = Box<dyn FnMut(&ScannedEvent<'_>) -> ControlFlow<()> + Send>;

/// Which events a scan shows, and what of them. What is not asked for costs no time and is `None`.
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
    /// Only events of this time.
    pub range: Range,
    /// Only events of these types.
    pub types: Option<Vec<EventType>>,
    /// No events of these types.
    pub except_types: Vec<EventType>,
    /// Only events of this user.
    pub user: Option<UserId>,
    /// No events of these users.
    pub except_users: Vec<UserId>,
    /// No events of these persons, of some types or of all.
    pub exclusion: Vec<Exclusion>,
    /// Only events of this session.
    pub session: Option<SessionId>,
    /// Only events that have a user or a visitor.
    pub needs_person: bool,
    /// Whether sessions are told apart.
    pub has_sessions: bool,
    /// Whether the users are shown to whom visitors are linked.
    pub has_links: bool,
    /// Whether routes are shown.
    pub has_routes: bool,
    /// Whether data is shown.
    pub has_data: bool,
}

impl Scan {
    /// Sequence, time, type, user and visitor of all events of `range`.
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

    /// Only events of these types.
    pub fn types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.types = Some(types.into_iter().collect());
        self
    }

    /// No events of these types.
    pub fn except_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = types.into_iter().collect();
        self
    }

    /// Only events of this user.
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// No events of these users.
    pub fn except_users(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.except_users = users.into_iter().collect();
        self
    }

    /// No events of these persons, of some types or of all.
    pub fn exclusion(mut self, exclusion: Vec<Exclusion>) -> Self {
        self.exclusion = exclusion;
        self
    }

    /// Only events of this session.
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Only events that have a user or a visitor.
    pub fn with_person(mut self) -> Self {
        self.needs_person = true;
        self
    }

    /// Tells sessions apart, too.
    pub fn sessions(mut self) -> Self {
        self.has_sessions = true;
        self
    }

    /// Shows to whom visitors are linked, too. A visitor who is linked to an excluded user is left
    /// out.
    pub fn links(mut self) -> Self {
        self.has_links = true;
        self
    }

    /// Shows routes, too.
    pub fn routes(mut self) -> Self {
        self.has_routes = true;
        self
    }

    /// Shows data, too.
    pub fn data(mut self) -> Self {
        self.has_data = true;
        self
    }

    /// Whether events of this type are meant. For stores.
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

/// An event as a scan shows it: numbers, and names that are borrowed from the scan.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ScannedEvent<'a> {
    /// The store's number for it.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// What kind of thing.
    pub event_type: ScannedName<'a>,
    /// The user's number in this scan.
    pub user: Option<u64>,
    /// The visitor's number in this scan; those of users and of visitors have nothing to do with
    /// each other.
    pub visitor: Option<u64>,
    /// The number of the user to whom the visitor is [linked](super::ConsentStore::link_visitor),
    /// of an event without a user.
    pub linked_user: Option<u64>,
    /// The session's number in this scan.
    pub session: Option<u64>,
    /// The route's template.
    pub route: Option<ScannedName<'a>>,
    /// The data: a JSON object.
    pub data: Option<&'a str>,
}

/// A name with the number that it has in this scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedName<'a> {
    /// The number.
    pub number: u64,
    /// The name.
    pub name: &'a str,
}

impl<'a> ScannedEvent<'a> {
    /// An event of this type at this time; nothing else is known of it yet. For stores.
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
