//! Patterns with gaps: PrefixSpan with pseudo-projection (Pei et al., "PrefixSpan: Mining
//! Sequential Patterns Efficiently by Prefix-Projected Pattern Growth", 2001).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{PatternQuery, Visits};
use crate::{error::Result, model::analytics::timelines::too_large};

/// Returns the support of each sequence of 2 to `longest` labels that at least `least` visits
/// contain.
pub(super) fn count(visits: &Visits, longest: usize, least: u64) -> Result<Vec<(Vec<u32>, u64)>> {
    count_up_to(visits, longest, least, PatternQuery::MAX_PATTERNS)
}

pub(super) fn count_up_to(visits: &Visits, longest: usize, least: u64, most: usize) -> Result<Vec<(Vec<u32>, u64)>> {
    let mut growth = Growth { longest, least, most, prefix: Vec::new(), found: Vec::new() };
    growth.grow(&visits.iter().collect::<Vec<_>>())?;
    Ok(growth.found)
}

struct Growth {
    longest: usize,
    least: u64,
    most: usize,
    prefix: Vec<u32>,
    found: Vec<(Vec<u32>, u64)>,
}

impl Growth {
    /// Finds the patterns that begin with the prefix. `rests` is the rest of each visit after the
    /// first place where the prefix is complete.
    fn grow(&mut self, rests: &[&[u32]]) -> Result<()> {
        let mut support: HashMap<u32, (u64, usize), RandomState> = HashMap::default();
        for (number, rest) in rests.iter().enumerate() {
            for label in *rest {
                let (support, last) = support.entry(*label).or_insert((0, usize::MAX));
                if *last != number {
                    (*support, *last) = (*support + 1, number);
                }
            }
        }
        for (label, (support, _)) in support {
            if support < self.least {
                continue;
            }
            self.prefix.push(label);
            if self.prefix.len() > 1 {
                if self.found.len() == self.most {
                    return Err(too_large("MAX_PATTERNS", "distinct patterns", self.most));
                }
                self.found.push((self.prefix.clone(), support));
            }
            if self.prefix.len() < self.longest {
                let after = rests.iter().filter_map(|rest| {
                    let place = rest.iter().position(|other| *other == label)?;
                    Some(&rest[place + 1..]).filter(|rest| !rest.is_empty())
                });
                self.grow(&after.collect::<Vec<_>>())?;
            }
            self.prefix.pop();
        }
        Ok(())
    }
}
