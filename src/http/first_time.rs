//! [`FirstTime`]: what is worth one event in the log, and not one for each request.

use std::sync::atomic::{AtomicBool, Ordering};

/// Says once that it is the first time.
#[derive(Debug, Default)]
pub(super) struct FirstTime(AtomicBool);

impl FirstTime {
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(super) fn take(&self) -> bool {
        !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed)
    }
}
