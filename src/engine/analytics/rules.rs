//! [`AnalyticsRules`]: which events count, and what a query may cost.

use std::{fmt, time::Duration};

use crate::{
    engine::consents::ConsentSettings,
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        activity::EventType,
        analytics::invalid,
        consent::{Mode, PurposeId, Regime},
    },
};

/// Rules for analytics: which events count, and what a query may cost.
///
/// # Events that count
/// All stored events count, except for excluded types and for events that were recorded for another
/// reason. If [consent](crate::GuestbookBuilder::consent) is configured and activity as a whole
/// needs consent, an event type with a purpose of its own
/// ([`ConsentRules::event_purpose`](crate::consent::ConsentRules::event_purpose)) does not count if
/// that purpose is never asked for: for example logins and logouts, which keep accounts safe, or a
/// purpose whose [mode](Mode) is `Necessary`. [`count_types`](Self::count_types) counts such a type
/// all the same.
///
/// # People who are excluded
///
/// - Users named in [`except_users`](Self::except_users).
/// - Users whose processing is [restricted](crate::privacy::Rights::restrict).
/// - With consent configured, users and visitors who refuse a purpose that events fall under
///   (GDPR, Articles 7(3) and 21). Their earlier events under that purpose do not count either,
///   including what a user did as a visitor before logging in. Events under another purpose, or
///   under none, count.
///
/// The state at the time of the query decides: a user who agrees again counts again. A denial
/// excludes nothing if nothing was recorded before consent.
///
/// A query that names a type that does not count is refused, because 0 would be a wrong answer.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     ErrorKind, Guestbook, Timestamp, UserId,
///     activity::EventType,
///     analytics::{AnalyticsRules, Funnel, FunnelStep, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let rules = AnalyticsRules::new()
///     .except_types([EventType::API_CALL])
///     .except_users([UserId::try_from("the-monitoring")?])
///     .count_types([EventType::LOGIN]);
/// let guestbook = Guestbook::builder(MemoryStore::new()).analytics(rules).build()?;
/// let day = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
/// let calls = Funnel::new([FunnelStep::new(EventType::API_CALL)]);
/// assert_eq!(guestbook.analytics().funnel(day, calls).await.unwrap_err().kind(), ErrorKind::InvalidInput);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct AnalyticsRules {
    pub(super) except_types: Vec<EventType>,
    pub(super) except_users: Vec<UserId>,
    pub(super) passive_types: Vec<EventType>,
    counted: Vec<EventType>,
    pub(super) follow_logins: bool,
    pub(super) time_limit: Duration,
    pub(super) max_events: usize,
    pub(super) max_concurrent_events: usize,
    pub(super) max_wait: Duration,
    pub(crate) max_excluded_people: usize,
    pub(super) roll_up_every: Option<Duration>,
}

impl AnalyticsRules {
    /// Returns the defaults: all event types count, a query times out after one minute and reads at
    /// most 20 million events, rollups run every five minutes.
    pub fn new() -> Self {
        Self {
            except_types: Vec::new(),
            except_users: Vec::new(),
            passive_types: vec![EventType::API_CALL],
            counted: Vec::new(),
            follow_logins: true,
            time_limit: Duration::from_secs(60),
            max_events: 20_000_000,
            max_concurrent_events: 20_000_000,
            max_wait: Duration::from_secs(10),
            max_excluded_people: 100_000,
            roll_up_every: Some(Duration::from_secs(5 * 60)),
        }
    }

