//! [`Funnel`]: how many come how far.

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

/// A question: of those who did the first step, how many went on to the second, the third …?
///
/// # Definition
///
/// Of each [`AnalyticsActor`] all events that count are ordered by time and, where that is the
/// same, by sequence. A *chain* is a list of events e1, e2, … ej of one actor, each later in that
/// order than the one before, where ei matches the step i, and the time of each is at most `window`
/// after that of e1: to the millisecond, and from the first step, not from the one before. One
/// event serves one step, also where two steps are alike. e1 lies in the range that is asked for;
/// the others may come after its end.
///
/// An actor came as far as their longest chain. The first chain that got so far tells how long each
/// step took; if several were complete with the same event, the one that began last; of those, the
/// one whose later steps, beginning with the last, are earliest.
///
/// | [`FunnelOrder`] | then |
/// |---|---|
/// | `Ordered` | other events may lie between those of a chain |
/// | `Strict` | no other event of the actor lies between them that counts |
/// | `Any` | the chain is of events that match so many different steps, in any order; who did j of them came to stage j |
///
/// An event that matches an [exclusion](Self::exclude), lies between the first and the last of that
/// chain and is none of it takes the actor out: they are counted as excluded and nowhere else. An
/// actor who did not come to the end, but whose last entry is not yet `window` ago, is *open*: they
/// may still come.
///
/// A stage's conversion is its actors by those of the stage before, or of the first; where those
/// are none, it is `None`.
///
/// # Limits
///
/// [`MAX_STEPS`](Self::MAX_STEPS), [`MAX_STEPS_IN_ANY_ORDER`](Self::MAX_STEPS_IN_ANY_ORDER),
/// [`MAX_EXCLUSIONS`](Self::MAX_EXCLUSIONS), [`MAX_WINDOW`](Self::MAX_WINDOW),
/// [`MAX_BRANCHES`](Self::MAX_BRANCHES).
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
/// for (user, event_type, second) in [(1, "visit", 0), (2, "visit", 0), (1, "order", 60), (3, "order", 60)] {
///     let mut event = Event::new(EventType::new(event_type)?, Timestamp::from_millis(second * 1_000));
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

/// In which order the steps of a [`Funnel`] are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FunnelOrder {
    /// One after the other, and anything between. The default.
    #[default]
    Ordered,
    /// One after the other, and nothing between.
    Strict,
    /// In any order.
    Any,
}

impl Funnel {
    /// The most steps.
    pub const MAX_STEPS: usize = 10;
    /// The most steps in any order: each more doubles the work.
    pub const MAX_STEPS_IN_ANY_ORDER: usize = 6;
    /// The most exclusions.
    pub const MAX_EXCLUSIONS: usize = 10;
    /// The longest window: 366 days.
    pub const MAX_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    /// The most branches of a breakdown.
    pub const MAX_BRANCHES: usize = 1_000;

    /// These steps in this order, within 14 days, by [`AnalyticsActor::Person`].
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

    /// How long the last step may come after the first. Default: 14 days.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// In which order. Default: [`FunnelOrder::Ordered`].
    pub fn order(mut self, order: FunnelOrder) -> Self {
        self.order = order;
        self
    }

    /// Takes out who did this meanwhile.
    pub fn exclude(mut self, event: FunnelStep) -> Self {
        self.exclusions.push(event);
        self
    }

    /// Who goes through it. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Also tells apart by this field of the data of e1: a key, or a JSON pointer (RFC 6901) if it
    /// begins with `/`.
    pub fn breakdown(mut self, field: impl Into<String>) -> Self {
        self.breakdown = Some(field.into());
        self
    }

    /// Whether the question makes sense.
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
