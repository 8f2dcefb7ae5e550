//! [`FunnelStep`] and [`DataFilter`]: conditions on events.

use std::fmt;

use serde_json::Value;

use super::super::timelines::invalid;
use crate::{error::Result, model::activity::EventType};

/// A condition on events: an event type, and filters on the event's data.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{activity::EventType, analytics::{DataFilter, FunnelStep}};
///
/// let step = FunnelStep::new(EventType::PURCHASE).filter(DataFilter::equals("plan", "gold"));
/// assert!(step.matches(&EventType::PURCHASE, Some(r#"{"plan":"gold"}"#)));
/// assert!(!step.matches(&EventType::PURCHASE, None));
/// let nested = FunnelStep::new(EventType::PURCHASE).filter(DataFilter::exists("/items/0/id"));
/// assert!(nested.matches(&EventType::PURCHASE, Some(&json!({ "items": [{ "id": 7 }] }).to_string())));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct FunnelStep {
    pub(crate) event_type: EventType,
    filters: Vec<DataFilter>,
}

/// A condition on the data of an event: a field exists, or has a value.
///
/// A field is a key of the object, or a JSON pointer (RFC 6901) if it begins with `/`. Values are
/// compared with their type: the number 1 is not the text "1", and 1 is not 1.0. A field that is
/// `null` exists.
#[derive(Clone, PartialEq)]
#[must_use]
pub struct DataFilter {
    field: String,
    value: Option<Value>,
}

impl FunnelStep {
    /// The largest number of filters of one step.
    pub const MAX_FILTERS: usize = 10;

    /// Matches every event of this type.
    pub fn new(event_type: EventType) -> Self {
        Self { event_type, filters: Vec::new() }
    }

    /// Adds a filter that the event's data must pass.
    pub fn filter(mut self, filter: DataFilter) -> Self {
        self.filters.push(filter);
        self
    }

    /// Returns whether an event of this type with this data matches. Data that is not JSON passes
    /// no filter.
    pub fn matches(&self, event_type: &EventType, data: Option<&str>) -> bool {
        let value = || data.and_then(|data| serde_json::from_str(data).ok());
        self.event_type == *event_type && (self.filters.is_empty() || self.passes(value().as_ref()))
    }

    fn passes(&self, data: Option<&Value>) -> bool {
        self.filters.iter().all(|filter| filter.passes(data))
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.filters.len() > Self::MAX_FILTERS {
            return Err(invalid("filter", &format!("a step has at most {} filters", Self::MAX_FILTERS)));
        }
        Ok(())
    }
}

impl DataFilter {
    /// Requires that the field has this value.
    pub fn equals(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { field: field.into(), value: Some(value.into()) }
    }

    /// Requires that the field exists.
    pub fn exists(field: impl Into<String>) -> Self {
        Self { field: field.into(), value: None }
    }

    fn passes(&self, data: Option<&Value>) -> bool {
        let found = data.and_then(|data| field(data, &self.field));
        found.is_some_and(|found| self.value.as_ref().is_none_or(|value| found == value))
    }
}

/// Redacted: the value may be personal data.
impl fmt::Debug for DataFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFilter").field("field", &self.field).finish_non_exhaustive()
    }
}

fn field<'a>(data: &'a Value, name: &str) -> Option<&'a Value> {
    if name.starts_with('/') { data.pointer(name) } else { data.get(name) }
}

/// Matches an event against all steps and reads its breakdown, parsing the data once.
pub(crate) struct Matcher {
    /// `None` matches every event.
    steps: Vec<Option<FunnelStep>>,
    exclusions: Vec<Option<FunnelStep>>,
    breakdown: Option<String>,
}

/// The steps that a type may match, computed once for each type.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// Steps by bit, the first in the lowest.
    steps: u16,
    exclusions: u16,
    needs_data: bool,
}

/// The result for one event.
#[derive(Default)]
pub(crate) struct Match {
    pub(crate) steps: u16,
    pub(crate) is_excluded: bool,
    /// The value of the breakdown field.
    pub(crate) branch: Option<String>,
}

impl Matcher {
    pub(crate) fn new(
        steps: impl IntoIterator<Item = Option<FunnelStep>>,
        exclusions: Vec<FunnelStep>,
        breakdown: Option<String>,
    ) -> Self {
        let exclusions = exclusions.into_iter().map(Some).collect();
        Self { steps: steps.into_iter().collect(), exclusions, breakdown }
    }

    /// Returns the types that are named.
    pub(crate) fn types(&self) -> Vec<EventType> {
        self.named().map(|step| step.event_type.clone()).collect()
    }

