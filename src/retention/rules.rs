//! [`RetentionRules`]: how long what is kept.

use std::time::Duration;

use crate::{
    activity::{ActivityFilter, EventType},
    error::{Error, ErrorKind, Result},
    time::{Timestamp, to_millis},
};

/// How long events are kept, and how what is older is deleted.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{activity::EventType, retention::{Keep, RetentionRules}};
///
/// let days = |days: u64| Keep::For(Duration::from_secs(days * 86_400));
/// let rules = RetentionRules::new()
///     .keep_activities(days(30))
///     .keep_event_type(EventType::PURCHASE, Keep::Forever);
/// # let _ = rules;
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
    /// What is older than this is deleted; what is exactly as old stays.
    For(Duration),
    /// It is not deleted.
    Forever,
}

/// Some events that are kept equally long, as the rules are at some time. The one description of what is to be deleted: it is
/// counted, deleted and reported by these filters.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) event_type: Option<EventType>,
    pub(super) keep: Keep,
    /// All events of the class.
    pub(super) all: ActivityFilter,
}

impl RetentionRules {
    /// Activities are kept for 90 days, logins and logouts for 365: those are what a security incident is found with.
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

    /// Keeps everything, and nothing runs by itself.
    pub fn off() -> Self {
        Self { activities: Keep::Forever, event_types: Vec::new(), audit: Keep::Forever, is_on: false, ..Self::new() }
    }

    /// How long events are kept whose type has no rule of its own. Default: 90 days.
    pub fn keep_activities(mut self, keep: Keep) -> Self {
        self.activities = keep;
        self
    }

    /// How long events of this type are kept, whatever the rule for others. Default: 365 days for logins and logouts.
    pub fn keep_event_type(mut self, event_type: EventType, keep: Keep) -> Self {
        self.event_types.retain(|(other, _)| *other != event_type);
        self.event_types.push((event_type, keep));
        self
    }

    /// How long entries of the [audit trail](crate::audit) are kept. Default: three years.
    pub fn keep_audit(mut self, keep: Keep) -> Self {
        self.audit = keep;
        self
    }

    /// How often old events are deleted. Default: every hour. Each pause is 10 to 20 % longer, at random, so that processes that
    /// started together do not stay together; the first one is a minute.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Which part of a class one run may delete, if the class has more than 1,000 events. Default: 0.3. A run that would delete
    /// more deletes nothing of the class and says so: most likely a clock or a rule is wrong. If not, see
    /// [`Retention::run_forced`](super::Retention::run_forced).
    pub fn max_fraction(mut self, fraction: f64) -> Self {
        self.max_fraction = fraction;
        self
    }

    /// How long which class of events is kept, and the audit trail; `None` is for ever.
    pub(crate) fn periods(&self) -> Vec<(String, Option<Duration>)> {
        let period = |(name, keep)| match keep {
            Keep::For(duration) => (name, Some(duration)),
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
        if self.activities == Keep::For(Duration::ZERO) {
            return wrong("keep_activities() must be longer than zero");
        }
        if self.audit == Keep::For(Duration::ZERO) {
            return wrong("keep_audit() must be longer than zero");
        }
        if self.event_types.iter().any(|(_, keep)| *keep == Keep::For(Duration::ZERO)) {
            return wrong("keep_event_type() must be longer than zero");
        }
        Ok(())
    }

    /// For how long the rest is kept.
    pub(super) fn activities(&self) -> Keep {
        self.activities
    }

    /// Each event is in one of them: that of its type, if the type has a rule of its own, or else in the first.
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
    /// From when on events are kept at `now`; `None` if they all are.
    pub(super) fn since(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(duration) => Some(Timestamp::from_millis(now.as_millis().saturating_sub(to_millis(duration)))),
            Self::Forever => None,
        }
    }
}

impl Class {
    /// The events to delete at `now`, if there can be any: not those that are restricted or held.
    pub(super) fn old(&self, now: Timestamp) -> Option<ActivityFilter> {
        self.keep.since(now).map(|since| self.all.clone().until(since).sparing_restricted(now))
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Event;

    #[test]
    fn each_event_is_in_one_class_that_of_its_type_if_there_is_one() {
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
        assert!(classes[2].old(Timestamp::from_millis(0)).is_none(), "the last rule for a type holds");
    }

    #[test]
    fn the_age_counts_to_the_millisecond_and_does_not_overflow() {
        let keep = |millis| Keep::For(Duration::from_millis(millis));
        assert_eq!(keep(7).since(Timestamp::from_millis(10)), Some(Timestamp::from_millis(3)));
        assert_eq!(Keep::For(Duration::MAX).since(Timestamp::from_millis(-10)), Some(Timestamp::from_millis(i64::MIN)));
        assert_eq!(Keep::Forever.since(Timestamp::from_millis(10)), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (rules, name) in [
            (RetentionRules::new().interval(Duration::ZERO), "interval()"),
            (RetentionRules::new().max_fraction(0.0), "max_fraction()"),
            (RetentionRules::new().max_fraction(1.1), "max_fraction()"),
            (RetentionRules::new().max_fraction(f64::NAN), "max_fraction()"),
            (RetentionRules::new().keep_activities(Keep::For(Duration::ZERO)), "keep_activities()"),
            (RetentionRules::new().keep_audit(Keep::For(Duration::ZERO)), "keep_audit()"),
            (RetentionRules::new().keep_event_type(EventType::ERROR, Keep::For(Duration::ZERO)), "keep_event_type()"),
        ] {
            let error = rules.check().unwrap_err();
            assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains(name), "{error}");
        }
        for rules in [RetentionRules::new(), RetentionRules::off(), RetentionRules::new().max_fraction(1.0)] {
            rules.check().unwrap();
        }
    }
}
