//! Patterns without gaps.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{PatternQuery, Visits};
use crate::{error::Result, model::analytics::timelines::too_large};

/// Returns the support of each sequence of 2 to `longest` labels.
pub(super) fn count(visits: &Visits, longest: usize) -> Result<Vec<(Vec<u32>, u64)>> {
    count_up_to(visits, longest, PatternQuery::MAX_PATTERNS)
}

pub(super) fn count_up_to(visits: &Visits, longest: usize, most: usize) -> Result<Vec<(Vec<u32>, u64)>> {
    // The support, and the last visit counted for it. Keys are slices of the labels themselves.
    let mut found: HashMap<&[u32], (u64, usize), RandomState> = HashMap::default();
    for (number, visit) in visits.iter().enumerate() {
        for begin in 0..visit.len() {
            for end in begin + 2..=visit.len().min(begin + longest) {
                let (support, last) = found.entry(&visit[begin..end]).or_insert((0, usize::MAX));
                if *last != number {
                    (*support, *last) = (*support + 1, number);
                }
            }
        }
        if found.len() > most {
            return Err(too_large("MAX_PATTERNS", "distinct patterns", most));
        }
    }
    Ok(found.into_iter().map(|(labels, (support, _))| (labels.to_vec(), support)).collect())
}
