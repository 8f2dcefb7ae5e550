//! [`Analytics`]: answers about what was recorded, from the store.

mod behaviour;
mod gather;
mod journey;
mod rules;

use std::{fmt, sync::Arc};

pub use self::rules::AnalyticsRules;
use crate::{store::dynamic::DynamicStore, tasks::Tasks, time::Clock};

/// Answers about what was recorded. Its questions, and what exactly they mean, are in [`analysis`](crate::analysis). A clone is another handle.
#[derive(Clone)]
pub struct Analytics {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn DynamicStore>,
    tasks: Tasks,
    clock: Clock,
    rules: AnalyticsRules,
}

impl Analytics {
    pub(crate) fn new(store: Arc<dyn DynamicStore>, tasks: Tasks, clock: Clock, rules: AnalyticsRules) -> Self {
        Self { inner: Arc::new(Inner { store, tasks, clock, rules }) }
    }
}

impl fmt::Debug for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analytics").finish_non_exhaustive()
    }
}
