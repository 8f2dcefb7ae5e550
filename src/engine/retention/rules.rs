//! [`RetentionRules`]: how long each class of data is kept.

use std::time::Duration;

use crate::{
    error::{Error, ErrorKind, Result},
    model::activity::{ActivityFilter, EventType},
    time::{Timestamp, to_millis},
};

/// How long events and audit entries are kept. A rule for a type of events takes precedence over
/// the rule for all others.
///
/// Defaults: 90 days for events, 365 days for logins and logouts, three years for the audit trail;
/// a run every hour, which deletes at most 30 % of a class.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Guestbook,
///     activity::EventType,
///     retention::{Keep, RetentionRules},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let month = Duration::from_secs(30 * 86_400);
/// let rules = RetentionRules::new()
///     .keep_activities(Keep::For(month))
///     .keep_event_type(EventType::PURCHASE, Keep::Forever)
///     .keep_event_type(EventType::PAGE_VIEW, Keep::anonymise_after(month));
/// let guestbook = Guestbook::builder(MemoryStore::new()).retention(rules).build()?;
/// let classes = guestbook.retention().dry_run().await?.classes;
/// assert_eq!((&*classes[0].class, classes[0].keep), ("activities", Keep::For(month)));
///
/// let zero = RetentionRules::new().keep_activities(Keep::For(Duration::ZERO));
/// assert!(Guestbook::builder(MemoryStore::new()).retention(zero).build().is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct RetentionRules {
    activities: Keep,
    event_types: Vec<(EventType, Keep)>,
    pub(super) audit: Keep,
    pub(super) interval: Duration,
    pub(super) max_fraction: f64,
    pub(super) is_on: bool,
}

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Deletes what is older than this.
    For(Duration),
    /// Deletes nothing.
    Forever,
    /// [Anonymises](crate::activity::Event::anonymised) events that are older than `after`, and
    /// deletes those that are older than `delete_after`, if it is set. An anonymised event has only
    /// its day, so it may be deleted up to a day early.
    ///
    /// Types and routes stay as they were recorded and must name nobody: an erasure does not find
    /// anonymised events. [`ErasedActivities`](crate::privacy::ErasedActivities) describes what
    /// else to consider.
    Anonymise {
        /// The age at which an event is anonymised.
        after: Duration,
        /// The age at which an event is deleted; `None` is never.
        delete_after: Option<Duration>,
    },
}

/// What happens to old events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Anonymised,
    Deleted,
}

/// The old events of a class and what happens to them. Counting, deletion and the report all use
/// this filter.
#[derive(Clone, Debug)]
pub(super) struct Old {
    pub(super) fate: Fate,
    pub(super) filter: ActivityFilter,
    /// All events of the class that can become old.
    pub(super) all: ActivityFilter,
    /// Events from this time on are not old.
    pub(super) since: Timestamp,
}

/// Events that are kept equally long.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) event_type: Option<EventType>,
    pub(super) keep: Keep,
    /// All events of the class.
    pub(super) all: ActivityFilter,
}

impl RetentionRules {
    /// Creates the default rules. Logins and logouts are kept longer because they help to
    /// investigate security incidents.
    pub fn new() -> Self {
        let year = Keep::For(365 * DAY);
        Self {
            activities: Keep::For(90 * DAY),
            event_types: vec![(EventType::LOGIN, year), (EventType::LOGOUT, year)],
            audit: Keep::For(3 * 365 * DAY),
            interval: Duration::from_secs(60 * 60),
            max_fraction: 0.3,
            is_on: true,
        }
    }

    /// Creates rules that keep everything. No run happens in the background.
    pub fn off() -> Self {
        Self { activities: Keep::Forever, event_types: Vec::new(), audit: Keep::Forever, is_on: false, ..Self::new() }
    }

    /// Sets how long events are kept whose type has no rule of its own. Default: 90 days.
    pub fn keep_activities(mut self, keep: Keep) -> Self {
        self.activities = keep;
        self
    }

    /// Sets how long events of this type are kept. Default: 365 days for logins and logouts.
    pub fn keep_event_type(mut self, event_type: EventType, keep: Keep) -> Self {
        self.event_types.retain(|(other, _)| *other != event_type);
        self.event_types.push((event_type, keep));
        self
    }

