//! [`AnalyticsRules`]: which events count, and how much one question may cost.

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

/// Which events count, and how much one question may cost.
///
/// # Which events count
///
/// All that are stored, but for those that are left out here, and those that were stored for
/// another reason. Where [consent](crate::GuestbookBuilder::consent) is configured, an event type
/// that has a purpose of its own
/// ([`ConsentRules::event_purpose`](crate::consent::ConsentRules::event_purpose)) is left out if
/// nobody is asked for that purpose: if it is none, as with logins and logouts, which keep accounts
/// safe, or one whose [mode](Mode) is `Necessary`. Who was not asked whether they may be counted is
/// not counted by what is known anyway. Where nobody is asked about activity as a whole, such types
/// are like all others and count. [`count_types`](Self::count_types) says that a type counts
/// nevertheless.
///
/// # Who is left out
///
/// Users who are named here, and whose processing is
/// [restricted](crate::privacy::Rights::restrict). Where
/// [consent](crate::GuestbookBuilder::consent) is configured, also whoever refuses a purpose that
/// events fall under (GDPR, Articles 7(3) and 21), with what was recorded under it before: a user
/// who refuses, with what they did as a visitor before they logged in, or a visitor. Events under
/// another purpose, or under none, count as before. It is as it is at the moment of the question:
/// who agrees again counts again.
///
/// A mere denial, where nothing is recorded before somebody agrees, leaves nothing to be left out,
/// and so is not looked at.
///
/// What the guestbook does in the background (retention, erasure, consent) is no event, so there is
/// nothing to leave out.
///
/// A question that names a type that does not count is refused: 0 would be a wrong answer.
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
    pub(super) events_at_a_time: usize,
    pub(super) max_wait: Duration,
    pub(crate) max_left_out: usize,
    pub(super) roll_up_every: Option<Duration>,
}

impl AnalyticsRules {
    /// All types count; a question takes a minute at most and looks at 20 million events; what is
    /// over is summed up every five minutes.
    pub fn new() -> Self {
        Self {
            except_types: Vec::new(),
            except_users: Vec::new(),
            passive_types: vec![EventType::API_CALL],
            counted: Vec::new(),
            follow_logins: true,
            time_limit: Duration::from_secs(60),
            max_events: 20_000_000,
            events_at_a_time: 20_000_000,
            max_wait: Duration::from_secs(10),
            max_left_out: 100_000,
            roll_up_every: Some(Duration::from_secs(5 * 60)),
        }
    }

    /// Leaves events of these types out.
    pub fn except_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.except_types = types.into_iter().collect();
        self
    }

    /// Leaves events of these users out: the staff, a monitoring.
    pub fn except_users(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.except_users = users.into_iter().collect();
        self
    }

    /// The types of events that programs make by themselves: what a page fetches, a heartbeat. They
    /// do not count as an interaction: they do not end a page, add nothing to the length of a
    /// visit, and a visit with one page view and such events is a bounce. Default: `api_call`. An
    /// empty list says that all types count. What is rolled up is rolled up anew after a change.
    pub fn passive_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.passive_types = types.into_iter().collect();
        self
    }

    /// Counts events of these types although nobody is asked about them: you have another ground
    /// to.
    pub fn count_types(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.counted = types.into_iter().collect();
        self
    }

    /// Whether a person is followed across a login, see
    /// [`AnalyticsActor::Person`](crate::analytics::AnalyticsActor::Person). Default: yes. If not,
    /// what a visitor did before is another person's.
    pub fn follow_logins(mut self, follow: bool) -> Self {
        self.follow_logins = follow;
        self
    }

    /// How long a question may take, in all. Default: a minute. One that looks at every event takes
    /// a second for some three million of them.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How many events a question may keep in memory while it is answered; each takes some 24
    /// bytes, for a moment. With more the answer is [`TooLarge`](ErrorKind::TooLarge). Default: 20
    /// million.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events;
        self
    }

    /// How many events all questions together may look at at a time, see
    /// [`Analytics`](super::Analytics). One question that looks at more waits until there is no
    /// other. With 24 bytes an event this bounds what analytics take: 480 MB with the default of 20
    /// million.
    pub fn events_at_a_time(mut self, events: usize) -> Self {
        self.events_at_a_time = events;
        self
    }

    /// How long a question waits for room, before its time begins; then it is refused as
    /// [`Unavailable`](ErrorKind::Unavailable), a 503 with `Retry-After`. Default: 10 seconds.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How many persons may be left out because they are restricted or refuse a purpose; with more
    /// each question is answered with [`TooLarge`](ErrorKind::TooLarge), rather than with figures
    /// that count them. Their names are read for each question: some ten microseconds and 100 bytes
    /// each, for a moment. Default: 100,000.
    pub fn max_left_out(mut self, persons: usize) -> Self {
        self.max_left_out = persons;
        self
    }

    /// How often what is over is [summed up](super::Analytics::roll_up) in the background; `None`
    /// for never. Default: every five minutes.
    pub fn roll_up_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.roll_up_every = interval.into();
        self
    }

    /// Checks the rules, and leaves out what was stored without asking.
    pub(crate) fn check(mut self, consent: Option<&ConsentSettings>) -> Result<Self> {
        if self.time_limit.is_zero() || self.max_events == 0 || self.events_at_a_time == 0 {
            let context = "analytics(): time_limit(), max_events() and events_at_a_time() must be more than zero";
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

    /// Whether all of these types count.
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
