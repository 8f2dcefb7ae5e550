//! [`Pace`]: how much is done in one step, so that others who write wait for some milliseconds at most.

use std::time::{Duration, Instant};

/// Steps that take about as long as the budget, by what the last one took.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
}

/// How long a step is to take. With the commit of whoever waits and now and then a checkpoint it makes 20 ms.
const BUDGET: Duration = Duration::from_millis(5);

/// How long others have between two steps.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

const SMALLEST: usize = 50;
const LARGEST: usize = 5_000;

impl Pace {
    pub(super) fn new() -> Self {
        Self { limit: 200 }
    }

    /// How many rows or pages the next step may take.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A step of [`limit`](Self::limit) has begun at this time and is over.
    pub(super) fn since(&mut self, begin: Instant) {
        self.took(begin.elapsed());
    }

    fn took(&mut self, elapsed: Duration) {
        let fitting = self.limit as f64 * BUDGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
        // What is suddenly fast may be a cache; what is suddenly slow is believed.
        self.limit = (fitting as usize).min(self.limit * 3 / 2).clamp(SMALLEST, LARGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_as_long_as_the_budget_within_bounds() {
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