    /// Sets how long entries of the [audit trail](crate::privacy::AuditTrail) are kept. Default:
    /// three years.
    pub fn keep_audit(mut self, keep: Keep) -> Self {
        self.audit = keep;
        self
    }

    /// Sets how often old data is deleted. Default: every hour. Each pause is 10 to 20 % longer, at
    /// random, so that processes that started together drift apart. The first pause is a minute.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets which fraction of a class of more than 1,000 events one run may delete. Default: 0.3. A
    /// run that would delete more deletes nothing of the class and reports it, because most likely
    /// a clock or a rule is wrong. See [`Retention::run_forced`](super::Retention::run_forced).
    pub fn max_fraction(mut self, fraction: f64) -> Self {
        self.max_fraction = fraction;
        self
    }

    /// How long each class of events is kept as personal data, and the audit trail; `None` is for
    /// ever.
    pub(crate) fn periods(&self) -> Vec<(String, Option<Duration>)> {
        let period = |(name, keep)| match keep {
            Keep::For(duration) | Keep::Anonymise { after: duration, .. } => (name, Some(duration)),
            Keep::Forever => (name, None),
        };
        let classes = self.classes().into_iter().map(|class| (class.name, class.keep));
        classes.chain([("audit".to_owned(), self.audit)]).map(period).collect()
    }

    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |problem| Err(Error::new(ErrorKind::Configuration, format!("retention(): {problem}")));
        if self.interval < Duration::from_secs(1) {
            return wrong("interval() must be at least a second");
        }
        if !(self.max_fraction > 0.0 && self.max_fraction <= 1.0) {
            return wrong("max_fraction() must be more than 0 and at most 1");
        }
        if !self.activities.is_possible() {
            return wrong("keep_activities() must be longer than zero, and `delete_after` longer than `after`");
        }
        if !self.audit.is_possible() || matches!(self.audit, Keep::Anonymise { .. }) {
            return wrong("keep_audit() must be longer than zero, and audit entries cannot be anonymised");
        }
        if self.event_types.iter().any(|(_, keep)| !keep.is_possible()) {
            return wrong("keep_event_type() must be longer than zero, and `delete_after` longer than `after`");
        }
        Ok(())
    }

    /// The rule for types without one of their own.
    pub(super) fn activities(&self) -> Keep {
        self.activities
    }

    /// The classes. Each event is in one: that of its type, if the type has a rule, or else the
    /// first.
    pub(super) fn classes(&self) -> Vec<Class> {
        let types = self.event_types.iter().map(|(event_type, _)| event_type.clone());
        let rest = Class {
            name: "activities".to_owned(),
            event_type: None,
            keep: self.activities,
            all: ActivityFilter::new().except_types(types),
        };
        let own = self.event_types.iter().map(|(event_type, keep)| Class {
            name: format!("activities:{event_type}"),
            event_type: Some(event_type.clone()),
            keep: *keep,
            all: ActivityFilter::new().event_type(event_type.clone()),
        });
        std::iter::once(rest).chain(own).collect()
    }
}

impl Default for RetentionRules {
    fn default() -> Self {
        Self::new()
    }
}

impl Keep {
    /// Anonymises events that are older than this and keeps them for ever.
    pub const fn anonymise_after(after: Duration) -> Self {
        Self::Anonymise { after, delete_after: None }
    }

    /// The time from which on data is kept at `now`; `None` if all is.
    pub(super) fn since(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(duration) | Self::Anonymise { delete_after: Some(duration), .. } => Some(before(now, duration)),
            Self::Forever | Self::Anonymise { delete_after: None, .. } => None,
        }
    }

    fn is_possible(self) -> bool {
        match self {
            Self::For(duration) => !duration.is_zero(),
            Self::Forever => true,
            Self::Anonymise { after, delete_after } => {
                !after.is_zero() && delete_after.is_none_or(|delete_after| delete_after > after)
            }
        }
    }
}

impl Class {
    /// The old events at `now`, except restricted and held ones; those to be deleted first.
    pub(super) fn old(&self, now: Timestamp) -> Vec<Old> {
        let old = |fate, all: ActivityFilter, since| {
            let filter = all.clone().until(since).except_restricted(now);
            Old { fate, filter, all, since }
        };
        let deleted = self.keep.since(now).map(|since| old(Fate::Deleted, self.all.clone(), since));
        let anonymised = match self.keep {
            Keep::Anonymise { after, .. } => {
                let mut old = old(Fate::Anonymised, self.personal(), before(now, after));
                // Older events are deleted.
                old.filter.from = deleted.as_ref().map(|deleted| deleted.since);
                Some(old)
            }
            Keep::For(_) | Keep::Forever => None,
        };
        deleted.into_iter().chain(anonymised).collect()
    }

