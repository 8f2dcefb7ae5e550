//! [`Analytics`]: answers about what was recorded, from the store.

use std::{fmt, sync::Arc};

use crate::{store::dynamic::DynamicStore, tasks::Tasks, time::Clock};

/// Answers about what was recorded. A clone is another handle.
#[derive(Clone)]
pub struct Analytics {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn DynamicStore>,
    tasks: Tasks,
    clock: Clock,
}

impl Analytics {
    pub(crate) fn new(store: Arc<dyn DynamicStore>, tasks: Tasks, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner { store, tasks, clock }) }
    }
}

impl fmt::Debug for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analytics").finish_non_exhaustive()
    }
}
