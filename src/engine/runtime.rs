//! [`Runtime`]: what every part of the engine works with.

use std::{fmt, sync::Arc};

use super::tasks::Tasks;
use crate::{gate::Gate, store::dyn_store::DynStore, time::Clock};

/// The store, the tasks that ask it and the clock. A clone is another handle to the same.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) store: Arc<dyn DynStore>,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
}

impl Runtime {
    /// The same runtime, whose tasks wait until `gate` is open.
    pub(crate) fn behind(&self, gate: Gate) -> Self {
        Self { tasks: self.tasks.behind(gate), ..self.clone() }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("tasks", &self.tasks).field("clock", &self.clock).finish_non_exhaustive()
    }
}