    /// The events of the class that show whether retention is behind.
    pub(super) fn personal(&self) -> ActivityFilter {
        match self.keep {
            Keep::Anonymise { .. } => self.all.clone().except_anonymised(),
            Keep::For(_) | Keep::Forever => self.all.clone(),
        }
    }
}

fn before(now: Timestamp, duration: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(to_millis(duration)))
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::activity::Event;

    #[test]
    fn classes_contain_each_event_once() {
        let rules = RetentionRules::new().keep_event_type(EventType::LOGIN, Keep::Forever);
        let classes = rules.classes();
        for (event_type, expected) in [
            (EventType::LOGIN, "activities:login"),
            (EventType::LOGOUT, "activities:logout"),
            (EventType::PAGE_VIEW, "activities"),
        ] {
            let event = Event::new(event_type, Timestamp::from_millis(0));
            let of: Vec<_> =
                classes.iter().filter(|class| class.all.matches(&event)).map(|class| &class.name).collect();
            assert_eq!(of, [expected]);
        }
        assert!(classes[2].old(Timestamp::from_millis(0)).is_empty(), "the last rule for a type holds");
    }

    #[test]
    fn since_is_exact_and_does_not_overflow() {
        let keep = |millis| Keep::For(Duration::from_millis(millis));
        assert_eq!(keep(7).since(Timestamp::from_millis(10)), Some(Timestamp::from_millis(3)));
        assert_eq!(Keep::For(Duration::MAX).since(Timestamp::from_millis(-10)), Some(Timestamp::from_millis(i64::MIN)));
        assert_eq!(Keep::Forever.since(Timestamp::from_millis(10)), None);
    }

    #[test]
    fn old_lists_deletion_before_anonymisation() {
        let rules = RetentionRules::new().keep_activities(personal(3, Some(7)));
        let old = rules.classes()[0].old(Timestamp::from_millis(10_000));
        let seen: Vec<_> =
            old.iter().map(|old| (old.fate, old.since.as_millis(), old.filter.except_anonymised)).collect();
        assert_eq!(seen, [(Fate::Deleted, 3_000, false), (Fate::Anonymised, 7_000, true)]);
        let rules = rules.keep_activities(Keep::anonymise_after(Duration::from_secs(3)));
        assert_eq!(rules.classes()[0].old(Timestamp::from_millis(10_000)).len(), 1);
        assert_eq!(rules.periods()[0].1, Some(Duration::from_secs(3)), "what is kept longer is nobody's");
    }

    fn personal(seconds: u64, delete_after: Option<u64>) -> Keep {
        let delete_after = delete_after.map(Duration::from_secs);
        Keep::Anonymise { after: Duration::from_secs(seconds), delete_after }
    }

    #[test]
    fn check_names_the_invalid_rule() {
        for (rules, name) in [
            (RetentionRules::new().interval(Duration::ZERO), "interval()"),
            (RetentionRules::new().max_fraction(0.0), "max_fraction()"),
            (RetentionRules::new().max_fraction(1.1), "max_fraction()"),
            (RetentionRules::new().max_fraction(f64::NAN), "max_fraction()"),
            (RetentionRules::new().keep_activities(Keep::For(Duration::ZERO)), "keep_activities()"),
            (RetentionRules::new().keep_audit(Keep::For(Duration::ZERO)), "keep_audit()"),
            (RetentionRules::new().keep_event_type(EventType::ERROR, Keep::For(Duration::ZERO)), "keep_event_type()"),
            (RetentionRules::new().keep_activities(personal(0, None)), "keep_activities()"),
            (RetentionRules::new().keep_event_type(EventType::ERROR, personal(7, Some(7))), "keep_event_type()"),
            (RetentionRules::new().keep_audit(personal(7, None)), "keep_audit()"),
        ] {
            let error = rules.check().unwrap_err();
            assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains(name), "{error}");
        }
        for rules in [RetentionRules::new(), RetentionRules::off(), RetentionRules::new().max_fraction(1.0)] {
            rules.check().unwrap();
        }
    }
}