    /// Excludes events of these types.
    pub fn except_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = types.into_iter().collect();
        self
    }

    /// Excludes events of these users: the staff, a monitoring service.
    pub fn except_users(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.except_users = users.into_iter().collect();
        self
    }

    /// Sets the types of events that programs cause without the user: requests of a page for data,
    /// a heartbeat.
    ///
    /// They are no interactions: they do not end a page view, they add nothing to the length of a
    /// visit, and a visit with one page view and only such events is a bounce. Default: `api_call`.
    /// With an empty list all types are interactions. After a change, rollups are computed again.
    pub fn passive_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.passive_types = types.into_iter().collect();
        self
    }

    /// Counts events of these types although their purpose is never asked for, because they have
    /// another legal basis.
    pub fn count_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.counted = types.into_iter().collect();
        self
    }

    /// Sets whether a person is followed across a login, see
    /// [`AnalyticsActor::Person`](crate::analytics::AnalyticsActor::Person). Default: yes. If not,
    /// the visitor before the login is another person.
    pub fn follow_logins(mut self, follow: bool) -> Self {
        self.follow_logins = follow;
        self
    }

    /// Limits the time of a query. Default: one minute. A query that reads every event takes a
    /// second for about three million.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Limits the number of events that a query keeps in memory, about 24 bytes each. Beyond it the
    /// query fails with [`TooLarge`](ErrorKind::TooLarge). Default: 20 million.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events;
        self
    }

    /// Limits the number of events that all queries read at the same time, see
    /// [`Analytics`](super::Analytics). A query that reads more waits until no other runs. This
    /// bounds the memory of analytics: 480 MB with the default of 20 million.
    pub fn max_concurrent_events(mut self, events: usize) -> Self {
        self.max_concurrent_events = events;
        self
    }

    /// Limits how long a query waits for room before its time begins. Then it fails with
    /// [`Unavailable`](ErrorKind::Unavailable), a 503 with `Retry-After`. Default: 10 seconds.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Limits the number of people who are excluded because they are restricted or refuse a
    /// purpose. Beyond it each query fails with [`TooLarge`](ErrorKind::TooLarge), rather than
    /// counting them. Their names are read for each query: about ten microseconds and 100 bytes
    /// each. Default: 100,000.
    pub fn max_excluded_people(mut self, persons: usize) -> Self {
        self.max_excluded_people = persons;
        self
    }

    /// Sets how often rollups [run](super::Analytics::roll_up) in the background; `None` for never.
    /// Default: every five minutes.
    pub fn roll_up_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.roll_up_every = interval.into();
        self
    }

    /// Checks the rules, and excludes the types that were recorded without consent.
    pub(crate) fn check(mut self, consent: Option<&ConsentSettings>) -> Result<Self> {
        if self.time_limit.is_zero() || self.max_events == 0 || self.max_concurrent_events == 0 {
            let context = "analytics(): time_limit(), max_events() and max_concurrent_events() must be more than zero";
            return Err(Error::new(ErrorKind::Configuration, context));
        }
        if self.roll_up_every.is_some_and(|interval| interval.is_zero()) {
            return Err(Error::new(ErrorKind::Configuration, "analytics(): roll_up_every() must be more than zero"));
        }
        if let Some(settings) = consent {
            let is_asked = |purpose: Option<&PurposeId>| {
                let purpose = purpose.and_then(|purpose| settings.purposes.get(purpose));
                purpose.is_some_and(|purpose| purpose.mode_under(Regime::Strictest) != Mode::Necessary)
            };
            if is_asked(settings.activity.as_ref()) {
                let own = settings.event_purposes.iter().map(|(event_type, _)| event_type);
                let unasked = own.filter(|event_type| !is_asked(settings.purpose_of(event_type)));
                self.except_types.extend(unasked.filter(|event_type| !self.counted.contains(event_type)).cloned());
            }
        }
        Ok(self)
    }

    /// Checks that all of these types count.
    pub(super) fn check_types<'a>(&self, types: impl IntoIterator<Item = &'a EventType>) -> Result<()> {
        match types.into_iter().find(|event_type| self.except_types.contains(event_type)) {
            Some(event_type) => Err(invalid("event_type", &format!("{event_type} does not count, see AnalyticsRules"))),
            None => Ok(()),
        }
    }
}

impl Default for AnalyticsRules {
    fn default() -> Self {
        Self::new()
    }
}

/// Redacted: it may name users.
impl fmt::Debug for AnalyticsRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalyticsRules")
            .field("except_types", &self.except_types)
            .field("except_users", &self.except_users.len())
            .field("time_limit", &self.time_limit)
            .field("max_events", &self.max_events)
            .finish_non_exhaustive()
    }
}
