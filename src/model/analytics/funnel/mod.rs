//! [`Funnel`]: how many actors complete a sequence of steps.

mod chain;
mod matching;
mod report;

use std::time::Duration;

use serde::Serialize;

pub(crate) use self::{
    chain::{EXCLUDED, Mark},
    matching::{Matcher, Wanted},
};
pub use self::{
    matching::{DataFilter, FunnelStep},
    report::{FunnelBranch, FunnelReport, FunnelStage},
};
use super::{AnalyticsActor, timelines::invalid};
use crate::error::Result;

/// A funnel query: how many actors go from the first step to the second, the third, and so on?
///
/// # Definition
///
/// The counted events of each [`AnalyticsActor`] are ordered by time and sequence. A *chain* is a
/// list of events e1, e2, …, ej of one actor, each later in that order than the one before, such
/// that
///
/// - ei matches step i,
/// - the time of each is at most [`window`](Self::window) after that of e1, to the millisecond,
/// - one event matches one step, even if two steps are alike,
/// - e1 lies in the range of the query. Later events may lie after its end.
///
/// The stage of an actor is the length of their longest chain. If there are several, the chain that
/// was complete first counts; of those complete with the same event, the one that began last; of
/// those, the one whose later steps, compared from the last, are earliest. This chain gives the
/// time of each step.
///
/// The [`FunnelOrder`] decides what may lie between the events of a chain:
///
/// - `Ordered`: any other events.
/// - `Strict`: no other counted event of the actor.
/// - `Any`: the steps may be done in any order; an actor who did j different steps is at stage j.
///
/// An actor is *excluded* if an event that matches an [exclusion](Self::exclude) lies between the
/// first and the last event of the chain and is not part of it. Excluded actors count in no stage.
/// An actor who did not finish, but whose last entry is less than `window` ago, is *open*: they may
/// still finish.
///
/// The conversion of a stage is its number of actors divided by that of the previous stage, or of
/// the first. It is `None` if that number is 0.
///
/// # Limits
///
/// [`MAX_STEPS`](Self::MAX_STEPS), [`MAX_STEPS_IN_ANY_ORDER`](Self::MAX_STEPS_IN_ANY_ORDER),
/// [`MAX_EXCLUSIONS`](Self::MAX_EXCLUSIONS), [`MAX_WINDOW`](Self::MAX_WINDOW),
/// [`MAX_BRANCHES`](Self::MAX_BRANCHES).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Guestbook, Timestamp, UserId,
///     activity::{Event, EventType},
///     analytics::{Funnel, FunnelStep, Range},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let events = [(1, "visit", 0), (2, "visit", 0), (1, "order", 60), (3, "order", 60)];
/// for (user, event_type, second) in events {
///     let time = Timestamp::from_millis(second * 1_000);
///     let mut event = Event::new(EventType::new(event_type)?, time);
///     event.user = Some(UserId::from(user));
///     guestbook.recorder().record_durable(event).await?;
/// }
/// let step = |name| EventType::new(name).map(FunnelStep::new);
/// let funnel = Funnel::new([step("visit")?, step("order")?]).window(Duration::from_secs(3_600));
/// let day = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(86_400_000))?;
/// let report = guestbook.analytics().funnel(day, funnel).await?;
/// assert_eq!((report.stages[0].actors, report.stages[1].actors), (2, 1), "user 3 never came in");
/// assert_eq!((report.stages[1].from_previous, report.stages[1].median_ms), (Some(0.5), Some(60_000)));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Funnel {
    pub(crate) steps: Vec<FunnelStep>,
    pub(crate) window: Duration,
    pub(crate) order: FunnelOrder,
    pub(crate) exclusions: Vec<FunnelStep>,
    pub(crate) actor: AnalyticsActor,
    pub(crate) breakdown: Option<String>,
}

/// The order of the steps of a [`Funnel`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FunnelOrder {
    /// One after the other, with any events between. The default.
    #[default]
    Ordered,
    /// One after the other, with no counted event between.
    Strict,
    /// In any order.
    Any,
}

impl Funnel {
    /// The largest number of steps.
    pub const MAX_STEPS: usize = 10;
    /// The largest number of steps in any order. Each additional step doubles the work.
    pub const MAX_STEPS_IN_ANY_ORDER: usize = 6;
    /// The largest number of exclusions.
    pub const MAX_EXCLUSIONS: usize = 10;
    /// The maximum window: 366 days.
    pub const MAX_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    /// The largest number of branches of a breakdown.
    pub const MAX_BRANCHES: usize = 1_000;

    /// Creates a funnel of these steps in this order, within 14 days, by
    /// [`AnalyticsActor::Person`].
    pub fn new(steps: impl IntoIterator<Item = FunnelStep>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            window: Duration::from_secs(14 * 24 * 60 * 60),
            order: FunnelOrder::default(),
            exclusions: Vec::new(),
            actor: AnalyticsActor::default(),
            breakdown: None,
        }
    }

    /// Sets how long after the first step the last may come. Default: 14 days.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets the order of the steps. Default: [`FunnelOrder::Ordered`].
    pub fn order(mut self, order: FunnelOrder) -> Self {
        self.order = order;
        self
    }

    /// Excludes actors with such an event within their chain.
    pub fn exclude(mut self, event: FunnelStep) -> Self {
        self.exclusions.push(event);
        self
    }

    /// Sets the unit that counts once. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Breaks the report down by this field of the data of e1: a key, or a JSON pointer (RFC 6901)
    /// if it begins with `/`.
    pub fn breakdown(mut self, field: impl Into<String>) -> Self {
        self.breakdown = Some(field.into());
        self
    }

    /// Checks the parameters.
    pub(crate) fn check(&self) -> Result<()> {
        let most = match self.order {
            FunnelOrder::Any => Self::MAX_STEPS_IN_ANY_ORDER,
            FunnelOrder::Ordered | FunnelOrder::Strict => Self::MAX_STEPS,
        };
        if self.steps.is_empty() || self.steps.len() > most {
            return Err(invalid("steps", &format!("a funnel has 1 to {most} steps")));
        }
        if self.exclusions.len() > Self::MAX_EXCLUSIONS {
            return Err(invalid("exclude", &format!("a funnel has at most {} exclusions", Self::MAX_EXCLUSIONS)));
        }
        if self.window > Self::MAX_WINDOW {
            return Err(invalid("window", "it is at most 366 days long"));
        }
        self.steps.iter().chain(&self.exclusions).try_for_each(FunnelStep::check)
    }
}
