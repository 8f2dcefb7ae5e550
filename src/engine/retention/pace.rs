//! [`Pace`]: the size of a step, so that other writers wait for some milliseconds at most.

use std::time::{Duration, Instant};

/// The size of the next step, by the duration of the last one.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
}

/// The target duration of a step. With the commit of a waiting writer and an occasional checkpoint
/// this makes 20 ms.
const BUDGET: Duration = Duration::from_millis(5);

/// The pause between two steps, for other writers.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

const SMALLEST: usize = 50;
const LARGEST: usize = 5_000;

impl Pace {
    pub(super) fn new() -> Self {
        Self { limit: 200 }
    }

    /// The rows or pages of the next step.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Records that a step of [`limit`](Self::limit) began at this time and is over.
    pub(super) fn since(&mut self, begin: Instant) {
        self.took(begin.elapsed());
    }

    fn took(&mut self, elapsed: Duration) {
        let fitting = self.limit as f64 * BUDGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
        // A sudden speed-up may be a cache; a slow-down counts in full.
        self.limit = (fitting as usize).min(self.limit * 3 / 2).clamp(SMALLEST, LARGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_follows_the_budget_within_bounds() {
        let mut pace = Pace::new();
        // A thousand rows fit.
        for _ in 0..20 {
            pace.took(BUDGET / 1_000 * pace.limit() as u32);
        }
        assert!((990..=1_000).contains(&pace.limit()), "{pace:?}");
        pace.took(Duration::from_secs(5));
        assert_eq!(pace.limit(), SMALLEST);
        for _ in 0..20 {
            pace.took(Duration::ZERO);
        }
        assert_eq!(pace.limit(), LARGEST);
    }
}
