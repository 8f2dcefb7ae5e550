//! [`Gate`]: closed until something that must come first is done.

use std::fmt;

use tokio::sync::watch;

use crate::error::{Error, Result};

/// A gate that others wait at. A clone is the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    state: watch::Sender<State>,
}

enum State {
    Closed,
    /// The last attempt failed; callers get the error at once.
    Failed(Error),
    Open,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self { state: watch::Sender::new(State::Closed) }
    }

    /// Opens for good.
    pub(crate) fn open(&self) {
        self.state.send_replace(State::Open);
    }

    /// A prerequisite has failed. An open gate stays open.
    pub(crate) fn fail(&self, error: Error) {
        self.state.send_if_modified(|state| {
            let is_open = matches!(state, State::Open);
            if !is_open {
                *state = State::Failed(error);
            }
            !is_open
        });
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.state.borrow(), State::Open)
    }

    /// Waits until the gate is open, or until it is known that it does not open for now.
    pub(crate) async fn opened(&self) -> Result<()> {
        let mut states = self.state.subscribe();
        // The sender is here, so the channel is not closed while this waits.
        match states.wait_for(|state| !matches!(state, State::Closed)).await.as_deref() {
            Ok(State::Failed(error)) => Err(error.without_source()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("is_open", &self.is_open()).finish()
    }
}