    pub(crate) fn needs_data(&self) -> bool {
        self.breakdown.is_some() || self.named().any(|step| !step.filters.is_empty())
    }

    fn named(&self) -> impl Iterator<Item = &FunnelStep> {
        self.steps.iter().chain(&self.exclusions).flatten()
    }

    pub(crate) fn wanted(&self, event_type: &str) -> Wanted {
        let mut needs_data = false;
        let mut bits = |steps: &[Option<FunnelStep>]| {
            let is_meant = |step: &FunnelStep| step.event_type.as_str() == event_type;
            let matching = steps.iter().enumerate().filter(|(_, step)| step.as_ref().is_none_or(is_meant));
            matching.fold(0, |bits, (index, step)| {
                needs_data |= step.as_ref().is_some_and(|step| !step.filters.is_empty());
                bits | 1 << index
            })
        };
        let (steps, exclusions) = (bits(&self.steps), bits(&self.exclusions));
        Wanted { steps, exclusions, needs_data: needs_data || (steps != 0 && self.breakdown.is_some()) }
    }

    pub(crate) fn look(&self, wanted: Wanted, data: Option<&str>) -> Match {
        if !wanted.needs_data {
            return Match { steps: wanted.steps, is_excluded: wanted.exclusions != 0, branch: None };
        }
        let data: Option<Value> = data.and_then(|data| serde_json::from_str(data).ok());
        let passing = |bits: u16, steps: &[Option<FunnelStep>]| {
            let passes = |step: &Option<FunnelStep>| step.as_ref().is_none_or(|step| step.passes(data.as_ref()));
            let passing = steps.iter().enumerate().filter(|(index, step)| bits & (1 << index) != 0 && passes(step));
            passing.fold(0u16, |bits, (index, _)| bits | 1 << index)
        };
        let steps = passing(wanted.steps, &self.steps);
        let value = self.breakdown.as_ref().filter(|_| steps != 0).and_then(|name| field(data.as_ref()?, name));
        Match {
            steps,
            is_excluded: passing(wanted.exclusions, &self.exclusions) != 0,
            branch: value.and_then(|value| match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_filter_distinguishes_value_types_and_missing_from_null() {
        let data = json!({ "a": 1, "b": null, "c": { "d/e": [true] }, "/x": 2 }).to_string();
        for (filter, passes) in [
            (DataFilter::equals("a", 1), true),
            (DataFilter::equals("a", 1.0), false),
            (DataFilter::equals("a", "1"), false),
            (DataFilter::exists("b"), true),
            (DataFilter::equals("b", Value::Null), true),
            (DataFilter::exists("z"), false),
            (DataFilter::equals("z", Value::Null), false),
            (DataFilter::equals("/c/d~1e/0", true), true),
            (DataFilter::exists("/c/d/e"), false),
            (DataFilter::exists("/x"), false),
        ] {
            let step = FunnelStep::new(EventType::ACTION).filter(filter.clone());
            assert_eq!(step.matches(&EventType::ACTION, Some(&data)), passes, "{filter:?}");
            assert!(!step.matches(&EventType::ACTION, None) && !step.matches(&EventType::ACTION, Some("no json")));
        }
    }

    #[test]
    fn matcher_agrees_with_each_step() {
        let gold = |step: FunnelStep| step.filter(DataFilter::equals("plan", "gold"));
        let steps = [
            FunnelStep::new(EventType::LOGIN),
            gold(FunnelStep::new(EventType::LOGIN)),
            gold(FunnelStep::new(EventType::PURCHASE)),
        ];
        let exclusions = [gold(FunnelStep::new(EventType::ERROR))];
        let any_step = steps.iter().cloned().map(Some).chain([None]);
        let matcher = Matcher::new(any_step, exclusions.to_vec(), Some("plan".to_owned()));
        for event_type in [EventType::LOGIN, EventType::PURCHASE, EventType::ERROR, EventType::ACTION] {
            for data in [None, Some(r#"{"plan":"gold"}"#), Some(r#"{"plan":7}"#), Some(r#"{"plan":null}"#)] {
                let found = matcher.look(matcher.wanted(event_type.as_str()), data);
                for (index, step) in steps.iter().enumerate() {
                    assert_eq!(found.steps & (1 << index) != 0, step.matches(&event_type, data));
                }
                assert!(found.steps & (1 << steps.len()) != 0, "the last one is any event");
                assert_eq!(found.is_excluded, exclusions[0].matches(&event_type, data));
                let branch = match data {
                    Some(data) if data.contains("gold") => Some("gold"),
                    Some(data) if data.contains('7') => Some("7"),
                    _ => None,
                };
                assert_eq!(found.branch.as_deref(), branch);
            }
        }
    }
}
