//! [`Timelines`]: the events of all actors, in order.

use std::{collections::HashMap, ops::Range};

use foldhash::fast::RandomState;

use super::visits::split;
use crate::error::{Error, ErrorKind, Result};

/// An event, reduced to what its order needs: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Number of the actor.
    pub(crate) actor: u32,
    /// Number of the label, see [`Names`].
    pub(crate) label: u32,
    pub(crate) time: i64,
}

/// Events ordered by actor, time and sequence.
#[derive(Debug, Default)]
pub(crate) struct Timelines {
    steps: Vec<Step>,
    pub(crate) names: Names,
}

impl Timelines {
    /// Sorts `steps`, which are in the order of their sequence.
    pub(crate) fn new(mut steps: Vec<Step>, names: Names) -> Self {
        // The sort is stable: events of one time stay in the order of their sequence.
        steps.sort_by_key(|step| (step.actor, step.time));
        Self { steps, names }
    }

    /// Returns the events of each actor.
    pub(crate) fn actors(&self) -> impl Iterator<Item = &[Step]> {
        self.steps.chunk_by(|one, next| one.actor == next.actor)
    }

    /// Returns the events of each visit.
    pub(crate) fn visits(&self) -> impl Iterator<Item = &[Step]> {
        self.actors()
            .flat_map(|steps| split(steps, |step| step.time).into_iter().map(|Range { start, end }| &steps[start..end]))
    }
}

/// Names by number, in the order of their first use.
#[derive(Debug, Default)]
pub(crate) struct Names {
    all: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32, RandomState>,
}

/// The largest number of distinct labels, pages or values of one query: 100,000.
pub const MAX_NAMES: usize = 100_000;

impl Names {
    /// Returns the number of a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if there are more than [`MAX_NAMES`].
    pub(crate) fn number(&mut self, name: &str) -> Result<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        if self.all.len() == MAX_NAMES {
            return Err(too_large("MAX_NAMES", "distinct names", MAX_NAMES));
        }
        let number = self.all.len() as u32;
        self.all.push(name.into());
        self.numbers.insert(name.into(), number);
        Ok(number)
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        &self.all[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

/// Creates the error of a query that exceeds a limit. A truncated answer would be wrong.
pub(crate) fn too_large(limit: &str, what: &str, number: usize) -> Error {
    let context = format!("more than {number} {what} ({limit}): ask for a shorter range or for less");
    Error::new(ErrorKind::TooLarge, context)
}

/// Creates the error of an invalid parameter.
pub(crate) fn invalid(parameter: &str, rule: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{parameter}: {rule}"))
}

/// Returns `part / whole`; `None` if `whole` is 0.
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Builds timelines of (actor, time in minutes, label), in the order of their sequence.
    pub(crate) fn timelines(events: &[(u32, i64, &str)]) -> Timelines {
        let mut names = Names::default();
        let steps = events.iter().map(|(actor, minute, label)| Step {
            actor: *actor,
            label: names.number(label).unwrap(),
            time: minute * 60_000,
        });
        Timelines::new(steps.collect(), names)
    }

    #[test]
    fn timelines_order_events_by_time_then_sequence() {
        let lines = timelines(&[(2, 5, "a"), (1, 9, "b"), (2, 5, "c"), (2, 1, "d"), (1, 50, "e")]);
        let text = |steps: &[Step]| steps.iter().map(|step| lines.names.name(step.label)).collect::<String>();
        assert_eq!(lines.actors().map(text).collect::<Vec<_>>(), ["be", "dac"]);
        assert_eq!(lines.visits().map(text).collect::<Vec<_>>(), ["b", "e", "dac"]);
    }

    #[test]
    fn names_beyond_the_limit_are_too_large() {
        let mut names = Names::default();
        for number in 0..MAX_NAMES {
            names.number(&number.to_string()).unwrap();
        }
        assert_eq!(names.number("7").unwrap(), 7);
        let error = names.number("one too many").unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("MAX_NAMES")), (ErrorKind::TooLarge, true));
    }
}
